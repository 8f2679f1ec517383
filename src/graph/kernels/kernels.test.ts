import { describe, expect, test } from "vitest";
import {
  kernelCases as cases,
  nodeOf,
  readArray as read,
  titleOf as title,
} from "../../../tests/kernel-cases.ts";
import { opNameOf } from "../attributes.ts";
import { isComposite } from "../expansions/expand.ts";
import { inferNode } from "../infer.ts";
import { schemas } from "../schemas.ts";
import type { DataType } from "../tensor.ts";
import { fromNdArray, runNode } from "./interpret.ts";
import { isFloat } from "./nd-array.ts";

/** The reference is float32, so 1e-5 of the number, or of 1 for sums that cancel out. */
function isNear(found: number, expected: number, dtype: DataType): boolean {
  if (Object.is(found, expected) || found === expected) return true;
  return isFloat(dtype) && Math.abs(found - expected) <= 1e-5 * Math.max(1, Math.abs(expected));
}

describe("kernels give what ONNX Runtime gives", () => {
  test.each(cases.map((c, i) => [`${i} ${title(c)}`, c] as const))("%s", (_, row) => {
    const found = runNode(
      nodeOf(row),
      row.inputs.map((input) => (input ? read(input) : undefined)),
    );
    expect(found.length).toBe(row.outputs.length);
    for (const [i, stored] of row.outputs.entries()) {
      const output = found[i];
      if (!stored) {
        expect(output).toBeUndefined();
        continue;
      }
      const expected = read(stored);
      expect([output!.dtype, output!.dims]).toEqual([expected.dtype, expected.dims]);
      const wrong = [...expected.data].flatMap((value, k) =>
        isNear(output!.data[k]!, value, expected.dtype)
          ? []
          : [`[${k}] ${output!.data[k]}, expected ${value}`],
      );
      expect(wrong).toEqual([]);
      expect(output!.data.length).toBe(expected.data.length);
    }
  });
});

test.each(
  cases.filter((row) => isComposite(opNameOf(nodeOf(row)))).map((c, i) => [`${i} ${title(c)}`, c] as const),
)("the shape of a composite operator is that of its outputs: %s", (_, row) => {
  const node = nodeOf(row);
  for (const [i, input] of row.inputs.entries()) {
    const value = node.inputs[i];
    if (!value || !input) continue;
    value.shape = input.dims;
    // what is not float, and the factors of a Resize, are parameters of the operator, as a file's initializers are
    if (!isFloat(input.dtype) || (row.op === "Resize" && i > 0)) value.constant = fromNdArray(read(input));
  }
  inferNode(node);
  for (const [i, stored] of row.outputs.entries())
    if (stored) expect([node.outputs[i]!.dtype, node.outputs[i]!.shape]).toEqual([stored.dtype, stored.dims]);
});

test("every operator of the table has a case", () => {
  const covered = new Set(cases.map((row) => opNameOf(nodeOf(row))));
  expect(Object.keys(schemas).filter((name) => !covered.has(name as keyof typeof schemas))).toEqual([]);
});
