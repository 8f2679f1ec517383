import { random } from "../../base/random.ts";
import { attributesOf } from "../../graph/attributes.ts";
import type { GraphBuilder } from "../../graph/builder.ts";
import { dropoutInput } from "../../graph/dropout-input.ts";
import type { Graph, Node, Value } from "../../graph/ir.ts";
import { float32, sizeOf } from "../../graph/tensor.ts";
import { type AdaptedLayer, floatsOf, transposed } from "./adapted.ts";
import { addProduct } from "./dense.ts";
import { interpose } from "./interpose.ts";
import { inputOf, type Layer, type LayerUse } from "./layers.ts";
import type { LayerMethod, MadeParameter, Placed, Placement } from "./method.ts";

/** The two matrices of a low-rank adapter as PEFT's file has them, B·A being what is added to the weight. */
export interface Pair {
  readonly a: Float32Array;
  readonly b: Float32Array;
}

/** Where two low-rank methods differ. */
export interface LowRank {
  /** First values. */
  start(placement: Placement, dims: PairDims): Pair;
  /** Whether the first pair is taken out of the weight, so that the whole is what it was. */
  readonly takesOut?: true;
  /** Multiplier on the rate of B. */
  rateOfB?(placement: Placement): number;
}

/** Sizes of the pair in PEFT's file: A [rank, in], B [out, rank]; of a convolution with its kernel in A. */
export interface PairDims {
  readonly a: readonly number[];
  readonly b: readonly number[];
}

/** The parts of a layer that a low-rank adapter computes with. */
export interface PlacedPair {
  readonly a: Value;
  readonly b: Value;
  readonly scale: number;
  readonly made: readonly MadeParameter[];
}

export function pairDims({ kind, weight, inSize, outSize }: Layer, rank: number): PairDims {
  const kernel = weight.constant!.dims.slice(2);
  if (kind !== "conv") return { a: [rank, inSize], b: [outSize, rank] };
  return { a: [rank, inSize, ...kernel], b: [outSize, rank, ...kernel.map(() => 1)] };
}

/** What B·A is multiplied by. Source: PEFT, LoraLayer.update_layer. */
export const scaleOf = ({
  alpha,
  rank,
  isRankStabilized,
}: Pick<Placement, "alpha" | "rank" | "isRankStabilized">): number =>
  alpha / (isRankStabilized ? Math.sqrt(rank) : rank);

/** Adds the initializers of a pair to a graph. */
export function addPair(placement: Placement, method: LowRank): PlacedPair & { readonly start: Pair } {
  const { graph, layer, rank } = placement;
  const { kind, module } = layer;
  const dims = pairDims(layer, rank);
  const start = method.start(placement, dims);
  const isEmbedding = kind === "embedding";
  const names = isEmbedding
    ? { a: `${module}.lora_embedding_A`, b: `${module}.lora_embedding_B` }
    : { a: `${module}.lora_A.weight`, b: `${module}.lora_B.weight` };
  const rate = method.rateOfB?.(placement);
  // a table's rows are looked up: A is held [rows, rank]
  const a = isEmbedding
    ? graph.addInitializer(names.a, float32(dims.a.toReversed(), transposed(start.a, rank, layer.inSize)))
    : graph.addInitializer(names.a, float32(dims.a, start.a));
  const b = graph.addInitializer(names.b, float32(dims.b, start.b));
  const common = { decays: true } as const;
  const made: MadeParameter[] = [
    {
      parameter: names.a,
      key: names.a,
      dims: dims.a,
      value: a,
      ...common,
      ...(isEmbedding && { isTransposed: true }),
    },
    {
      parameter: names.b,
      key: names.b,
      dims: dims.b,
      value: b,
      ...common,
      ...(rate !== undefined && !isEmbedding && { rate }),
    },
  ];
  return { a, b, scale: scaleOf(placement), made, start };
}

/** scale · B·A·x for what a use of a layer reads: two thin products. */
export function lowRankOutput(
  g: GraphBuilder,
  layer: Layer,
  { a, b, scale }: PlacedPair,
  node: Node,
  x: Value,
): Value {
  if (layer.kind === "embedding")
    return g.product(g.op("Gather", [a, x], { axis: 0 }), b, { transB: true, alpha: scale });
  if (layer.kind === "linear")
    return g.product(g.product(x, a, { transB: true }), b, { transB: true, alpha: scale });
  return g.op("Conv", [g.mul(likeConv(g, node, x, a), scale), b]);
}

/** A convolution with the strides and padding of another and a kernel over all channels. */
function likeConv(g: GraphBuilder, conv: Node, x: Value, kernel: Value): Value {
  const { group: _, kernel_shape: __, auto_pad, ...windows } = attributesOf(conv, "Conv");
  return g.op("Conv", [x, kernel], { ...windows, auto_pad });
}

/** What a use of a layer reads, times a mask that the loop draws; ids stay as they are. */
export function dropped(g: GraphBuilder, { layer, dropout: p }: Placement, use: LayerUse): Value {
  const x = inputOf(use);
  if (p === 0 || layer.kind === "embedding") return x;
  const at = layer.uses.length > 1 ? `.${use.node.outputs[0]!.name}` : "";
  const mask = g.graph.addInput(dropoutInput(p, `${layer.module}${at}`), "float32", x.shape);
  return g.mul(x, mask);
}

/** Adds scale · B·A·x to what a layer gives. */
export function lowRank(method: LowRank): LayerMethod {
  return {
    kinds: ["linear", "conv", "embedding"],
    place(placement): Placed {
      const pair = addPair(placement, method);
      const { graph, layer, rank } = placement;
      if (method.takesOut) takeOut(graph, layer, pair);
      for (const use of layer.uses)
        interpose(graph, use.y, (g, y) =>
          g.add(y, lowRankOutput(g, layer, pair, use.node, dropped(g, placement, use))),
        );
      return {
        rank,
        scale: pair.scale,
        made: pair.made,
        ...(method.takesOut && { takenOut: pair.start }),
      };
    },
    merge: (adapted, { weight }, values) => ({
      weight: Float32Array.from(addedTo(weight, adapted, pairOf(adapted, values))),
    }),
  };
}

/** The weight less scale · B·A. */
function takeOut(graph: Graph, layer: Layer, { scale, start }: { scale: number; start: Pair }): void {
  const { dims } = layer.weight.constant!;
  const rest = new Float64Array(floatsOf(layer.weight.constant!));
  addProduct(rest, layer, start, -scale);
  graph.setConstant(layer.weight, float32(dims, Float32Array.from(rest)));
}

/** A and B as PEFT's file has them. */
export function pairOf({ tensors }: AdaptedLayer, values: (parameter: string) => Float32Array): Pair {
  const [a, b] = tensors as readonly [AdaptedLayer["tensors"][number], AdaptedLayer["tensors"][number]];
  const held = values(a.parameter);
  return { a: a.isTransposed ? transposed(held, a.dims[1]!, a.dims[0]!) : held, b: values(b.parameter) };
}

/** A base weight with an adapter's pair in it, and without what was taken out of it. */
export function addedTo(
  weight: Float32Array,
  { layer, scale, takenOut }: AdaptedLayer,
  pair: Pair,
): Float64Array {
  const merged = new Float64Array(weight);
  addProduct(merged, layer, pair, scale);
  if (takenOut) addProduct(merged, layer, takenOut, -scale);
  return merged;
}

/**
 * A from U(−1/√fan, 1/√fan), which is Kaiming's uniform for a = √5, and B zero; of an embedding A zero and B from N(0, 1).
 * Source: PEFT, LoraLayer.reset_lora_parameters.
 */
export function kaimingPair({ layer, seed }: Placement, { a, b }: PairDims): Pair {
  const draw = random(seed, "adapter", layer.module);
  if (layer.kind === "embedding")
    return { a: new Float32Array(sizeOf(a)), b: Float32Array.from({ length: sizeOf(b) }, draw.normal) };
  const bound = 1 / Math.sqrt(sizeOf(a.slice(1)));
  return {
    a: Float32Array.from({ length: sizeOf(a) }, () => (2 * draw.uniform() - 1) * bound),
    b: new Float32Array(sizeOf(b)),
  };
}
