import type { VerbEvent } from "../app/index.ts";
import { lineOf, progressOf } from "./lines.ts";
import { errorRecord, renderError } from "./render.ts";

/** Where a verb's events go. */
export interface Printer {
  event(event: VerbEvent): void;
  note(text: string): void;
  error(error: unknown): void;
  end(): void;
}

/** One JSON object a line on standard output; what a person wants to know on standard error. */
export function jsonPrinter(): Printer {
  return {
    event: (event) => void process.stdout.write(`${JSON.stringify(event)}\n`),
    note: (text) => void process.stderr.write(`${text}\n`),
    error(error) {
      process.stdout.write(`${JSON.stringify(errorRecord(error))}\n`);
      process.stderr.write(`${renderError(error)}\n`);
    },
    end() {},
  };
}

/** Milliseconds between two redraws of the progress line. */
const redrawMs = 100;

/** Text for people: lines that stay, and on a terminal one line of progress that is redrawn in place. */
export function consolePrinter(): Printer {
  const terminal = process.stderr.isTTY === true;
  let drawn = false;
  let lastDraw = 0;
  const clear = () => {
    if (drawn) process.stderr.write("\r\u001b[K");
    drawn = false;
  };
  return {
    event(event) {
      const progress = progressOf(event);
      if (progress !== undefined) {
        if (!terminal || Date.now() - lastDraw < redrawMs) return;
        lastDraw = Date.now();
        clear();
        process.stderr.write(progress.slice(0, (process.stderr.columns ?? 80) - 1));
        drawn = true;
        return;
      }
      const line = lineOf(event);
      if (line === undefined) return;
      clear();
      process.stdout.write(`${line}\n`);
    },
    note(text) {
      clear();
      process.stderr.write(`${text}\n`);
    },
    error(error) {
      clear();
      process.stderr.write(`${renderError(error)}\n`);
    },
    end: clear,
  };
}
