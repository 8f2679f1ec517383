import { DiapasonError } from "../../base/errors.ts";
import { alpacaMessages, alpacaPrompt } from "./alpaca.ts";
import type { FoundShape } from "./find-shape.ts";
import { readMessages, readVariables } from "./read-messages.ts";
import type { ChatMessage, TextOrMessages, TextRole, TextValues } from "./text-dataset.ts";
import type { ValueKind } from "./text-shapes.ts";
import { wrong } from "./wrong-field.ts";

/** A row as a file has it. */
export interface RawRow {
  readonly line: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Everything about a row but its label, which is understood once all labels are known. */
export function readValues(found: FoundShape, fields: RawRow["fields"], where: string): TextValues {
  const values = readShape(found, fields, where);
  const isChat = Object.values(values).some((value) => Array.isArray(value) && isTurn(value[0]));
  const variables = isChat ? readVariables(fields, where) : undefined;
  return variables ? { ...values, variables } : values;
}

const isTurn = (value: unknown): boolean => typeof value === "object" && value !== null && "role" in value;

function readShape(found: FoundShape, fields: RawRow["fields"], where: string): TextValues {
  const read = <K extends keyof Readers>(role: TextRole, kind: K): ReturnType<Readers[K]> =>
    readers[kind](fieldOf(found, fields, role, where), nameOf(found, role), where) as ReturnType<Readers[K]>;
  const has = (role: TextRole): boolean => {
    const column = found.columns[role];
    return column !== undefined && !isMissing(fields[column]);
  };
  switch (found.shape) {
    case "text":
    case "text-label":
      return { text: read("text", "text") };
    case "pair":
    case "pair-label":
      return { text: read("text", "text"), pair: read("pair", "text") };
    case "pair-score":
      return { text: read("text", "text"), pair: read("pair", "text"), score: read("score", "number") };
    case "triplet":
      return {
        anchor: read("anchor", "text"),
        positive: read("positive", "text"),
        ...(has("negative") && { negative: read("negative", "text") }),
      };
    case "tokens-tags":
      return { tokens: read("tokens", "strings") };
    case "messages":
      return { messages: withSystem(read("messages", "messages"), fields["system"]) };
    case "prompt": {
      if (found.columns.instruction === undefined) return { prompt: read("prompt", "text or messages") };
      const instruction = read("instruction", "text");
      const input = has("input") ? read("input", "text") : "";
      return {
        prompt: alpacaPrompt(instruction, input),
        messages: alpacaMessages(instruction, input, "").slice(0, 1),
      };
    }
    case "prompt-completion": {
      if (found.columns.instruction === undefined)
        return {
          prompt: read("prompt", "text or messages"),
          completion: read("completion", "text or messages"),
        };
      const instruction = read("instruction", "text");
      const input = has("input") ? read("input", "text") : "";
      const output = read("output", "text");
      return {
        prompt: alpacaPrompt(instruction, input),
        completion: output,
        messages: alpacaMessages(instruction, input, output),
      };
    }
    case "preference": {
      const chosen = read("chosen", "text or messages");
      const rejected = read("rejected", "text or messages");
      if (JSON.stringify(chosen) === JSON.stringify(rejected))
        throw new DiapasonError(
          "data/wrong-field",
          `${where}: "${nameOf(found, "chosen")}" and "${nameOf(found, "rejected")}" are the same.`,
          "Remove the row, or give two different answers.",
        );
      if (!has("prompt")) return splitPrompt(chosen, rejected, where);
      const prompt = read("prompt", "text or messages");
      return holdPrompt(prompt, chosen, rejected)
        ? splitPrompt(chosen, rejected, where)
        : { prompt, chosen, rejected };
    }
  }
}

/** A conversation with what a column beside it says to the model, as of ShareGPT's rows. */
const withSystem = (turns: readonly ChatMessage[], said: unknown): readonly ChatMessage[] =>
  typeof said === "string" && said.trim() !== "" && turns[0]!.role !== "system"
    ? [{ role: "system", content: said }, ...turns]
    : turns;

const nameOf = (found: FoundShape, role: TextRole): string => found.columns[role] ?? role;

export const isMissing = (value: unknown): boolean => value === undefined || value === null || value === "";

function fieldOf(found: FoundShape, fields: RawRow["fields"], role: TextRole, where: string): unknown {
  const column = nameOf(found, role);
  if (Object.hasOwn(fields, column) && fields[column] !== null && fields[column] !== undefined)
    return fields[column];
  throw new DiapasonError(
    "data/missing-field",
    `${where}: the field "${column}" is missing.`,
    "Fill it in, or remove the row.",
  );
}

/** How a kind of value is read from a field; each throws what does not fit. */
const readers = {
  text(value: unknown, column: string, where: string): string {
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean")
      throw wrong(value, column, where, "a text");
    const text = String(value);
    if (text.trim() === "")
      throw new DiapasonError(
        "data/empty-text",
        `${where}: "${column}" is empty.`,
        "Fill it in, or remove the row.",
      );
    return text;
  },
  number(value: unknown, column: string, where: string): number {
    const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
    if (typeof number !== "number" || !Number.isFinite(number)) throw wrong(value, column, where, "a number");
    return number;
  },
  strings(value: unknown, column: string, where: string): readonly string[] {
    const list = listOf(value, column, where);
    if (list.length === 0)
      throw new DiapasonError(
        "data/empty-text",
        `${where}: "${column}" is an empty list.`,
        "Remove the row.",
      );
    const odd = list.find((item) => typeof item !== "string" && typeof item !== "number");
    if (odd !== undefined) throw wrong(odd, column, where, "a list of words");
    return list.map(String);
  },
  messages: (value: unknown, column: string, where: string) =>
    readMessages(listOf(value, column, where), column, where),
  "text or messages"(value: unknown, column: string, where: string): TextOrMessages {
    return Array.isArray(value) ? readMessages(value, column, where) : readers.text(value, column, where);
  },
} satisfies Partial<Record<ValueKind, (value: unknown, column: string, where: string) => unknown>>;
type Readers = typeof readers;

/** One item of a list as Python writes it: a text, a number or a word. */
const pythonItem = /'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([-+.\w]+)/gsu;

/**
 * A list as Python's `str` or NumPy's writes it, which is what pandas puts into CSV files; undefined for anything else, JSON
 * included.
 */
function pythonList(text: string): readonly unknown[] | undefined {
  const inner = /^\s*\[(.*)\]\s*$/s.exec(text)?.[1];
  if (inner === undefined || !inner.includes("'")) return undefined;
  if (inner.replace(pythonItem, "").trim().replace(/[\s,]/g, "") !== "") return undefined;
  return [...inner.matchAll(pythonItem)].map(([, single, double, bare]) =>
    bare === undefined ? (single ?? double)!.replace(/\\(.)/gs, "$1") : bare,
  );
}

/** A list as it is, or as JSON in a field of a CSV file. */
export function listOf(value: unknown, column: string, where: string): readonly unknown[] {
  let list = value;
  if (typeof value === "string") {
    try {
      list = pythonList(value) ?? JSON.parse(value);
    } catch (cause) {
      throw wrong(value, column, where, "a list (in a CSV file written as JSON)", cause);
    }
  }
  if (!Array.isArray(list)) throw wrong(value, column, where, "a list");
  return list;
}

/** Whether both answers are whole conversations, which a prompt that is given beside them begins already, as TRL sees it. */
function holdPrompt(prompt: TextOrMessages, ...answers: readonly TextOrMessages[]): boolean {
  return answers.every((turns) => {
    if (typeof turns === "string") return false;
    if (typeof prompt === "string") return turns.length > 1 && turns[0]!.role !== "assistant";
    return prompt.every((turn, i) => JSON.stringify(turn) === JSON.stringify(turns[i]));
  });
}

/** Prompt and two answers from two whole conversations or texts: what both begin with is the prompt, as in TRL. */
function splitPrompt(chosen: TextOrMessages, rejected: TextOrMessages, where: string): TextValues {
  if (typeof chosen !== typeof rejected)
    throw new DiapasonError(
      "data/wrong-field",
      `${where}: "chosen" and "rejected" are not both texts or both messages.`,
      "Write both the same way.",
    );
  const same = (i: number) => JSON.stringify(chosen[i]) === JSON.stringify(rejected[i]);
  let shared = 0;
  while (shared < Math.min(chosen.length, rejected.length) && same(shared)) shared++;
  // A text is cut before the space that precedes the first difference, so that no word is cut.
  if (typeof chosen === "string" && shared > 0) {
    shared = Math.max(0, chosen.lastIndexOf(" ", shared));
  }
  if (shared === 0)
    throw new DiapasonError(
      "data/missing-field",
      `${where}: there is no "prompt", and "chosen" and "rejected" do not begin alike.`,
      'Add a column "prompt", or begin both with it.',
    );
  if (shared >= chosen.length || shared >= rejected.length)
    throw new DiapasonError(
      "data/wrong-field",
      `${where}: "chosen" and "rejected" do not differ after what they share.`,
      "Remove the row, or give two different answers.",
    );
  return { prompt: chosen.slice(0, shared), chosen: chosen.slice(shared), rejected: rejected.slice(shared) };
}
