import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import type { TuneEvent } from "./events.ts";

/** metrics.jsonl: one event a line, appended. Lines gather in memory and are written when there are enough of them. */
export class EventLog {
  readonly #file: number;
  #length: number;
  #pending: string[] = [];
  #writtenAt = performance.now();

  /** Goes on after the first `length` bytes; what comes after them is cut off. */
  constructor(path: string, length: number) {
    this.#file = openSync(path, "a");
    ftruncateSync(this.#file, length);
    this.#length = length;
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
    this.flush();
    closeSync(this.#file);
  }

  #write(): void {
    if (this.#pending.length > 0) {
      const bytes = Buffer.from(`${this.#pending.join("\n")}\n`);
      writeSync(this.#file, bytes);
      this.#length += bytes.length;
      this.#pending = [];
    }
    this.#writtenAt = performance.now();
  }
}
