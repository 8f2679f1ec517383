import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import type { DataType } from "../../src/graph/tensor.ts";
import { type CaseOptions, type GradCase, grad } from "./grad-case.ts";
import { floats, one, quantizedOperators, whole, zero } from "./quantized-operators.ts";
import { quantizedWeights } from "./quantized-weights.ts";

const rounded: CaseOptions = { straightThrough: true };

/** x through whole numbers and back. */
function fake(
  g: GraphBuilder,
  x: Value,
  scale: Value,
  zero: Value | undefined,
  attributes: { readonly axis?: number; readonly block_size?: number } = {},
): Value {
  const q = g.op("QuantizeLinear", [x, scale, zero], attributes);
  return g.op("DequantizeLinear", [q, scale, zero], attributes);
}

const perTensor = (dtype: DataType, scale: number, at: number): GradCase =>
  grad("2x3x4", (g, x) => g.square(fake(g, x, one(g, scale), zero(g, at, dtype))), rounded);

export const quantized: { readonly [title: string]: GradCase } = {
  ...quantizedOperators,
  ...quantizedWeights,
  "QuantizeLinear and back, uint8, some cut off": perTensor("uint8", 0.01, 100),
  "QuantizeLinear and back, int8": perTensor("int8", 0.02, -10),
  "QuantizeLinear and back, uint16": perTensor("uint16", 0.001, 900),
  "QuantizeLinear and back, int16": perTensor("int16", 0.001, 3),
  "QuantizeLinear and back, int4, most cut off": perTensor("int4", 0.1, 2),
  "QuantizeLinear and back, uint4": perTensor("uint4", 0.3, 7),
  "QuantizeLinear and back, float8": perTensor("float8e4m3fn", 0.003, 0),
  ...Object.fromEntries(
    (["float8e4m3fn", "uint4", "int4"] as const).flatMap((dtype) => {
      const scale = (g: GraphBuilder) => g.constant([0.3, 0.2], "float32");
      const zero = (g: GraphBuilder) => g.constant(dtype === "uint4" ? [7, 6] : [0, 0], dtype);
      return [
        [
          `QuantizeLinear and back, ${dtype}, along an axis, sizes unknown`,
          grad("2x3", (g, x) => g.square(fake(g, x, scale(g), zero(g), { axis: 0 })), {
            ...rounded,
            symbolic: true,
          }),
        ],
        [
          `QuantizeLinear and back, ${dtype}, in blocks of a vector`,
          grad("3", (g, x) => g.square(fake(g, x, scale(g), zero(g), { axis: 0, block_size: 2 })), rounded),
        ],
      ];
    }),
  ),
  "QuantizeLinear and back, in blocks along an axis of unknown size, scales that move": grad(
    "2x5, 2x3",
    (g, x, scale) => {
      const zero = g.constant([1, 2, 0, -1, 0, 3], "int4", [2, 3]);
      const blocks = g.op("Reshape", [scale, g.ints([2, 3])]);
      return g.square(fake(g, x, blocks, zero, { axis: 1, block_size: 2 }));
    },
    {
      ...rounded,
      symbolic: true,
      within: [
        [-2, 2],
        [0.25, 0.3],
      ],
    },
  ),
  "QuantizeLinear and back, halves at the ends": grad(
    "6",
    (g, x) => fake(g, x, one(g, 0.5), zero(g, 100, "uint8")),
    // the numbers go from −50 to 77.5, and a quarter further before they are cut off
    { at: [[-50.1, -49.9, 77.6, 77.4, -50.4, 77.9]], straightThrough: true },
  ),
  "QuantizeLinear and back without a zero point, symbolic": grad(
    "3x4",
    (g, x) => fake(g, x, one(g, 0.1), undefined),
    { ...rounded, symbolic: true },
  ),
  "QuantizeLinear and back, a scale that moves": grad(
    "2x3x4, scalar",
    (g, x, scale) => g.square(fake(g, x, scale, zero(g, 1, "int8"))),
    {
      ...rounded,
      within: [
        [-2, 2],
        [0.011, 0.012],
      ],
    },
  ),
  "QuantizeLinear and back, a scale for each channel that moves": grad(
    "2x3x4, 3",
    (g, x, scale) => g.square(fake(g, x, scale, g.constant([3, -5, 0], "int8"), { axis: 1 })),
    {
      ...rounded,
      within: [
        [-2, 2],
        [0.01, 0.02],
      ],
    },
  ),
  "QuantizeLinear and back along the last axis": grad(
    "2x3",
    (g, x) => fake(g, x, floats(g, [0.02, 0.3, 0.004]), g.constant([3, 5, 200], "uint8"), { axis: -1 }),
    rounded,
  ),
  "QuantizeLinear and back in blocks whose scales move": grad(
    "5x2, 3x2",
    (g, x, scale) => g.square(fake(g, x, scale, whole(g, "int8", [3, 2]), { axis: 0, block_size: 2 })),
    {
      ...rounded,
      within: [
        [-2, 2],
        [0.01, 0.02],
      ],
    },
  ),
  "QuantizeLinear, whole numbers moved before they go back": grad(
    "2x3x4x4",
    (g, x) => {
      const [scale, at] = [one(g, 0.02), zero(g, 100)];
      const pooled = g.op("MaxPool", [g.op("QuantizeLinear", [x, scale, at])], { kernel_shape: [2, 2] });
      const parts = g.concat([g.reshape(pooled, [2, 3, 9]), g.reshape(pooled, [2, 3, 9])], 1);
      return g.op("DequantizeLinear", [g.transpose(parts, [2, 0, 1]), scale, at]);
    },
    rounded,
  ),
  "QuantizeLinear read twice": grad(
    "2x3",
    (g, x) => {
      const q = g.op("QuantizeLinear", [x, one(g, 0.02), zero(g, 100)]);
      return [
        g.op("DequantizeLinear", [q, one(g, 0.02), zero(g, 100)]),
        g.op("DequantizeLinear", [q, one(g, 0.05), zero(g, 90)]),
      ];
    },
    rounded,
  ),
  "com.microsoft.QuantizeLinear and back": grad(
    "2x3",
    (g, x) => {
      const [scale, at] = [one(g, 0.02), zero(g, 100)];
      const q = g.op("com.microsoft.QuantizeLinear", [x, scale, at]);
      return g.square(g.op("com.microsoft.DequantizeLinear", [q, scale, at]));
    },
    rounded,
  ),
  "DequantizeLinear, a scale for each channel of frozen weights": grad("3", (g, scale) =>
    g.op("DequantizeLinear", [whole(g, "int8", [3, 4]), scale, g.constant([1, 2, 3], "int8")], { axis: 0 }),
  ),
  "DequantizeLinear, one scale": grad("1", (g, scale) =>
    g.op("DequantizeLinear", [whole(g, "uint8", [3, 4]), scale]),
  ),
  "DequantizeLinear, scales of blocks": grad("2x2", (g, scale) =>
    g.op("DequantizeLinear", [whole(g, "int8", [2, 3]), scale, whole(g, "int8", [2, 2])], {
      axis: 1,
      block_size: 2,
    }),
  ),
  "DynamicQuantizeLinear, MatMulInteger and back: a dynamically quantised layer": grad(
    "2x3x4",
    (g, x) => {
      const { outputs } = g.node("DynamicQuantizeLinear", [x], {}, ["q", "q_scale", "q_zero"]);
      const [q, scale, at] = outputs as [Value, Value, Value];
      const product = g.op("MatMulInteger", [q, whole(g, "int8", [4, 2]), at, g.constant([1, -2], "int8")]);
      return g.square(g.mul(g.cast(product, "float32"), g.mul(scale, floats(g, [0.1, 0.3]))));
    },
    rounded,
  ),
  "MatMulInteger of two activations": grad(
    "2x3x4, 2x4x2",
    (g, a, b) => {
      const qa = g.op("QuantizeLinear", [a, one(g, 0.02), zero(g, 100)]);
      const qb = g.op("QuantizeLinear", [b, one(g, 0.03), zero(g, 3, "int8")]);
      return g.mul(
        g.cast(g.op("MatMulInteger", [qa, qb, zero(g, 100), zero(g, 3, "int8")]), "float32"),
        1e-3,
      );
    },
    rounded,
  ),
  "MatMulInteger, one activation for all matrices of a batch": grad(
    "2x3x4, 4x2",
    (g, a, b) => {
      const qa = g.op("QuantizeLinear", [a, one(g, 0.02), zero(g, 100)]);
      const qb = g.op("QuantizeLinear", [b, one(g, 0.03)]);
      return g.mul(g.cast(g.op("MatMulInteger", [qa, qb]), "float32"), 1e-3);
    },
    rounded,
  ),
  "ConvInteger of a dynamically quantised image": grad(
    "2x2x5x5",
    (g, x) => {
      const { outputs } = g.node("DynamicQuantizeLinear", [x], {}, ["q", "q_scale", "q_zero"]);
      const [q, scale, at] = outputs as [Value, Value, Value];
      const w = whole(g, "uint8", [3, 2, 3, 3]);
      const y = g.op("ConvInteger", [q, w, at, zero(g, 3)], { pads: [1, 1, 1, 1], strides: [2, 2] });
      return g.mul(g.cast(y, "float32"), g.mul(scale, 0.1));
    },
    rounded,
  ),
};
