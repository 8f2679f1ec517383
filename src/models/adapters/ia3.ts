import { DiapasonError } from "../../base/errors.ts";
import { GraphBuilder } from "../../graph/builder.ts";
import { float32, sizeOf } from "../../graph/tensor.ts";
import { scaleOutputs } from "./dense.ts";
import { interpose } from "./interpose.ts";
import { inputOf, type Layer } from "./layers.ts";
import type { AdapterMethod } from "./method.ts";

/**
 * A learned vector that multiplies what a layer gives (keys and values) or what it reads (the feed-forward part).
 * Source: Liu et al. 2022, arXiv:2205.05638.
 */
export const ia3: AdapterMethod = {
  title: "IA³",
  learningRate: 3e-3,
  alpha: (rank) => rank,
  targets: "ia3",
  bias: "none",
  peft: { type: "IA3", flags: {} },
  layers: {
    kinds: ["linear", "conv"],
    takesGroups: true,
    place({ graph, layer, isFeedforward }) {
      refuseSharedBias(layer, isFeedforward);
      const { module, inSize, outSize, kind, weight } = layer;
      const size = isFeedforward ? inSize : outSize;
      const kernel = weight.constant!.dims.slice(2).map(() => 1);
      const dims = kind === "conv" ? [1, size, ...kernel] : isFeedforward ? [1, size] : [size, 1];
      const name = `${module}.ia3_l`;
      const held = kind === "conv" ? dims : [size];
      const value = graph.addInitializer(name, float32(held, new Float32Array(sizeOf(dims)).fill(1)));
      for (const use of layer.uses)
        if (isFeedforward) {
          const x = new GraphBuilder(graph, use.node).mul(inputOf(use), value);
          graph.setNodeInput(use.node, 0, x);
        } else interpose(graph, use.y, (g, y) => g.mul(y, value));
      return { rank: 1, scale: 1, made: [{ parameter: name, key: name, dims, value, decays: false }] };
    },
    merge(adapted, { weight, bias }, values) {
      const factors = values(adapted.tensors[0]!.parameter);
      if (adapted.isFeedforward) return { weight: scaleInputs(weight.slice(), adapted.layer, factors) };
      return {
        weight: scaleOutputs(weight.slice(), adapted.layer, factors),
        ...(bias && { bias: bias.map((value, o) => value * factors[o]!) }),
      };
    },
  },
};

function scaleInputs(
  weight: Float32Array,
  { kind, inSize, outSize, isOutFirst, groups }: Layer,
  factors: Float32Array,
): Float32Array {
  const kernel = kind === "conv" ? (weight.length * groups) / (inSize * outSize) : 1;
  const perGroup = inSize / groups;
  for (let at = 0; at < weight.length; at++) {
    const group = Math.floor((at * groups) / weight.length);
    const input = isOutFirst
      ? (kind === "conv" ? group * perGroup : 0) + (Math.floor(at / kernel) % perGroup)
      : Math.floor(at / outSize);
    weight[at]! *= factors[input]!;
  }
  return weight;
}

function refuseSharedBias({ module, bias, uses }: Layer, isFeedforward: boolean): void {
  const own = new Set(uses.map(({ node, biasNode }) => biasNode ?? node));
  if (!bias || isFeedforward || bias.consumers.every((reader) => own.has(reader))) return;
  throw new DiapasonError(
    "models/bad-adapter",
    `The bias "${bias.name}" of ${module} is also another layer's, so that IA³'s vector could not be merged into it.`,
    "Leave the module out of the targets, or take LoRA.",
  );
}
