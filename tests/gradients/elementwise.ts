import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import type { OpName } from "../../src/graph/schemas.ts";
import { type CaseOptions, type GradCase, grad } from "./grad-case.ts";

type Attributes = { readonly [key: string]: number | string };

/** One operator on one input of a few elements. */
const unary = (
  name: OpName,
  options: CaseOptions | readonly [number, number] = {},
  attributes: Attributes = {},
) => grad("2x5", (g, x) => g.op(name, [x], attributes), options);

const binary = (name: OpName) => (g: GraphBuilder, a: Value, b: Value) => g.op(name, [a, b]);

const notInRuntime = "ONNX Runtime 1.30 has no CPU kernel";

export const elementwise: { readonly [title: string]: GradCase } = {
  "Abs, away from 0": unary("Abs", { at: [[-2, -0.5, 0.5, 1]] }),
  "Acos, inside": unary("Acos", [-0.9, 0.9]),
  "Acosh, above 1": unary("Acosh", [1.2, 3]),
  "Asin, inside": unary("Asin", [-0.9, 0.9]),
  Asinh: unary("Asinh"),
  Atan: unary("Atan"),
  "Atanh, inside": unary("Atanh", [-0.9, 0.9]),
  Cos: unary("Cos"),
  Cosh: unary("Cosh"),
  Erf: unary("Erf"),
  Exp: unary("Exp"),
  "HardSwish, all three parts": unary("HardSwish", { at: [[-4, -2, -0.5, 1, 2.5, 3.5]] }),
  Identity: unary("Identity"),
  "Log, away from 0": unary("Log", [0.5, 2]),
  Mish: unary("Mish"),
  Neg: unary("Neg"),
  "Reciprocal, away from 0": unary("Reciprocal", [0.5, 2]),
  Relu: unary("Relu", { at: [[-2, -0.5, 0.5, 1]] }),
  Sigmoid: unary("Sigmoid"),
  Sin: unary("Sin"),
  Sinh: unary("Sinh"),
  Softplus: unary("Softplus"),
  "Softsign, both sides": unary("Softsign", { at: [[-2, -0.5, 0.5, 1]] }),
  "Sqrt, away from 0": unary("Sqrt", [0.5, 2]),
  "Sqrt, of squares that are all 0": grad(
    "2x3",
    (g, x) =>
      g.op("Sqrt", [
        g.sum(g.square(g.op("Relu", [g.sub(x, g.constant([0, 0, 0, 9, 9, 9], "float32", [2, 3]))])), [1]),
      ]),
    [0.5, 2],
  ),
  Tan: unary("Tan", [-1, 1]),
  Tanh: unary("Tanh"),
  "Cast there and back": grad("2x5", (g, x) => g.cast(g.cast(x, "float64"), "float32")),
  "CastLike there and back": grad("2x5", (g, x) =>
    g.op("CastLike", [g.op("CastLike", [x, g.constant([0], "float64")]), g.constant([0])]),
  ),
  "Celu, both sides": unary("Celu", { at: [[-2, -0.5, 0.5, 1]] }, { alpha: 0.7 }),
  "Elu, both sides": unary("Elu", { at: [[-2, -0.5, 0.5, 1]] }, { alpha: 0.7 }),
  Gelu: unary("Gelu"),
  "Gelu by tanh": unary("Gelu", {}, { approximate: "tanh" }),
  "com.microsoft.Gelu": unary("com.microsoft.Gelu"),
  "HardSigmoid, all three parts": unary("HardSigmoid", { at: [[-4, -1, 0.5, 4]] }),
  "LeakyRelu, both sides": unary("LeakyRelu", { at: [[-2, -0.5, 0.5, 1]] }, { alpha: 0.3 }),
  "Selu, both sides": unary("Selu", { at: [[-2, -0.5, 0.5, 1]] }),
  "Shrink, all three parts": unary("Shrink", { at: [[-2, -0.2, 0.3, 1.5]] }, { lambd: 0.5, bias: 0.2 }),
  Swish: { ...unary("Swish", {}, { alpha: 1.4 }), notInRuntime },
  "ThresholdedRelu, both sides": unary("ThresholdedRelu", { at: [[-2, 0.5, 1.5]] }, { alpha: 1 }),
  "Clip, below, inside and above": grad(
    "2x3, scalar, scalar",
    (g, x, min, max) => g.op("Clip", [x, min, max]),
    {
      at: [[-2, -0.5, 0.5, 1.5], [-1], [1]],
    },
  ),
  "Clip with bounds that cross": grad(
    "2x3, scalar, scalar",
    (g, x, min, max) => g.op("Clip", [x, min, max]),
    {
      at: [[-2, -0.5, 0.5, 1.5, 3], [1], [-1]],
      of: [1, 2],
    },
  ),
  "Clip from 0 to 6": grad(
    "2x2",
    (g, x) => g.op("Clip", [x, g.constant([0], "float32", []), g.constant([6], "float32", [])]),
    { at: [[-2, 0.5, 5, 7]] },
  ),
  "Clip without a minimum": grad("2x3", (g, x) =>
    g.op("Clip", [x, undefined, g.constant([0.4], "float32", [])]),
  ),

  Add: grad("2x3, 2x3", binary("Add")),
  "Add, a vector to rows": grad("4x2x3, 3", binary("Add")),
  "Add, a vector to many rows": grad("40x3, 3", binary("Add")),
  "Add, a number": grad("2x3, scalar", binary("Add")),
  "Add, one value twice": grad("2x3", (g, x) => g.add(x, x)),
  "Add, one value three times": grad("2x3", (g, x) => g.op("Sum", [x, g.exp(x), g.neg(x)])),
  "Add, channels to images": grad("2x3x4x4, 3x1x1", binary("Add")),
  "Add, nothing to nothing": grad("0x3, 1x3", binary("Add")),
  "Sub, left side smaller": grad("1x3, 2x3", binary("Sub")),
  "Mul, both sides broadcast": grad("1x4x5, 2x3x1x1", binary("Mul")),
  "Mul, both sides broadcast, sizes unknown": grad("1x4x5, 2x3x1x1", binary("Mul"), { symbolic: true }),
  "Mul, equal sizes unknown": grad("2x3, 2x3", binary("Mul"), { symbolic: true }),
  "Mul by itself": grad("2x3", (g, x) => g.mul(x, x)),
  "Div, both sides broadcast": grad("2x1, 3", binary("Div"), [0.5, 2]),
  "Pow, both sides": grad("2x3, 1x3", binary("Pow"), [0.5, 2]),
  "Pow, exponents with 0 and bases with 0": grad("6, 6", binary("Pow"), {
    at: [
      [0, 0, 1.5, 2, 0.5, 1],
      [2, 3, 0, 0, -1, 2],
    ],
    of: [0],
  }),
  "Pow, squared": grad("2x3", (g, x) => g.pow(x, 2)),
  "Pow, exponents of another type": grad("2x3", (g, x) => g.op("Pow", [x, g.ints([3])])),
  "Pow, constant exponents": grad("2x3", (g, x) => g.op("Pow", [x, g.constant([2, 3, 1])])),
  "PRelu, a slope for each channel": grad("2x3x4, 3x1", binary("PRelu"), {
    at: [
      [-2, -0.5, 0.5, 1.5, -1],
      [0.1, 0.2, 0.3],
    ],
  }),
  "Mod of floats": grad("2x3, 3", (g, a, b) => g.op("Mod", [a, b], { fmod: 1 }), {
    at: [
      [-3.2, 4.1, 5.7, -0.4, 2.9, 1.3],
      [1.1, -1.7, 2.2],
    ],
  }),
  "Sum of three, broadcast": grad("2x3, 3, scalar", (g, ...all) => g.op("Sum", all)),
  "Mean of three, broadcast": grad("2x3, 3, scalar", (g, ...all) => g.op("Mean", all)),
  "Max of three, broadcast": grad("2x3, 3, scalar", (g, ...all) => g.op("Max", all)),
  "Max of one": grad("2x3", (g, x) => g.op("Max", [x])),
  "Min of two": grad("2x3, 2x1", binary("Min")),
  "Where, sides broadcast": grad("2x3, 3", (g, x, y) =>
    g.where(g.greater(g.constant([1, -1], "float32", [2, 1]), 0), x, y),
  ),
};
