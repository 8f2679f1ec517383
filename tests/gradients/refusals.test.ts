import { expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { DiapasonError } from "../../src/base/errors.ts";
import type { AttributeInput } from "../../src/graph/builder/encode.ts";
import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import type { OpName } from "../../src/graph/schemas.ts";
import { buildCase, type CaseOptions, grad } from "./grad-case.ts";

const number = (g: GraphBuilder, value: number) => g.constant([value], "int64", []);

const refused: readonly (readonly [
  title: string,
  shape: string,
  build: (g: GraphBuilder, x: Value) => Value,
  code: string,
  why: RegExp,
  options?: CaseOptions,
])[] = [
  ["a large determinant", "33x33", (g, x) => g.op("Det", [x]), "autodiff/no-gradient", /33 by 33.*up to 32/],
  ["a floor modulo of floats", "3", (g, x) => g.op("Mod", [x, x]), "autodiff/no-gradient", /fmod is 0/],
  [
    "a reduction that ONNX has not",
    "3",
    (g, x) => g.op("ScatterElements", [x, g.ints([0, 1, 2]), x], { reduction: "mean" }),
    "autodiff/no-gradient",
    /reduction is "mean"/,
  ],
  ["distinct elements", "3", (g, x) => g.op("Unique", [x]), "autodiff/no-gradient", /Unique has no gradient/],
  ["only the place of a maximum", "3", (g, x) => g.op("Hardmax", [x]), "autodiff/no-path", /does not depend/],
  [
    "half a spectrum of one point, which is of no length",
    "2x1x2",
    (g, x) => g.op("DFT", [x], { inverse: 1, onesided: 1 }),
    "graph/no-expansion",
    /its length is 0/,
  ],
  [
    "frames of no length",
    "2x9x1",
    (g, x) => g.op("STFT", [x, number(g, 2)]),
    "graph/no-expansion",
    /neither a window nor a frame length/,
  ],
  [
    "packed zero points where columns have an order",
    "2x16",
    (g, x) => {
      const weight = [g.constant(new Array(8).fill(7), "uint8", [1, 1, 8]), g.constant([1])];
      const more = [g.constant([0x39], "uint8"), g.constant(new Array(16).fill(0), "int32")];
      return g.op("com.microsoft.MatMulNBits", [x, ...weight, ...more], {
        K: 16,
        N: 1,
        bits: 4,
        block_size: 16,
      });
    },
    "graph/no-expansion",
    /leaves packed zero points out/,
  ],
  [
    "a kernel of any size",
    "3x1x3",
    (g, w) => g.op("Conv", [g.constant(new Array(14).fill(1), "float32", [2, 1, 7]), w], { strides: [2] }),
    "autodiff/unknown-size",
    /Conv needs the spatial sizes of "x0" as numbers/,
    { symbolic: "pixels" },
  ],
];

test.each(refused.map((row) => [row[0], row] as const))("%s is refused with its reason", (_title, row) => {
  const [, shape, build, code, why, options] = row;
  const { graph, parameters } = buildCase(grad(shape, build, options));
  let error: unknown;
  try {
    differentiate(graph, { loss: "loss", parameters });
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(DiapasonError);
  expect((error as DiapasonError).code).toBe(code);
  expect((error as DiapasonError).message).toMatch(why);
});

/** Operators that are taken apart, with a use that is refused inside, and the names of what they are made of. */
const inside: readonly (readonly [
  op: OpName,
  inputs: (g: GraphBuilder, x: Value) => readonly Value[],
  attributes: { readonly [key: string]: AttributeInput },
])[] = [
  [
    "com.microsoft.QAttention",
    (g, x) => [
      g.op("QuantizeLinear", [x, g.constant([0.1], "float32", []), g.constant([3], "uint8", [])]),
      g.constant(new Array<number>(48).fill(1), "int8", [4, 12]),
      g.constant(new Array<number>(12).fill(0)),
      ...[0.1, 0.1].map((scale) => g.constant([scale], "float32", [])),
      g.constant(new Array<number>(4).fill(1), "int32", [1, 1, 2, 2]),
      g.constant([3], "uint8", []),
    ],
    { num_heads: 2 },
  ],
  [
    "com.microsoft.FusedConv",
    (g, x) => [g.unsqueeze(x, [0, 1]), g.graph.addInput("w", "float32", [1, 1, "height", 2])],
    { activation: "Relu", strides: [2, 2] },
  ],
  [
    "com.microsoft.NhwcConv",
    (g, x) => [g.unsqueeze(x, [0, 3]), g.graph.addInput("w", "float32", [1, "height", 2, 1])],
    { strides: [2, 2] },
  ],
];

test.each(inside)("what is refused inside of %s is told of it", (op, inputs, attributes) => {
  const { graph, parameters } = buildCase(
    grad("1x2x4", (g, x) => {
      const rank3 = op.includes("Attention") ? x : g.squeeze(x, [0]);
      const node = g.node(op, inputs(g, rank3), attributes);
      g.graph.setNodeName(node, "the node");
      return node.outputs[0]!;
    }),
  );
  const differentiated = () => differentiate(graph, { loss: "loss", parameters });
  expect(differentiated).toThrow(`${op.replace("com.microsoft.", "")} "the node"`);
});

test("sizes that do not fit inside of an operator are told of both", () => {
  const build = (g: GraphBuilder, x: Value) => g.op("com.microsoft.GemmFastGelu", [x, g.constant([1, 2, 3])]);
  expect(() => buildCase(grad("2x4", build))).toThrow("MatMul of GemmFastGelu [2,4] · [3]");
});
