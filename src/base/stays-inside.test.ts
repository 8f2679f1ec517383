import { expect, test } from "vitest";
import { staysInside } from "./stays-inside.ts";

test.each([
  ["", true],
  ["1_Pooling", true],
  ["a/b..c/..d", true],
  ["..", false],
  ["a/../b", false],
  ["a\\..\\b", false],
  ["/etc", false],
  ["\\\\host\\share", false],
  ["C:x", false],
  ["a\0b", false],
])("%j stays inside: %s", (path, expected) => expect(staysInside(path)).toBe(expected));
