import type { VerbEvent } from "../app/index.node.ts";
import { errorRecord, renderError } from "./render.ts";
import { teller } from "./tell.ts";
import { usualWidth, wrapText } from "./wrap.ts";

/** Where a verb's events go. */
export interface Printer {
  event(event: VerbEvent): void;
  note(text: string): void;
  /** What was asked for about the program itself, laid out already: help, the version. */
  asked(text: string, record: object): void;
  error(error: unknown): void;
  end(): void;
}

/** Milliseconds between two states of something under way: redrawn in place on a terminal, else a line each. */
const drawEveryMs = { terminal: 100, plain: 10_000 };

/** Columns of a terminal below which nothing is fitted any more. */
const narrowest = 20;

/**
 * Prints events: as text for people on standard output, or, with `json`, as one JSON object a line there and the text on
 * standard error. Progress is one line that a terminal redraws in place, and lines are wrapped to a terminal's width.
 */
export function consolePrinter({ json }: { readonly json: boolean }): Printer {
  const isTerminal = process.stderr.isTTY === true;
  const every = isTerminal ? drawEveryMs.terminal : drawEveryMs.plain;
  const tell = teller(process.memoryUsage.rss);
  const people = json ? process.stderr : process.stdout;
  const widthOf = ({ columns }: typeof people) => Math.max(narrowest, columns || usualWidth);
  const write = (stream: typeof people, text: string) =>
    stream.write(`${stream.isTTY ? wrapText(visible(text), widthOf(stream)) : visible(text)}\n`);
  let isDrawn = false;
  let lastDraw = Date.now();
  const clear = () => {
    if (isDrawn) process.stderr.write("\r\u001b[K");
    isDrawn = false;
  };
  const draw = (progress: string) => {
    if (Date.now() - lastDraw < every) return;
    lastDraw = Date.now();
    clear();
    if (isTerminal) process.stderr.write(visible(progress).slice(0, (process.stderr.columns ?? 80) - 1));
    else process.stderr.write(`${visible(progress)}\n`);
    isDrawn = isTerminal;
  };
  return {
    event(event) {
      if (json) process.stdout.write(`${JSON.stringify(event)}\n`);
      const told = tell(event, people.isTTY ? widthOf(people) : usualWidth);
      if (!told) return;
      if ("progress" in told) return draw(told.progress);
      clear();
      write(people, told.line);
    },
    note(text) {
      clear();
      write(process.stderr, text);
    },
    asked(text, record) {
      if (json) process.stdout.write(`${JSON.stringify(record)}\n`);
      people.write(text);
    },
    error(error) {
      clear();
      if (json) process.stdout.write(`${JSON.stringify(errorRecord(error))}\n`);
      write(process.stderr, renderError(error));
    },
    end: clear,
  };
}

/**
 * A text in which control characters are written out: names of classes, files and weights come from strangers, and a
 * terminal obeys what it is sent.
 */
export const visible = (text: string): string =>
  text.replace(
    /[^\P{Cc}\n\t]/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
