import { expect, test } from "vitest";
import { entryOf } from "./entry-of.ts";

test("a table holds what it was given, and nothing that every object has", () => {
  const table = { relu: 1 };
  expect(entryOf(table, "relu")).toBe(1);
  expect(["constructor", "__proto__", "toString", "tanh"].map((key) => entryOf(table, key))).toEqual(
    new Array(4).fill(undefined),
  );
});
