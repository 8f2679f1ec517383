/** A part of tokenizer.json: an object with a type and that type's options. */
export type PartConfig = Readonly<Record<string, unknown>> & { readonly type?: string };

/** The row of a table for a part. @throws Error for a type that is not known, or options that are not what they must be */
export function rowOf<R>(rows: Readonly<Record<string, R>>, config: PartConfig, what: string): R {
  const type = String(config.type);
  if (!Object.hasOwn(rows, type))
    throw new Error(`its ${what} "${type}" is not known; known are ${Object.keys(rows).join(", ")}`);
  return rows[type]!;
}

/** Steps of a part of a tokenizer, sequences in sequences laid out: far more than any has. */
const mostSteps = 64;

/** The steps that a part is made of: its own where it is a Sequence, also of sequences. `list`: where a Sequence has them. */
export function flatSteps(config: PartConfig, list: string, depth = 0): readonly PartConfig[] {
  if (config.type !== "Sequence") return [config];
  const own = config[list];
  if (!Array.isArray(own)) throw new Error(`its Sequence has no list of ${list}`);
  if (depth > 8) throw new Error("its Sequences lie in each other more than 8 deep");
  const steps = own.flatMap((step: PartConfig) => flatSteps(step, list, depth + 1));
  if (steps.length > mostSteps)
    throw new Error(`it has ${steps.length} ${list} one after another; expected at most ${mostSteps}`);
  return steps;
}

/** A text may grow by what is put into it, but no file of a few bytes may make a thousand million characters of it. */
export function checkGrowth(made: number, given: number, what: string): void {
  if (made > 4096 + 64 * given) throw new Error(`its ${what} makes ${made} characters of a text of ${given}`);
}

/** Characters that a step may put in at a place; real ones put in one or two. */
const mostInserted = 256;

/** What a step puts in. @throws Error where it is long */
export function inserted(text: string): string {
  if (text.length > mostInserted)
    throw new Error(
      `a step of it puts in ${text.length} characters at a place; expected at most ${mostInserted}`,
    );
  return text;
}

/** Lower case character by character, as Rust has it: JavaScript writes a sigma at the end of a word differently. */
export const lowerCase = (text: string): string => text.replaceAll("Σ", "σ").toLowerCase();

const whiteSpace = /^\p{White_Space}$/u;
/** White space as Unicode defines it, which JavaScript's \s is not: U+0085 is, U+FEFF is none. */
export const isWhiteSpace = (text: string, at: number): boolean => {
  const unit = text.charCodeAt(at);
  return unit < 0x80 ? unit === 32 || (unit >= 9 && unit <= 13) : whiteSpace.test(text.charAt(at));
};

/** The character of each byte in byte-level vocabularies: printable ones stand for themselves. */
export const byteCharacters: readonly string[] = (() => {
  const printable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

const encoder = new TextEncoder();

/** A text with a character for each of its bytes. */
export function toByteCharacters(text: string): string {
  let made = "";
  for (const byte of encoder.encode(text)) made += byteCharacters[byte];
  return made;
}

/** Tokens "<0x41>" for the bytes of a text. */
export const byteTokens = (text: string): readonly string[] =>
  Array.from(encoder.encode(text), (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
