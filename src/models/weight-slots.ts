import { opNameOf } from "../graph/attributes.ts";
import type { Node } from "../graph/ir.ts";

/** What an operator's constant float input is to the model. Slots that are not listed hold settings, not weights. */
export interface WeightSlots {
  /** Inputs that hold matrices and kernels. */
  readonly matrices?: readonly number[];
  /** Inputs that hold biases, scales and other vectors, or operands that may hold anything; "all" for every input. */
  readonly vectors?: readonly number[] | "all";
  /** Inputs that hold running statistics. */
  readonly buffers?: readonly number[];
  /** Inputs that reach the output unchanged but for their shape or type: what they are is decided further on. */
  readonly carried?: readonly number[] | "all";
  /** Whether a single element is taken for a setting (an epsilon, a scale of the export) unless its name says otherwise. */
  readonly scalarsAreSettings?: boolean;
}

const operand: WeightSlots = { vectors: "all", scalarsAreSettings: true };
const carrier: WeightSlots = { carried: [0] };
const settings: WeightSlots = {};
const scaleAndShift: WeightSlots = { vectors: [1, 2] };
const kernelAndBias: WeightSlots = { matrices: [1], vectors: [2] };
const recurrent: WeightSlots = { matrices: [1, 2], vectors: [3] };

const rows: { readonly [op: string]: WeightSlots } = {
  Conv: kernelAndBias,
  ConvTranspose: kernelAndBias,
  DeformConv: { matrices: [1], vectors: [3] },
  Gemm: { matrices: [0, 1], vectors: [2] },
  MatMul: { matrices: [0, 1] },
  FusedMatMul: { matrices: [0, 1] },
  TransposeMatMul: { matrices: [0, 1] },
  GemmFastGelu: { matrices: [1], vectors: [2] },
  Einsum: { vectors: "all" },
  FusedGemm: { matrices: [0, 1], vectors: [2] },
  FusedConv: { ...kernelAndBias, carried: [3] },
  NhwcConv: kernelAndBias,
  CausalConvWithState: kernelAndBias,
  Gather: { matrices: [0] },
  GatherElements: { matrices: [0] },
  GatherND: { matrices: [0] },
  LSTM: recurrent,
  GRU: recurrent,
  RNN: recurrent,
  LayerNormalization: scaleAndShift,
  InstanceNormalization: scaleAndShift,
  GroupNormalization: scaleAndShift,
  GroupNorm: scaleAndShift,
  SkipGroupNorm: { vectors: [1, 2, 4] },
  RMSNormalization: { vectors: [1] },
  SimplifiedLayerNormalization: { vectors: [1] },
  SkipLayerNormalization: { vectors: [2, 3, 4] },
  SkipSimplifiedLayerNormalization: { vectors: [2, 3] },
  EmbedLayerNormalization: { matrices: [2, 3, 4], vectors: [5, 6] },
  "com.microsoft.Attention": { matrices: [1], vectors: [2] },
  MultiHeadAttention: { vectors: [3] },
  GroupQueryAttention: { vectors: [11, 14, 15] },
  BiasGelu: { vectors: [1] },
  FastGelu: { vectors: [1] },
  BiasSplitGelu: { vectors: [1] },
  BiasAdd: { vectors: [1] },
  BiasSoftmax: settings,
  BatchNormalization: { vectors: [1, 2], buffers: [3, 4] },
  PRelu: { vectors: [1] },
  Add: operand,
  Sub: operand,
  Mul: operand,
  Div: operand,
  Sum: operand,
  Where: { vectors: [1, 2], scalarsAreSettings: true },
  Concat: operand,
  Transpose: carrier,
  Reshape: carrier,
  Flatten: carrier,
  Squeeze: carrier,
  Unsqueeze: carrier,
  ExpandDims: carrier,
  Expand: carrier,
  Tile: carrier,
  Slice: carrier,
  Pad: carrier,
  ScatterElements: { carried: [0, 2] },
  ScatterND: { carried: [0, 2] },
  Split: carrier,
  Identity: carrier,
  Cast: carrier,
  Resize: settings,
  Upsample: settings,
  // Of fake quantisation: the numbers that are rounded are weights, scales and zero points are settings.
  QuantizeLinear: carrier,
  DequantizeLinear: carrier,
  DynamicQuantizeMatMul: { vectors: [4] },
  MatMulIntegerToFloat: { vectors: [6] },
  MatMulBnb4: settings,
  MatMulNBits: { vectors: [5] },
  QAttention: { vectors: [2] },
  QEmbedLayerNormalization: settings,
  GatherBlockQuantized: settings,
  QGemm: settings,
  QLinearAdd: settings,
  QLinearAveragePool: settings,
  QLinearConcat: settings,
  QLinearGlobalAveragePool: settings,
  QLinearLeakyRelu: settings,
  QLinearMul: settings,
  QLinearSigmoid: settings,
  QLinearSoftmax: settings,
  QLinearWhere: settings,
  NonMaxSuppression: settings,
};

const unknownOperator: WeightSlots = { vectors: "all", scalarsAreSettings: true };

/** The slots of a node: its row, else nothing for operators that Diapason knows, else everything. */
export function slotsOf(node: Node): WeightSlots {
  const name = opNameOf(node);
  const row = [name ?? "", node.op].find((one) => Object.hasOwn(rows, one));
  return row === undefined ? (name ? settings : unknownOperator) : rows[row]!;
}

/** Whether a slot is among some. */
export const includes = (list: readonly number[] | "all" | undefined, index: number): boolean =>
  list === "all" || (list?.includes(index) ?? false);
