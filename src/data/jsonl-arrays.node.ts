import { DiapasonError } from "../base/errors.ts";
import { type Tensor, tensorOf } from "../graph/tensor.ts";
import { listNames } from "./code-points.ts";
import type { DataFinding } from "./dataset.ts";
import { readLines } from "./read-lines.node.ts";

/** Nesting beyond this is no array of numbers that a graph takes. */
const deepest = 8;

/**
 * Reads a .jsonl file: one example a line, an object of numbers, true/false, or nested lists of them, by name.
 *
 * Arrays come out as float64, of true/false as bool. Values that are text are left out, which `findings` say.
 * @throws data/bad-jsonl with the line: not JSON, another set of names, a list of another shape.
 */
export async function readJsonlArrays(
  path: string,
): Promise<{ readonly arrays: Map<string, Tensor>; readonly findings: readonly DataFinding[] }> {
  const columns = new Map<string, Column>();
  const texts = new Set<string>();
  let names: readonly string[] | undefined;
  let line = 0;
  let examples = 0;
  for await (const text of readLines(path)) {
    line++;
    if (text.trim() === "") continue;
    const where = `${path}, line ${line}`;
    const entries = Object.entries(parseLine(text, where));
    if (names) checkNames(names, entries, where);
    else names = entries.map(([name]) => name);
    for (const [name, value] of entries) {
      if (examples === 0 && typeof value === "string") texts.add(name);
      if (texts.has(name)) continue;
      const column = columns.get(name) ?? new Column(name, value, where);
      columns.set(name, column);
      column.add(value, where);
    }
    examples++;
  }
  const findings =
    texts.size === 0
      ? []
      : [{ kind: "text", message: `${path}: ${listNames([...texts])} hold text, which is left out.` }];
  return { arrays: new Map([...columns].map(([name, column]) => [name, column.tensor(examples)])), findings };
}

function parseLine(text: string, where: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw bad(where, `it is not JSON: ${text.slice(0, 60)}`, cause);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw bad(where, `it holds ${kindOf(value)}; expected an object such as {"x": [1, 2], "y": 0}`);
}

function checkNames(
  names: readonly string[],
  entries: readonly (readonly [string, unknown])[],
  where: string,
): void {
  const given = new Set(entries.map(([name]) => name));
  const missing = names.find((name) => !given.has(name));
  if (missing !== undefined) throw bad(where, `"${missing}" is missing, which the first line has`);
  const extra = entries.find(([name]) => !names.includes(name));
  if (extra) throw bad(where, `"${extra[0]}" is there, which the first line does not have`);
}

/** The numbers of one name, over all lines. */
class Column {
  readonly #name: string;
  readonly #dims: readonly number[];
  readonly #isFlag: boolean;
  #values = new Float64Array(1024);
  #length = 0;

  constructor(name: string, first: unknown, where: string) {
    this.#name = name;
    this.#dims = dimsOf(first, name, where);
    let inner = first;
    while (Array.isArray(inner)) inner = inner[0];
    this.#isFlag = typeof inner === "boolean";
  }

  add(value: unknown, where: string): void {
    this.#addAt(value, 0, where);
  }

  #addAt(value: unknown, axis: number, where: string): void {
    if (axis < this.#dims.length) {
      const size = this.#dims[axis]!;
      if (!Array.isArray(value) || value.length !== size) {
        const found = Array.isArray(value) ? `a list of ${value.length}` : kindOf(value);
        throw bad(where, `"${this.#name}" has ${found} where the first line has a list of ${size}`);
      }
      for (const item of value) this.#addAt(item, axis + 1, where);
      return;
    }
    const fits = this.#isFlag ? typeof value === "boolean" : typeof value === "number";
    if (!fits)
      throw bad(
        where,
        `"${this.#name}" holds ${kindOf(value)}; expected ${this.#isFlag ? "true or false" : "a number"}`,
      );
    if (this.#length === this.#values.length) {
      const grown = new Float64Array(2 * this.#length);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length++] = Number(value);
  }

  tensor(examples: number): Tensor {
    const values = this.#values.slice(0, this.#length);
    const dims = [examples, ...this.#dims];
    return this.#isFlag ? tensorOf("bool", dims, Uint8Array.from(values)) : tensorOf("float64", dims, values);
  }
}

/** Sizes of a nested list, told by its first items. */
function dimsOf(value: unknown, name: string, where: string): number[] {
  const dims: number[] = [];
  for (let inner = value; Array.isArray(inner); inner = inner[0]) {
    if (dims.push(inner.length) > deepest) throw bad(where, `"${name}" is nested more than ${deepest} deep`);
    if (inner.length === 0) throw bad(where, `"${name}" is an empty list`);
  }
  return dims;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object") return "an object";
  return typeof value === "string" ? `the text ${JSON.stringify(value.slice(0, 20))}` : String(value);
}

const bad = (where: string, why: string, cause?: unknown): DiapasonError =>
  new DiapasonError(
    "data/bad-jsonl",
    `${where}: ${why}.`,
    "Write one example a line, every line with the same names and sizes.",
    cause,
  );
