import { DiapasonError, nearest } from "../base/errors.ts";

/** One comparison that a user declares: `KIND(option=value):OUTPUT=ARRAY`, with a number before it where it counts more. */
export interface Declared<K extends string = string> {
  readonly text: string;
  readonly kind: K;
  /** How much it counts in a sum. */
  readonly weight: number;
  readonly options: Readonly<Record<string, string>>;
  /** Name of the graph's output. */
  readonly output: string;
  /** Name of the data's array that the output is compared with. */
  readonly target: string;
}

/** The kinds that may be declared, each with the options it takes. */
export type Kinds<K extends string> = { readonly [N in K]: { readonly options: readonly string[] } };

const term =
  /^(?:([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*\*\s*)?([A-Za-z][\w-]*)(?:\(([^()]*)\))?\s*:\s*([^=]+?)\s*=\s*(.+?)\s*$/;

/**
 * Reads a sum such as `2*cross-entropy:logits=labels + 0.1*l1:boxes=target_boxes`.
 *
 * Terms are separated by "+"; names are written as they are, and may hold anything but "=".
 * @throws tasks/bad-declaration
 */
export function parseDeclared<K extends string>(
  text: string,
  kinds: Kinds<K>,
  what: "loss" | "metric",
): readonly Declared<K>[] {
  // A "+" separates only where a term follows: names may hold one.
  const factor = "(?:[0-9.]+(?:[eE][+-]?[0-9]+)?\\s*\\*\\s*)?";
  const rest = "(?:\\([^()]*\\))?\\s*:[^+]*=";
  const known = Object.keys(kinds).join("|");
  const separator = new RegExp(
    `\\s\\+\\s+(?=${factor}[A-Za-z][\\w-]*${rest})|\\+(?=\\s*${factor}(?:${known})${rest})`,
  );
  const parts = text.split(separator);
  return parts.map((part) => parseTerm(part.trim(), kinds, what));
}

function parseTerm<K extends string>(text: string, kinds: Kinds<K>, what: "loss" | "metric"): Declared<K> {
  const known = Object.keys(kinds) as K[];
  const match = term.exec(text);
  if (!match)
    throw bad(
      what,
      text,
      "it is not of the form KIND:OUTPUT=ARRAY",
      `Write it as ${what === "loss" ? '"mse:OUTPUT=ARRAY" or "0.5*mse:A=B + l1:C=D"' : '"mae:OUTPUT=ARRAY"'}; kinds are ${known.join(", ")}.`,
    );
  const [, factor, name, list, output, target] = match;
  const kind = known.find((one) => one === name!.toLowerCase());
  if (!kind) {
    const near = nearest(name!, known);
    throw bad(
      what,
      text,
      `there is no ${what} "${name}"`,
      near ? `Did you mean "${near}"?` : `Use one of: ${known.join(", ")}.`,
    );
  }
  const weight = factor === undefined ? 1 : Number(factor);
  if (!(weight > 0 && Number.isFinite(weight)))
    throw bad(what, text, `its factor is ${factor}`, "Give a factor above 0.");
  const options = optionsOf(list ?? "", kinds[kind].options, (why, fix) => bad(what, text, why, fix));
  return { text, kind, weight, options, output: output!, target: target! };
}

function optionsOf(
  list: string,
  known: readonly string[],
  error: (why: string, fix: string) => DiapasonError,
): Record<string, string> {
  const options: Record<string, string> = {};
  for (const item of list.split(",").filter((one) => one.trim() !== "")) {
    const [key, value] = item.split("=").map((one) => one.trim());
    if (!key || !value) throw error(`"${item.trim()}" is not of the form OPTION=VALUE`, takes(known));
    if (!known.includes(key)) throw error(`it has no option "${key}"`, takes(known));
    if (key in options) throw error(`"${key}" is given twice`, "Give it once.");
    options[key] = value;
  }
  return options;
}

const takes = (known: readonly string[]): string =>
  known.length === 0 ? "Leave the parentheses out." : `Options are: ${known.join(", ")}.`;

/** The number that an option says. @throws tasks/bad-declaration when it is none, or `fits` refuses it. */
export function numberOption(
  { text, options }: Declared,
  name: string,
  usual: number,
  fits: (value: number) => boolean,
  expected: string,
): number {
  const given = options[name];
  if (given === undefined) return usual;
  const value = Number(given);
  if (given.trim() !== "" && Number.isFinite(value) && fits(value)) return value;
  throw bad(undefined, text, `"${name}" is ${given}`, `Give ${expected}.`);
}

/** The one of several words that an option says, or undefined where it is not given. @throws tasks/bad-declaration */
export function wordOption<W extends string>(
  { text, options }: Declared,
  name: string,
  words: readonly W[],
): W | undefined {
  const given = options[name];
  const word = words.find((one) => one === given);
  if (given === undefined || word) return word;
  throw bad(undefined, text, `"${name}" is ${given}`, `Give one of: ${words.join(", ")}.`);
}

const bad = (what: "loss" | "metric" | undefined, text: string, why: string, fix: string): DiapasonError =>
  new DiapasonError(
    "tasks/bad-declaration",
    `${what ? `The ${what} ` : ""}"${text}" cannot be understood: ${why}.`,
    fix,
  );
