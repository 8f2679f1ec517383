import type { GraphBuilder } from "../graph/builder.ts";
import type { Graph, Value } from "../graph/ir.ts";
import { erf } from "../graph/kernels/scalar.ts";
import type { Tensor } from "../graph/tensor.ts";

/** How the tokens of a text become one vector, by sentence-transformers' names. */
export type Pooling = "cls" | "max" | "mean" | "mean_sqrt_len_tokens" | "weightedmean" | "lasttoken";

/** What a layer behind the pooling does to each number, by PyTorch's names. */
export type DenseActivation = "Identity" | "Tanh" | "ReLU" | "GELU" | "Sigmoid" | "SiLU";

/** A linear layer behind the pooling: activation(W·x + b). */
export interface DenseLayer {
  /** Names of its parameters in a graph. */
  readonly weightName: string;
  readonly biasName: string;
  /** float32 [out, in] */
  readonly weight: Tensor;
  /** float32 [out] */
  readonly bias: Tensor | undefined;
  readonly activation: DenseActivation;
}

/** How a text's hidden states become its vector. */
export interface SentenceVector {
  /** Several stand one behind the other. */
  readonly poolings: readonly Pooling[];
  readonly dense: readonly DenseLayer[];
  /** Whether what is given out has length 1. */
  readonly isUnit: boolean;
}

/** A score that leaves a token out: e^−10000 is 0, and no hidden state is as large. */
const excluded = -10_000;

type Pool = (g: GraphBuilder, hidden: Value, mask: Value) => Value;

/** 1 at tokens that count and whose neighbour before (−1) or behind (1) does not: [batch, tokens, 1]. */
function edge(g: GraphBuilder, mask: Value, side: -1 | 1): Value {
  const outside = g.mul(g.slice(mask, [1], [0], [1]), 0);
  const neighbour =
    side < 0
      ? g.concat([outside, g.slice(mask, [1], [0], [-1])], 1)
      : g.concat([g.slice(mask, [1], [1], [2 ** 31 - 1]), outside], 1);
  neighbour.shape = mask.shape;
  return g.mul(mask, g.sub(1, neighbour));
}

const sumOver: Pool = (g, hidden, weights) => g.sum(g.mul(hidden, weights), [1]);

/** hidden: [batch, tokens, width], mask: [batch, tokens, 1] -> [batch, width]. */
const pool: { readonly [P in Pooling]: Pool } = {
  mean: (g, hidden, mask) => g.div(sumOver(g, hidden, mask), g.sum(mask, [1])),
  mean_sqrt_len_tokens: (g, hidden, mask) => g.div(sumOver(g, hidden, mask), g.sqrt(g.sum(mask, [1]))),
  // the first token that counts has the weight 1, the next one 2, and so on
  weightedmean(g, hidden, mask) {
    const weights = g.mul(mask, g.op("CumSum", [mask, g.constant([1], "int64", [])]));
    return g.div(sumOver(g, hidden, weights), g.sum(weights, [1]));
  },
  cls: (g, hidden, mask) => sumOver(g, hidden, edge(g, mask, -1)),
  lasttoken: (g, hidden, mask) => sumOver(g, hidden, edge(g, mask, 1)),
  max: (g, hidden, mask) =>
    g.op("ReduceMax", [g.add(hidden, g.mul(g.sub(1, mask), excluded)), g.ints([1])], { keepdims: 0 }),
};

/** The first token, where texts begin at it: what lies in a layer behind it alone need not be computed. */
const firstToken: Pool = (g, hidden) => g.op("Gather", [hidden, g.constant([0], "int64", [])], { axis: 1 });

const activate: {
  readonly [A in DenseActivation]: {
    readonly graph: (g: GraphBuilder, x: Value) => Value;
    readonly host: (x: number) => number;
  };
} = {
  Identity: { graph: (_, x) => x, host: (x) => x },
  Tanh: { graph: (g, x) => g.op("Tanh", [x]), host: Math.tanh },
  ReLU: { graph: (g, x) => g.op("Relu", [x]), host: (x) => Math.max(x, 0) },
  GELU: { graph: (g, x) => g.op("Gelu", [x]), host: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)) },
  Sigmoid: { graph: (g, x) => g.op("Sigmoid", [x]), host: (x) => 1 / (1 + Math.exp(-x)) },
  SiLU: {
    graph: (g, x) => g.op("com.microsoft.QuickGelu", [x], { alpha: 1 }),
    host: (x) => x / (1 + Math.exp(-x)),
  },
};
export const denseActivations = Object.keys(activate) as readonly DenseActivation[];

/**
 * Hidden states pooled and through the layers behind: [batch, out].
 *
 * hidden: [batch, tokens, width]; mask: [batch, tokens, 1], 1 at tokens that count. Parameters that the graph has already are
 * used. `fillsLeft`: whether texts end, and do not begin, at one place.
 */
export function sentenceVectorOf(
  graph: Graph,
  g: GraphBuilder,
  { hidden, mask, fillsLeft }: { readonly hidden: Value; readonly mask: Value; readonly fillsLeft: boolean },
  { poolings, dense }: SentenceVector,
): Value {
  const pooled = poolings.map((kind) =>
    (kind === "cls" && !fillsLeft ? firstToken : pool[kind])(g, hidden, mask),
  );
  const held = (name: string, tensor: Tensor) => graph.find(name) ?? graph.addInitializer(name, tensor);
  return dense.reduce(
    (x, { weightName, weight, biasName, bias, activation }) => {
      const product = g.product(x, held(weightName, weight), { transB: true });
      const shifted = bias ? g.add(product, held(biasName, bias)) : product;
      return activate[activation].graph(g, shifted);
    },
    g.concat(pooled, 1),
  );
}

const floats = ({ data }: Tensor): Float32Array => new Float32Array(Uint8Array.from(data.read()).buffer);

const columnOf = (hidden: Float32Array, width: number, w: number): readonly number[] =>
  Array.from({ length: hidden.length / width }, (_, t) => hidden[t * width + w]!);

const sum = (numbers: readonly number[]): number => numbers.reduce((total, x) => total + x, 0);

/** Of one feature over the tokens of a text. */
const poolColumn: { readonly [P in Pooling]: (column: readonly number[]) => number } = {
  cls: (column) => column[0]!,
  lasttoken: (column) => column.at(-1)!,
  max: (column) => column.reduce((most, x) => Math.max(most, x), Number.NEGATIVE_INFINITY),
  mean: (column) => sum(column) / column.length,
  mean_sqrt_len_tokens: (column) => sum(column) / Math.sqrt(column.length),
  weightedmean: (column) =>
    sum(column.map((x, t) => (t + 1) * x)) / ((column.length * (column.length + 1)) / 2),
};

/** The vector of one text. hidden: [tokens, width] of the tokens that count. */
export function sentenceVectorOnHost(
  hidden: Float32Array,
  width: number,
  { poolings, dense, isUnit }: SentenceVector,
): Float32Array {
  const pooled = Float32Array.from(
    poolings.flatMap((kind) =>
      Array.from({ length: width }, (_, w) => poolColumn[kind](columnOf(hidden, width, w))),
    ),
  );
  const vector = dense.reduce((x, { weight, bias, activation }) => {
    const [matrix, shift] = [floats(weight), bias && floats(bias)];
    return Float32Array.from({ length: weight.dims[0]! }, (_, o) => {
      const from = o * x.length;
      const product = x.reduce((total, value, i) => total + value * matrix[from + i]!, 0);
      return activate[activation].host(product + (shift?.[o] ?? 0));
    });
  }, pooled);
  if (!isUnit) return vector;
  const length = Math.max(Math.sqrt(vector.reduce((total, x) => total + x * x, 0)), 1e-12);
  return vector.map((x) => x / length);
}
