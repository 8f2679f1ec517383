import { DiapasonError } from "../../base/errors.ts";

/** A value as messages show it: what it is, and its beginning. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object") return "an object";
  return typeof value === "string"
    ? `the text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`
    : `${typeof value} ${value}`;
}

export const wrong = (
  value: unknown,
  column: string,
  where: string,
  expected: string,
  cause?: unknown,
): DiapasonError =>
  new DiapasonError(
    "data/wrong-field",
    `${where}: "${column}" holds ${describeValue(value)}; expected ${expected}.`,
    "Mend the row, or name another column.",
    cause,
  );
