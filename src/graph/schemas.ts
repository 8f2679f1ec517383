import { attention } from "./schemas/attention.ts";
import { classical } from "./schemas/classical.ts";
import { controlFlow } from "./schemas/control-flow.ts";
import { fused } from "./schemas/fused.ts";
import { gated } from "./schemas/gated.ts";
import { imaging } from "./schemas/imaging.ts";
import { indexing } from "./schemas/indexing.ts";
import { normalized } from "./schemas/normalized.ts";
import { quantized } from "./schemas/quantized.ts";
import { random } from "./schemas/random.ts";
import { recurrent } from "./schemas/recurrent.ts";
import {
  argReduction,
  binary,
  ints,
  optionalInt,
  reduction,
  type Schema,
  unary,
  variadic,
  windows,
} from "./schemas/schema.ts";
import { signal } from "./schemas/signal.ts";

export type { Schema } from "./schemas/schema.ts";

/**
 * The operators Diapason understands: inputs, outputs and attributes in one spelling, that of opset 21 (of the version that
 * brought it, for a later operator).
 *
 * Everything that is said of an operator in a table (shape rule, float64 kernel, gradient rule) is total over these
 * names, so adding an operator without deciding the rest does not compile. Composite operators have an expansion into
 * simpler ones (expansions.ts) instead of a shape rule and a kernel. Operators that are not here are carried as they are.
 * Names of com.microsoft operators carry their domain: "com.microsoft.Gelu".
 */
const basic = {
  // elementwise, one input
  Abs: unary,
  Acos: unary,
  Acosh: unary,
  Asin: unary,
  Asinh: unary,
  Atan: unary,
  Atanh: unary,
  Ceil: unary,
  Cos: unary,
  Cosh: unary,
  Erf: unary,
  Exp: unary,
  Floor: unary,
  HardSwish: unary,
  Identity: unary,
  Log: unary,
  Mish: unary,
  Neg: unary,
  Reciprocal: unary,
  Relu: unary,
  Round: unary,
  Sigmoid: unary,
  Sign: unary,
  Sin: unary,
  Sinh: unary,
  Softplus: unary,
  Softsign: unary,
  Sqrt: unary,
  Tan: unary,
  Tanh: unary,
  Not: unary,
  IsNaN: unary,
  BitwiseNot: unary,
  IsInf: { ...unary, attributes: { detect_negative: 1, detect_positive: 1 } },
  BitCast: { ...unary, attributes: { to: 1 } },
  Cast: { ...unary, attributes: { to: 1, saturate: 1 } },
  CastLike: { inputs: ["input", "target_type"], outputs: ["output"], attributes: { saturate: 1 } },
  Celu: { ...unary, attributes: { alpha: 1 } },
  Elu: { ...unary, attributes: { alpha: 1 } },
  Gelu: { ...unary, attributes: { approximate: "none" } },
  HardSigmoid: { ...unary, attributes: { alpha: 0.2, beta: 0.5 } },
  LeakyRelu: { ...unary, attributes: { alpha: 0.01 } },
  Selu: { ...unary, attributes: { alpha: 1.6732631921768188, gamma: 1.0507010221481323 } },
  Shrink: { ...unary, attributes: { lambd: 0.5, bias: 0 } },
  Swish: { ...unary, attributes: { alpha: 1 } },
  ThresholdedRelu: { ...unary, attributes: { alpha: 1 } },
  Clip: { inputs: ["input", "min?", "max?"], outputs: ["output"], attributes: {} },
  "com.microsoft.Gelu": unary,
  // elementwise, several inputs
  Add: binary,
  Sub: binary,
  Mul: binary,
  Div: binary,
  Pow: binary,
  PRelu: binary,
  Mod: { ...binary, attributes: { fmod: 0 } },
  Sum: variadic,
  Mean: variadic,
  Max: variadic,
  Min: variadic,
  Where: { inputs: ["condition", "X", "Y"], outputs: ["output"], attributes: {}, broadcast: "all" },
  And: binary,
  Or: binary,
  Xor: binary,
  Equal: binary,
  Greater: binary,
  GreaterOrEqual: binary,
  Less: binary,
  LessOrEqual: binary,
  BitwiseAnd: binary,
  BitwiseOr: binary,
  BitwiseXor: binary,
  BitShift: { ...binary, attributes: { direction: "LEFT" } },
  // linear algebra
  MatMul: { inputs: ["A", "B"], outputs: ["Y"], attributes: {}, broadcast: "matmul" },
  "com.microsoft.FusedMatMul": {
    inputs: ["A", "B"],
    outputs: ["Y"],
    broadcast: "matmul",
    attributes: { alpha: 1, transA: 0, transB: 0, transBatchA: 0, transBatchB: 0 },
  },
  Gemm: { inputs: ["A", "B", "C?"], outputs: ["Y"], attributes: { alpha: 1, beta: 1, transA: 0, transB: 0 } },
  Det: unary,
  Einsum: { inputs: ["Inputs*"], outputs: ["Output"], attributes: { equation: "" } },
  // structure
  Transpose: { inputs: ["data"], outputs: ["transposed"], attributes: { perm: ints } },
  Reshape: { inputs: ["data", "shape"], outputs: ["reshaped"], attributes: { allowzero: 0 } },
  Flatten: { inputs: ["input"], outputs: ["output"], attributes: { axis: 1 } },
  Squeeze: { inputs: ["data", "axes?"], outputs: ["squeezed"], attributes: {} },
  Unsqueeze: { inputs: ["data", "axes"], outputs: ["expanded"], attributes: {} },
  Expand: { inputs: ["input", "shape"], outputs: ["output"], attributes: {} },
  Tile: { inputs: ["input", "repeats"], outputs: ["output"], attributes: {} },
  Concat: { inputs: ["inputs*"], outputs: ["concat_result"], attributes: { axis: 0 } },
  Split: {
    inputs: ["input", "split?"],
    outputs: ["outputs*"],
    attributes: { axis: 0, num_outputs: optionalInt },
  },
  Slice: { inputs: ["data", "starts", "ends", "axes?", "steps?"], outputs: ["output"], attributes: {} },
  Pad: {
    inputs: ["data", "pads", "constant_value?", "axes?"],
    outputs: ["output"],
    attributes: { mode: "constant" },
  },
  Gather: { inputs: ["data", "indices"], outputs: ["output"], attributes: { axis: 0 } },
  GatherElements: { inputs: ["data", "indices"], outputs: ["output"], attributes: { axis: 0 } },
  GatherND: { inputs: ["data", "indices"], outputs: ["output"], attributes: { batch_dims: 0 } },
  ScatterElements: {
    inputs: ["data", "indices", "updates"],
    outputs: ["output"],
    attributes: { axis: 0, reduction: "none" },
  },
  ScatterND: {
    inputs: ["data", "indices", "updates"],
    outputs: ["output"],
    attributes: { reduction: "none" },
  },
  Trilu: { inputs: ["input", "k?"], outputs: ["output"], attributes: { upper: 1 } },
  Shape: { inputs: ["data"], outputs: ["shape"], attributes: { start: 0, end: optionalInt } },
  Size: { inputs: ["data"], outputs: ["size"], attributes: {} },
  ConstantOfShape: { inputs: ["input"], outputs: ["output"], attributes: {} },
  Constant: { inputs: [], outputs: ["output"], attributes: {} },
  Range: { inputs: ["start", "limit", "delta"], outputs: ["output"], attributes: {} },
  OneHot: { inputs: ["indices", "depth", "values"], outputs: ["output"], attributes: { axis: -1 } },
  NonZero: { inputs: ["X"], outputs: ["Y"], attributes: {} },
  EyeLike: { inputs: ["input"], outputs: ["output"], attributes: { dtype: optionalInt, k: 0 } },
  // reductions
  ReduceSum: reduction,
  ReduceMean: reduction,
  ReduceMax: reduction,
  ReduceMin: reduction,
  ReduceProd: reduction,
  ReduceL1: reduction,
  ReduceL2: reduction,
  ReduceLogSum: reduction,
  ReduceLogSumExp: reduction,
  ReduceSumSquare: reduction,
  ArgMax: argReduction,
  ArgMin: argReduction,
  // normalisation
  Softmax: { inputs: ["input"], outputs: ["output"], attributes: { axis: -1 } },
  LogSoftmax: { inputs: ["input"], outputs: ["output"], attributes: { axis: -1 } },
  LayerNormalization: {
    inputs: ["X", "Scale", "B?"],
    outputs: ["Y", "Mean?", "InvStdDev?"],
    attributes: { axis: -1, epsilon: 1e-5, stash_type: 1 },
  },
  BatchNormalization: {
    inputs: ["X", "scale", "B", "input_mean", "input_var"],
    outputs: ["Y", "running_mean?", "running_var?"],
    attributes: { epsilon: 1e-5, momentum: 0.9, training_mode: 0 },
  },
  InstanceNormalization: {
    inputs: ["input", "scale", "B"],
    outputs: ["output"],
    attributes: { epsilon: 1e-5 },
  },
  GroupNormalization: {
    inputs: ["X", "scale", "bias"],
    outputs: ["Y"],
    attributes: { epsilon: 1e-5, num_groups: 1, stash_type: 1 },
  },
  // convolution and pooling
  Conv: { inputs: ["X", "W", "B?"], outputs: ["Y"], attributes: { ...windows, group: 1 } },
  ConvTranspose: {
    inputs: ["X", "W", "B?"],
    outputs: ["Y"],
    attributes: { ...windows, group: 1, output_padding: ints, output_shape: ints },
  },
  MaxPool: {
    inputs: ["X"],
    outputs: ["Y", "Indices?"],
    attributes: { ...windows, ceil_mode: 0, storage_order: 0 },
  },
  AveragePool: {
    inputs: ["X"],
    outputs: ["Y"],
    attributes: { ...windows, ceil_mode: 0, count_include_pad: 0 },
  },
  GlobalAveragePool: unary,
  GlobalMaxPool: unary,
  GlobalLpPool: { ...unary, attributes: { p: 2 } },
  // regularisation and losses
  Dropout: {
    inputs: ["data", "ratio?", "training_mode?"],
    outputs: ["output", "mask?"],
    draws: true,
    attributes: { seed: optionalInt },
  },
  SoftmaxCrossEntropyLoss: {
    inputs: ["scores", "labels", "weights?"],
    outputs: ["output", "log_prob?"],
    attributes: { ignore_index: optionalInt, reduction: "mean" },
  },
  NegativeLogLikelihoodLoss: {
    inputs: ["input", "target", "weight?"],
    outputs: ["loss"],
    attributes: { ignore_index: optionalInt, reduction: "mean" },
  },
} as const satisfies { readonly [op: string]: Schema };

export const schemas = {
  ...basic,
  ...imaging,
  ...gated,
  ...indexing,
  ...signal,
  ...recurrent,
  ...controlFlow,
  ...attention,
  ...fused,
  ...quantized,
  ...normalized,
  ...classical,
  ...random,
} as const satisfies {
  readonly [op: string]: Schema;
};

export type OpName = keyof typeof schemas;

type Widen<T> = T extends number ? number : T extends string ? string : T;
/** The attributes of an operator as a rule reads them: defaults filled in, axes non-negative. */
export type AttributesOf<N extends OpName> = {
  readonly [K in keyof (typeof schemas)[N]["attributes"]]: Widen<(typeof schemas)[N]["attributes"][K]>;
};
