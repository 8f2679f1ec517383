/**
 * JSON that is written as it was read where a whole number was spelled as a real one: Python tells 2.0 from 2, and
 * libraries that check the types of their settings refuse the one for the other.
 */

/** Paths of whole numbers that were spelled as real ones, kept where copies by spreading keep it. */
const spelledReal = Symbol("whole numbers that were spelled as real ones");

interface Spelled {
  readonly [spelledReal]?: ReadonlySet<string>;
}

const token = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** No string of a JSON text begins so by chance: text has no such character but by an escape. */
const mark = "\u0001real ";

/** Parses JSON as JSON.parse does. @throws SyntaxError */
export function parseJson(text: string): unknown {
  const whole = text.replace(token, (found) =>
    /^-?\d+(?:\.|[eE])/.test(found) && Number.isSafeInteger(Number(found))
      ? JSON.stringify(mark + found)
      : found,
  );
  const value = JSON.parse(text);
  if (whole === text || typeof value !== "object" || value === null) return value;
  const paths = new Set<string>();
  collect(JSON.parse(whole), [], paths);
  return Object.assign(value, { [spelledReal]: paths });
}

/** JSON with an indentation of two, numbers spelled as `parseJson` found them if they are still whole. */
export function jsonText(value: object): string {
  const paths = (value as Spelled)[spelledReal];
  if (!paths) return JSON.stringify(value, null, 2);
  const text = JSON.stringify(marked(value, [], paths), null, 2);
  return text.replaceAll(/"\\u0001real ([^"]+)"/g, "$1");
}

const isBranch = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

function collect(value: unknown, path: readonly string[], into: Set<string>): void {
  if (typeof value === "string" && value.startsWith(mark)) into.add(JSON.stringify(path));
  if (isBranch(value)) for (const [key, item] of Object.entries(value)) collect(item, [...path, key], into);
}

function marked(value: unknown, path: readonly string[], paths: ReadonlySet<string>): unknown {
  if (typeof value === "number" && Number.isInteger(value) && paths.has(JSON.stringify(path)))
    return `${mark}${value.toFixed(1)}`;
  if (Array.isArray(value)) return value.map((item, i) => marked(item, [...path, `${i}`], paths));
  if (!isBranch(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, marked(item, [...path, key], paths)]),
  );
}
