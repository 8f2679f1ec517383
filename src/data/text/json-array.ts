import { DiapasonError } from "../../base/errors.ts";

/**
 * Elements of a JSON file that is a list, each with the line that it starts on.
 *
 * @throws data/bad-row with the line where the JSON breaks
 */
export function parseJsonArray(
  text: string,
  name: string,
): readonly { readonly value: unknown; readonly line: number }[] {
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch (cause) {
    const { line, start } = lastElement(text);
    throw new DiapasonError(
      "data/bad-row",
      `${name}:${line}: the JSON breaks in what starts here, ${JSON.stringify(text.slice(start, start + 40))}: ${(cause as Error).message}.`,
      "Mend it, or write one JSON object a line (.jsonl).",
      cause,
    );
  }
  const starts = [...elements(text)];
  return (values as unknown[]).map((value, i) => ({ value, line: starts[i]?.line ?? 1 }));
}

/** Where each element of the outermost list starts. */
function* elements(text: string): Generator<{ readonly line: number; readonly start: number }> {
  let [depth, line, inString, isFresh] = [0, 1, false, false];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (inString) {
      if (unit === 92) i++;
      else if (unit === 34) inString = false;
      continue;
    }
    if (unit === 10) line++;
    if (unit === 10 || unit === 32 || unit === 9 || unit === 13 || unit === 0xfeff) continue;
    if (depth === 1 && isFresh && unit !== 93) {
      yield { line, start: i };
      isFresh = false;
    }
    if (unit === 34) inString = true;
    else if (unit === 91 || unit === 123) {
      depth++;
      if (depth === 1) isFresh = true;
    } else if (unit === 93 || unit === 125) depth--;
    else if (unit === 44 && depth === 1) isFresh = true;
  }
}

/** The last element that starts in a damaged list. */
function lastElement(text: string): { readonly line: number; readonly start: number } {
  let last = { line: 1, start: 0 };
  for (const element of elements(text)) {
    last = element;
    if (!isWhole(text, element.start)) break;
  }
  return last;
}

/** Whether the object that starts here is one, so that the damage lies behind it. */
function isWhole(text: string, start: number): boolean {
  let [depth, inString] = [0, false];
  for (let i = start; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (inString) {
      if (unit === 92) i++;
      else if (unit === 34) inString = false;
      continue;
    }
    if (unit === 34) inString = true;
    else if (unit === 91 || unit === 123) depth++;
    else if (unit === 93 || unit === 125) {
      if (--depth === 0) {
        try {
          JSON.parse(text.slice(start, i + 1));
          return true;
        } catch {
          return false;
        }
      }
    } else if (unit === 44 && depth === 0) return true;
  }
  return false;
}
