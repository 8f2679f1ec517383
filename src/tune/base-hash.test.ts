import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { Graph } from "../graph/ir.ts";
import { baseHash } from "./base-hash.node.ts";

test("a large weight is hashed in pieces, as if it were whole", () => {
  const length = 40_000_000;
  const sizes: number[] = [];
  const graph = new Graph("large");
  const data = {
    length,
    read: () => {
      throw new Error("all of it is asked for at once");
    },
    readInto(target: Uint8Array, from: number) {
      sizes.push(target.length);
      for (let i = 0; i < target.length; i++) target[i] = (from + i) % 251;
    },
  };
  graph.addInitializer("w", { dtype: "uint8", dims: [length], data });
  const whole = Uint8Array.from({ length }, (_, i) => i % 251);
  const expected = createHash("sha256").update(`w uint8 [${length}]\n`).update(whole).digest("hex");
  expect(baseHash(graph)).toBe(expected);
  expect(sizes.length).toBeGreaterThan(2);
  expect(sizes.reduce((a, b) => a + b, 0)).toBe(length);
});
