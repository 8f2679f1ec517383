import { createReadStream } from "node:fs";
import { fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from "yauzl";
import type { FileBytes } from "./file-bytes.node.ts";

/**
 * Opens a zip archive whose places are not trusted: what lies outside the file is an error of the call that asks for it.
 * Left to itself the library reads at any place that an archive names, and what Node throws of one beyond all numbers
 * comes from a callback, where nobody can catch it.
 */
export function openZip(path: string, file: FileBytes): Promise<ZipFile> {
  const options = { decodeStrings: false } as const;
  return fromRandomAccessReaderPromise(new FileReader(path, file), file.length, options);
}

class FileReader extends RandomAccessReader {
  readonly #path: string;
  readonly #file: FileBytes;

  constructor(path: string, file: FileBytes) {
    super();
    this.#path = path;
    this.#file = file;
  }
  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    done: (error: Error | null) => void,
  ): void {
    try {
      this.#check(position, length);
      buffer.set(this.#file.range(position, length).read(), offset);
    } catch (error) {
      done(error as Error);
      return;
    }
    done(null);
  }
  override _readStreamForRange(start: number, end: number) {
    this.#check(start, end - start);
    return createReadStream(this.#path, { start, end: end - 1 });
  }
  override close(done: (error: Error | null) => void): void {
    done(null);
  }
  #check(position: number, length: number): void {
    const { length: size } = this.#file;
    if (!(position >= 0 && length >= 0 && position + length <= size))
      throw new Error(`it names the bytes from ${position} to ${position + length} of ${size}`);
  }
}
