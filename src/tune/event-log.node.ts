import { closeSync, fstatSync, fsyncSync, openSync, truncateSync, writeSync } from "node:fs";
import { asWriteError } from "../base/atomic-file.node.ts";
import type { TuneEvent } from "./events.ts";

/** metrics.jsonl: one event a line, appended. Lines gather in memory and are written when there are enough of them. */
export class EventLog {
  readonly #path: string;
  readonly #file: number;
  #length: number;
  #pending: string[] = [];
  #writtenAt = performance.now();

  /**
   * Goes on after the first `length` bytes, or after fewer where somebody has removed some; what comes after them is cut off.
   * @throws base/disk-full, base/not-writable, as do the methods
   */
  constructor(path: string, length: number) {
    this.#path = path;
    try {
      this.#file = openSync(path, "a");
      this.#length = Math.min(length, fstatSync(this.#file).size);
      // by its path: Windows cuts no file that is open for appending alone
      truncateSync(path, this.#length);
    } catch (error) {
      throw asWriteError(error, path);
    }
  }

  append(event: TuneEvent): void {
    this.#pending.push(JSON.stringify(event));
    // Often enough for someone who watches the file, seldom enough to cost nothing.
    if (this.#pending.length >= 100 || performance.now() - this.#writtenAt > 500) this.#write();
  }

  /** Puts every event on the disk. Result: the file's length in bytes. */
  flush(): number {
    this.#write();
    fsyncSync(this.#file);
    return this.#length;
  }

  close(): void {
    try {
      this.flush();
    } finally {
      closeSync(this.#file);
    }
  }

  #write(): void {
    if (this.#pending.length > 0) {
      const bytes = Buffer.from(`${this.#pending.join("\n")}\n`);
      this.#pending = [];
      try {
        for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
      } catch (error) {
        throw asWriteError(error, this.#path);
      }
      this.#length += bytes.length;
    }
    this.#writtenAt = performance.now();
  }
}
