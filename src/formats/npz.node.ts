import { zipSync } from "fflate";
import type { Entry, ZipFile } from "yauzl";
import { writeFileAtomic } from "../base/atomic-file.node.ts";
import { DiapasonError } from "../base/errors.ts";
import { inMemory, type Tensor } from "../graph/tensor.ts";
import { crc32 } from "./crc32.ts";
import { type FileBytes, openFileBytes } from "./file-bytes.node.ts";
import { readNpy, writeNpy } from "./npy.ts";
import { openZip } from "./open-zip.node.ts";
import type { ByteRange } from "./safetensors.ts";

/** Inflated arrays of one archive may take this many bytes in all, unless the caller says otherwise. */
const defaultLimit = 8e9;

/** Deflate makes at most about 1032 bytes of one; an entry that claims more lies. Source: zlib's technical details. */
const largestRatio = 1032;

const stored = 0;
const deflated = 8;

/** Opens a .npy file of any size; its numbers are read when asked for. @throws formats/npy-damaged, formats/npy-type */
export function loadNpy(path: string): Tensor {
  const file = openFileBytes(path);
  return about(path, () => readNpy(file.length, (offset, length) => file.range(offset, length)));
}

/**
 * Opens a .npz archive: arrays by the names they were saved under.
 *
 * What is stored as it is (numpy.savez) stays in the file and is read when asked for; what is compressed
 * (numpy.savez_compressed) is inflated into memory, checked against its sum.
 * `limitBytes`: what may be inflated in all.
 * @throws formats/npz-damaged, formats/npz-too-large, formats/npy-damaged, formats/npy-type, formats/file-unreadable
 */
export async function loadNpz(
  path: string,
  { limitBytes = defaultLimit }: { readonly limitBytes?: number } = {},
): Promise<Map<string, Tensor>> {
  const file = openFileBytes(path);
  const zip = await openZip(path, file).catch((cause: unknown) => {
    throw damaged(path, messageOf(cause), cause);
  });
  try {
    const arrays = new Map<string, Tensor>();
    let inflated = 0;
    for await (const entry of entriesOf(zip, path)) {
      // Any text: the name of an ONNX value may begin with "/". Nothing is ever written under it.
      const fileName = new TextDecoder().decode(entry.fileNameRaw);
      const name = fileName.replace(/\.npy$/, "");
      if (name === fileName) {
        if (fileName.endsWith("/")) continue;
        throw damaged(path, `it holds "${fileName}", which is no .npy array`);
      }
      if (arrays.has(name)) throw damaged(path, `it holds "${fileName}" twice`);
      if (entry.compressionMethod !== stored) inflated += entry.uncompressedSize;
      if (inflated > limitBytes)
        throw new DiapasonError(
          "formats/npz-too-large",
          `${path}: its compressed arrays take ${inflated} bytes or more when they are inflated; ${limitBytes} are allowed.`,
          "Save the arrays with numpy.savez, or as .npy files in a folder: those stay on disk.",
        );
      const [length, range] = await bytesOf(zip, entry, file, (why, cause) =>
        damaged(path, `"${fileName}": ${why}`, cause),
      );
      arrays.set(
        name,
        about(`${path}, "${name}"`, () => readNpy(length, range)),
      );
    }
    return arrays;
  } finally {
    zip.close();
  }
}

async function* entriesOf(zip: ZipFile, path: string): AsyncGenerator<Entry> {
  const entries = zip.eachEntry();
  for (;;) {
    const next = await entries.next().catch((cause: unknown) => {
      throw damaged(path, messageOf(cause), cause);
    });
    if (next.done) return;
    yield next.value;
  }
}

/** The bytes of an entry: a part of the file where they are stored as they are, else inflated. */
async function bytesOf(
  zip: ZipFile,
  entry: Entry,
  file: FileBytes,
  broken: (why: string, cause?: unknown) => DiapasonError,
): Promise<readonly [number, ByteRange]> {
  const { compressionMethod, compressedSize, uncompressedSize } = entry;
  if (entry.isEncrypted()) throw broken("it is encrypted");
  if (compressionMethod === stored) {
    const { fileDataStart } = await zip
      .readLocalFileHeaderPromise(entry, { minimal: true })
      .catch((cause: unknown) => {
        throw broken(messageOf(cause), cause);
      });
    if (compressedSize !== uncompressedSize || fileDataStart + compressedSize > file.length)
      throw broken("it reaches beyond the end of the file");
    return [compressedSize, (offset, length) => file.range(fileDataStart + offset, length)];
  }
  if (compressionMethod !== deflated)
    throw broken(`it is compressed by method ${compressionMethod}; NumPy uses 0 and 8`);
  if (uncompressedSize > largestRatio * compressedSize + largestRatio)
    throw broken(`it claims to be ${uncompressedSize} bytes, made of ${compressedSize}`);
  const bytes = await inflate(zip, entry).catch((cause: unknown) => {
    throw broken(messageOf(cause), cause);
  });
  return [bytes.length, (offset, length) => inMemory(bytes.subarray(offset, offset + length))];
}

async function inflate(zip: ZipFile, entry: Entry): Promise<Uint8Array> {
  const bytes = new Uint8Array(entry.uncompressedSize);
  let at = 0;
  // The stream ends in an error when it holds more or less than the entry says.
  for await (const chunk of await zip.openReadStreamPromise(entry)) {
    bytes.set(chunk as Uint8Array, at);
    at += (chunk as Uint8Array).length;
  }
  if (crc32(bytes) !== entry.crc32) throw new Error("its contents do not fit their checksum");
  return bytes;
}

/** What a zip archive without the extension for large files can hold, with some room for its directory. */
const largestArchive = 4e9;

/**
 * Writes arrays as numpy.savez does; the file is there whole or not at all. Equal arrays make equal files.
 * @throws formats/npz-too-large, formats/npy-type
 */
export async function saveNpz(path: string, arrays: ReadonlyMap<string, Tensor>): Promise<void> {
  const total = [...arrays.values()].reduce((sum, { data }) => sum + data.length, 0);
  if (total > largestArchive)
    throw new DiapasonError(
      "formats/npz-too-large",
      `${path}: the arrays have ${total} bytes; an archive is written up to ${largestArchive}.`,
      "Write them as .safetensors, which has no such limit.",
    );
  const files = Object.fromEntries([...arrays].map(([name, tensor]) => [`${name}.npy`, writeNpy(tensor)]));
  await writeFileAtomic(path, zipSync(files, { level: 0, mtime: new Date(1980, 0, 2) }));
}

function about<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof DiapasonError ? error.about(where) : error;
  }
}

const messageOf = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).replace(/\.$/, "");

const damaged = (path: string, why: string, cause?: unknown): DiapasonError =>
  new DiapasonError(
    "formats/npz-damaged",
    `${path}: this is not a whole .npz archive: ${why}.`,
    "Write it again with numpy.savez, and check that the file is complete.",
    cause,
  );
