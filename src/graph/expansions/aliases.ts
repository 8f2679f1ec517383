import { knownNumbers } from "../infer/known-dims.ts";
import { type Expansions, noExpansion } from "./expansion.ts";

/** Operators that ONNX Runtime's domain had before the main one had them, or still has under an older name. */
export const aliases = {
  "com.microsoft.ExpandDims": ({ g, node, x: [x, axis] }) => {
    const [known] = knownNumbers(axis) ?? [];
    return g.unsqueeze(x, [known ?? noExpansion(node, "its axis is not constant")]);
  },
  "com.microsoft.GatherND": ({ g, x: [x, indices] }) => g.op("GatherND", [x, g.cast(indices, "int64")]),
  "com.microsoft.GemmFastGelu": (c) => {
    const product = c.g.matmul(c.x[0], c.x[1]);
    return c.g.op("Gelu", [c.has(2) ? c.g.add(product, c.x[2]) : product], { approximate: "tanh" });
  },
  "com.microsoft.Pad": (c) => {
    // pads may have an axis of one in front
    const pads = c.g.reshape(c.x[1], [-1]);
    return c.g.op("Pad", [c.x[0], pads, c.has(2) ? c.g.reshape(c.x[2], []) : undefined], {
      mode: c.attrs.mode,
    });
  },
  "com.microsoft.TransposeMatMul": ({ g, x: [a, b], attrs }) =>
    g.op("com.microsoft.FusedMatMul", [a, b], attrs),
  "com.microsoft.Trilu": (c) =>
    c.g.op("Trilu", [c.x[0], c.has(1) ? c.g.reshape(c.x[1], []) : undefined], { upper: c.attrs.upper }),
} as const satisfies Expansions;
