import { attributesOf } from "../../graph/attributes.ts";
import { GraphBuilder, range } from "../../graph/builder.ts";
import type { Graph, Node, Value } from "../../graph/ir.ts";
import { float32 } from "../../graph/tensor.ts";
import { floatsOf } from "./adapted.ts";
import { scaleOutputs, squaresPerOutput } from "./dense.ts";
import { interpose } from "./interpose.ts";
import { inputOf, type Layer, type LayerUse } from "./layers.ts";
import {
  addedTo,
  addPair,
  dropped,
  kaimingPair,
  lowRankOutput,
  type PlacedPair,
  pairOf,
} from "./low-rank.ts";
import type { AdapterMethod, MadeParameter, Placement } from "./method.ts";

const method = { start: kaimingPair };

/**
 * m ⊙ (W + ΔW) / ‖W + ΔW‖ with ΔW = (α/r)·B·A, norms over what leads to each output, m starting as ‖W‖. To the gradient
 * the norm is a constant. Source: Liu et al. 2024, arXiv:2402.09353, §4.3.
 */
export const dora: AdapterMethod = {
  title: "DoRA",
  learningRate: 4e-4,
  alpha: (rank) => 2 * rank,
  targets: "lora",
  bias: "none",
  peft: { type: "LORA", flags: { use_dora: true } },
  layers: {
    kinds: ["linear", "conv"],
    place(placement) {
      const { graph, layer, rank } = placement;
      const pair = addPair(placement, method);
      const magnitude = addMagnitude(graph, layer);
      const factor = factorOf(graph, placement, pair, magnitude.value);
      for (const use of layer.uses) rewrite(placement, pair, factor, use);
      return { rank, scale: pair.scale, made: [...pair.made, magnitude] };
    },
    merge(adapted, { weight }, values) {
      const whole = addedTo(weight, adapted, pairOf(adapted, values));
      const norms = squaresPerOutput(whole, adapted.layer).map(Math.sqrt);
      const magnitude = values(adapted.tensors[2]!.parameter);
      const factors = norms.map((norm, o) => magnitude[o]! / norm);
      return { weight: Float32Array.from(scaleOutputs(whole, adapted.layer, factors)) };
    },
  },
};

function addMagnitude(graph: Graph, layer: Layer): MadeParameter {
  const { module, outSize, kind, weight } = layer;
  const name = `${module}.lora_magnitude_vector`;
  const norms = squaresPerOutput(floatsOf(weight.constant!), layer).map(Math.sqrt);
  const kernel = weight.constant!.dims.slice(2).map(() => 1);
  return {
    parameter: name,
    key: name,
    dims: kind === "conv" ? [1, outSize, ...kernel] : [outSize],
    value: graph.addInitializer(name, float32([outSize], Float32Array.from(norms))),
    decays: false,
  };
}

/**
 * m / ‖W + sBA‖: [out], or [out, 1, 1] before the axes of an image.
 *
 * ‖W + sBA‖² = ‖W‖² + 2s·Σ (W·Aᵀ)⊙B + s²·Σ (B·(A·Aᵀ))⊙B over each row, which needs no matrix of W's size.
 */
function factorOf(graph: Graph, { layer, rank }: Placement, { a, b, scale }: PlacedPair, m: Value): Value {
  const { outSize, isOutFirst, weight, kind } = layer;
  const g = new GraphBuilder(graph, layer.uses[0]!.node);
  const flat = (value: Value, rows: number) => (kind === "conv" ? g.reshape(value, [rows, -1]) : value);
  const thinA = flat(a, rank);
  const thinB = flat(b, outSize);
  const squares = squaresPerOutput(floatsOf(weight.constant!), layer);
  const own = graph.addInitializer(
    graph.freshName(`${layer.module}.squares`),
    float32([outSize], Float32Array.from(squares)),
  );
  const across = g.product(thinA, flat(weight, outSize), { transB: isOutFirst });
  const cross = g.sum(g.mul(across, g.transpose(thinB, [1, 0])), [0]);
  const inner = g.product(thinA, thinA, { transB: true });
  const added = g.sum(g.mul(g.matmul(thinB, inner), thinB), [1]);
  const norm = g.sqrt(g.add(own, g.add(g.mul(2 * scale, cross), g.mul(scale * scale, added))));
  norm.detached = true;
  const factor = g.div(m, norm);
  return kind === "conv" ? g.unsqueeze(factor, imageAxes(layer)) : factor;
}

const imageAxes = ({ weight }: Layer): readonly number[] => range(1, weight.constant!.dims.length - 1);

/** factor ⊙ (W·x + sB·A·x) + bias; where x is dropped, W·x + (factor − 1) ⊙ W·x' + factor ⊙ sB·A·x' + bias. */
function rewrite(placement: Placement, pair: PlacedPair, factor: Value, use: LayerUse): void {
  const { graph, layer } = placement;
  const { node } = use;
  const bias = use.biasNode ? undefined : node.inputs[2];
  if (bias) graph.setNodeInput(node, 2, undefined);
  interpose(graph, node.outputs[0]!, (g, product) => {
    const x = dropped(g, placement, use);
    const added = lowRankOutput(g, layer, pair, node, x);
    const isWhole = x === inputOf(use);
    const scaled = isWhole
      ? g.mul(g.add(product, added), factor)
      : g.add(product, g.add(g.mul(again(g, layer, node, x), g.sub(factor, 1)), g.mul(added, factor)));
    if (!bias) return scaled;
    return g.add(scaled, layer.kind === "conv" ? g.unsqueeze(bias, imageAxes(layer)) : bias);
  });
}

/** The layer's product of another input. */
const again = (g: GraphBuilder, { kind, weight, isOutFirst }: Layer, node: Node, x: Value): Value =>
  kind === "conv"
    ? g.op("Conv", [x, node.inputs[1]], { ...attributesOf(node, "Conv") })
    : g.product(x, weight, { transB: isOutFirst });
