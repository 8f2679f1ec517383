import { expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { DiapasonError } from "../../src/base/errors.ts";
import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import { buildCase, type CaseOptions, grad } from "./grad-case.ts";

const number = (g: GraphBuilder, value: number) => g.constant([value], "int64", []);
/** A whole number that only the run knows. */
const unknown = (g: GraphBuilder) => g.graph.addInput("n", "int64", []);

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
    "a transform along an axis that is computed",
    "2x4x1",
    (g, x) => g.op("DFT", [x, undefined, unknown(g)]),
    "graph/no-expansion",
    /axis is not constant/,
  ],
  [
    "half a spectrum of one point, which is of no length",
    "2x1x2",
    (g, x) => g.op("DFT", [x], { inverse: 1, onesided: 1 }),
    "graph/no-expansion",
    /its length is 0/,
  ],
  [
    "half a spectrum of another length",
    "2x4x2",
    (g, x) => g.op("DFT", [x, number(g, 9)], { inverse: 1, onesided: 1 }),
    "graph/no-expansion",
    /has 4 points, of which a length of 9 has 5/,
  ],
  [
    "frames at steps that are computed",
    "2x9x1",
    (g, x) => g.op("STFT", [x, unknown(g), undefined, number(g, 4)]),
    "graph/no-expansion",
    /frame step is not constant/,
  ],
  [
    "frames of no length",
    "2x9x1",
    (g, x) => g.op("STFT", [x, number(g, 2)]),
    "graph/no-expansion",
    /neither a window nor a frame length/,
  ],
  [
    "a last window past the end of images of any size",
    "1x1x6x7",
    (g, x) => g.op("LpPool", [x], { kernel_shape: [2, 2], ceil_mode: 1, strides: [3, 2] }),
    "graph/no-expansion",
    /ceil_mode asks for the sizes of the pixels/,
    { symbolic: "pixels" },
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
