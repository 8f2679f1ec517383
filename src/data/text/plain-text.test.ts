import { expect, test } from "vitest";
import { isPlainText } from "./plain-text.ts";

test.each([
  ["book.txt", true],
  ["part/NOTES.MD", true],
  ["book.txt.gz", true],
  ["book.text.zst", true],
  ["rows.csv", false],
  ["book.txt.csv", false],
  ["txt", false],
])("%s", (path, isPlain) => expect(isPlainText(path)).toBe(isPlain));
