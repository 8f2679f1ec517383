import type { AttributeInput } from "../../src/graph/builder/encode.ts";
import type { GraphBuilder } from "../../src/graph/builder.ts";
import { range } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import type { OpName } from "../../src/graph/schemas.ts";
import type { DataType } from "../../src/graph/tensor.ts";
import { type CaseOptions, type GradCase, grad } from "./grad-case.ts";

const rounded: CaseOptions = { straightThrough: true };

/** Whole numbers of a type, from −3 (0 where it has no negative ones) on, in an order without a pattern. */
export function whole(g: GraphBuilder, dtype: DataType, dims: readonly number[]): Value {
  const size = dims.reduce((n, dim) => n * dim, 1);
  const from = dtype.startsWith("u") ? 0 : -3;
  return g.constant(
    range(size).map((i) => from + ((i * 5 + 2) % 8)),
    dtype,
    dims,
  );
}

export const floats = (g: GraphBuilder, values: readonly number[]): Value => g.constant(values, "float32");
export const one = (g: GraphBuilder, value: number): Value => g.constant([value], "float32", []);
export const zero = (g: GraphBuilder, value: number, dtype: DataType = "uint8"): Value =>
  g.constant([value], dtype, []);

/** A tensor as operators on whole numbers take it: numbers, scale, zero point. */
const linear = (g: GraphBuilder, x: Value, scale = 0.02, at = 100): [Value, Value, Value] => {
  const parameters = [one(g, scale), zero(g, at)] as const;
  return [g.op("QuantizeLinear", [x, ...parameters]), ...parameters];
};

interface Result {
  readonly scale?: number;
  readonly at?: number;
  /** Inputs behind the scale and zero point. */
  readonly rest?: readonly Value[];
  readonly attributes?: { readonly [key: string]: AttributeInput };
}

/** The output of an operator that takes scale and zero point of its result, as real numbers whose slope is not 1. */
function result(
  g: GraphBuilder,
  op: OpName,
  inputs: readonly (Value | undefined)[],
  options: Result = {},
): Value {
  const { scale = 0.031, at = 90, rest = [], attributes = {} } = options;
  const parameters = [one(g, scale), zero(g, at)] as const;
  const y = g.op(op, [...inputs, ...parameters, ...rest], attributes);
  return g.square(g.op("DequantizeLinear", [y, ...parameters]));
}

/** An operator of one tensor. */
const ofOne = (shape: string, op: OpName, options: Result = {}): GradCase =>
  grad(shape, (g, x) => result(g, op, linear(g, x), options), rounded);

export const quantizedOperators: { readonly [title: string]: GradCase } = {
  "QLinearMatMul of two activations": grad(
    "2x3x4, 4x2",
    (g, a, b) => result(g, "QLinearMatMul", [...linear(g, a), ...linear(g, b, 0.03, 80)]),
    rounded,
  ),
  "QLinearMatMul, a scale for each column of frozen weights, symbolic": grad(
    "3x4",
    (g, a) => {
      const [scales, zeros] = [floats(g, [0.1, 0.3]), g.constant([1, -2], "int8")];
      return result(g, "QLinearMatMul", [...linear(g, a), whole(g, "int8", [4, 2]), scales, zeros]);
    },
    { ...rounded, symbolic: true },
  ),
  "QLinearConv with a bias, a scale for each kernel": grad(
    "2x2x5x4",
    (g, x) => {
      const weight = [
        whole(g, "int8", [4, 1, 3, 3]),
        floats(g, [0.1, 0.2, 0.3, 0.05]),
        g.constant([0, 0, 0, 0], "int8"),
      ];
      const bias = g.constant([40, -30, 0, 200], "int32");
      return result(g, "QLinearConv", [...linear(g, x), ...weight], {
        attributes: { pads: [1, 1, 1, 1], group: 2 },
        scale: 0.05,
        rest: [bias],
      });
    },
    rounded,
  ),
  "QLinearConv of both sides": grad(
    "1x2x5, 3x2x3",
    (g, x, w) =>
      result(g, "QLinearConv", [...linear(g, x), ...linear(g, w)], {
        attributes: { strides: [2] },
        scale: 0.1,
      }),
    rounded,
  ),
  "com.microsoft.QLinearAdd, one side broadcast": grad(
    "2x3, 3",
    (g, a, b) => result(g, "com.microsoft.QLinearAdd", [...linear(g, a), ...linear(g, b)]),
    rounded,
  ),
  "com.microsoft.QLinearMul": grad(
    "2x3, 2x1",
    (g, a, b) => result(g, "com.microsoft.QLinearMul", [...linear(g, a), ...linear(g, b)]),
    rounded,
  ),
  "com.microsoft.QLinearSigmoid": ofOne("2x3", "com.microsoft.QLinearSigmoid", { scale: 1 / 256, at: 0 }),
  "com.microsoft.QLinearLeakyRelu": ofOne("2x3", "com.microsoft.QLinearLeakyRelu", {
    attributes: { alpha: 0.3 },
  }),
  "com.microsoft.QLinearGlobalAveragePool": ofOne("2x3x4x2", "com.microsoft.QLinearGlobalAveragePool"),
  "com.microsoft.QLinearGlobalAveragePool, channels last": ofOne(
    "2x4x2x3",
    "com.microsoft.QLinearGlobalAveragePool",
    { attributes: { channels_last: 1 } },
  ),
  "com.microsoft.QLinearAveragePool": ofOne("1x2x5x4", "com.microsoft.QLinearAveragePool", {
    attributes: { kernel_shape: [2, 2], strides: [2, 1], pads: [1, 0, 0, 1] },
  }),
  "com.microsoft.QLinearSoftmax": ofOne("3x4", "com.microsoft.QLinearSoftmax", {
    attributes: { axis: -1, opset: 13 },
    scale: 1 / 256,
    at: 0,
  }),
  "com.microsoft.QLinearSoftmax of older opsets, over two axes": ofOne(
    "2x3x2",
    "com.microsoft.QLinearSoftmax",
    { attributes: { axis: 1, opset: 11 }, scale: 1 / 256, at: 0 },
  ),
  "com.microsoft.QLinearConcat": grad(
    "2x3, 2x2",
    (g, a, b) => {
      const parameters = [one(g, 0.05), zero(g, 90)];
      const parts = [...linear(g, a), ...linear(g, b, 0.01)];
      const y = g.op("com.microsoft.QLinearConcat", [...parameters, ...parts], { axis: 1 });
      return g.op("DequantizeLinear", [y, ...parameters]);
    },
    rounded,
  ),
  "com.microsoft.QLinearWhere": grad(
    "2x3, 3",
    (g, a, b) => {
      const condition = g.constant([1, 0], "bool", [2, 1]);
      return result(g, "com.microsoft.QLinearWhere", [condition, ...linear(g, a), ...linear(g, b, 0.01)]);
    },
    rounded,
  ),
  "com.microsoft.QGemm, whole": grad(
    "3x4, 4x2",
    (g, a, b) =>
      result(g, "com.microsoft.QGemm", [...linear(g, a), ...linear(g, b), g.constant([400, -300], "int32")]),
    rounded,
  ),
  "com.microsoft.QGemm, real, both sides transposed": grad(
    "4x3, 2x4",
    (g, a, b) =>
      g.op("com.microsoft.QGemm", [...linear(g, a), ...linear(g, b)], { transA: 1, transB: 1, alpha: 0.5 }),
    rounded,
  ),
  "com.microsoft.MatMulIntegerToFloat with a bias that moves": grad(
    "2x3x4, 2",
    (g, x, bias) => {
      const [q, scale, at] = linear(g, x);
      const weight = [
        whole(g, "int8", [4, 2]),
        scale,
        floats(g, [0.1, 0.3]),
        at,
        g.constant([1, -2], "int8"),
      ];
      return g.square(g.op("com.microsoft.MatMulIntegerToFloat", [q, ...weight, bias]));
    },
    rounded,
  ),
};
