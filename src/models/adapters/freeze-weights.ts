import { GraphBuilder } from "../../graph/builder.ts";
import { replaceNode } from "../../graph/expansions/expand.ts";
import { keepTurned, keepWeightsSmall, unitRows } from "../../graph/frozen-weights.ts";
import type { Node, Value } from "../../graph/ir.ts";
import { removeDead } from "../../graph/passes/remove-dead.ts";
import { float32, type Tensor, tensorOf } from "../../graph/tensor.ts";
import { type AdaptedModel, floatsOf, transposed } from "./adapted.ts";
import type { FrozenKind } from "./frozen-kinds.ts";
import { builderBehind } from "./interpose.ts";
import { findLayers, type Layer } from "./layers.ts";
import { headOf } from "./moving-beside.ts";
import { toInt4, toInt8, toNf4 } from "./quantize.ts";

/** A weight in few bits: what its product with x [..., in] is, without a bias. */
type Product = (g: GraphBuilder, x: Value) => Value;

interface Held {
  /** Elements that lie in a block, and share a scale; a weight whose rows do not make whole blocks stays as it is. */
  readonly block: number;
  /** weight: [out, in]. */
  hold(
    layer: Layer,
    weight: Float32Array,
    add: (name: string, tensor: Tensor) => Value,
    units: UnitRows,
  ): Product;
}

/** The rows of a value divided by their norms, made once for all layers that read it. */
type UnitRows = (x: Value) => ReturnType<typeof unitRows>;

const held: { readonly [K in Exclude<FrozenKind, "float32">]: Held } = {
  int8: {
    block: 1,
    hold({ inSize, outSize }, weight, add, units) {
      const { whole, scales } = toInt8(weight, outSize, inSize);
      const turned = toInt8(transposed(weight, outSize, inSize), inSize, outSize);
      const held = tensorOf("int8", [inSize, outSize], whole);
      keepTurned(held, {
        whole: tensorOf("int8", [outSize, inSize], turned.whole),
        scales: float32([inSize], turned.scales),
      });
      const b = add("int8", held);
      const scale = add("scales", float32([outSize], scales));
      return (g, x) => {
        const { unit, norm } = units(x);
        return g.mul(g.op("com.microsoft.DynamicQuantizeMatMul", [unit, b, scale]), norm);
      };
    },
  },
  int4: {
    block: 32,
    hold({ inSize: K, outSize: N }, weight, add) {
      const { bytes, scales } = toInt4(weight, 32);
      const b = add("int4", tensorOf("uint8", [N, K / 32, 16], bytes));
      const scale = add("scales", float32([scales.length], scales));
      const attributes = { K, N, bits: 4, block_size: 32, accuracy_level: 4 };
      return (g, x) => g.op("com.microsoft.MatMulNBits", [x, b, scale], attributes);
    },
  },
  nf4: {
    block: 64,
    hold({ inSize: K, outSize: N }, weight, add) {
      const { bytes, scales } = toNf4(weight, 64);
      const b = add("nf4", tensorOf("uint8", [bytes.length], bytes));
      const scale = add("scales", float32([scales.length], scales));
      const attributes = { K, N, block_size: 64, quant_type: 1, transB: 1 };
      return (g, x) => g.op("com.microsoft.MatMulBnb4", [x, b, scale], attributes);
    },
  },
};

/**
 * Holds the weights of linear layers that do not move in few bits, and computes with them as they are held: in int8 with
 * one scale a column, forward and back; in blocks of 4 bits, which the way back turns into float32 a layer at a time.
 *
 * The graph computes nearly, not exactly, what it did; what is tuned on it fits the base in float32 as well.
 */
export function freezeWeights(model: AdaptedModel, kind: FrozenKind): AdaptedModel {
  if (kind === "float32") return model;
  const graph = model.graph.clone();
  keepWeightsSmall(graph);
  const moving = new Set(model.parameters.map(({ name }) => name));
  const head = headOf(model.adapter.base);
  const { block, hold } = held[kind];
  const seen = new Map<Value, ReturnType<typeof unitRows>>();
  const units: UnitRows = (x) => {
    const known = seen.get(x) ?? unitRows(builderBehind(graph, x), x);
    seen.set(x, known);
    return known;
  };
  for (const layer of findLayers(graph)) {
    const { weight, inSize, outSize, isOutFirst, module } = layer;
    const nodes = productsOf(layer);
    if (!nodes || moving.has(weight.name) || head.has(weight.name) || inSize % block !== 0) continue;
    const stored = floatsOf(weight.constant!);
    const rows = isOutFirst ? stored : transposed(stored, inSize, outSize);
    const add = (name: string, tensor: Tensor) =>
      graph.addInitializer(graph.freshName(`${module}.${name}`), tensor);
    const product = hold(layer, rows, add, units);
    for (const node of nodes) {
      const g = new GraphBuilder(graph, node);
      const made = product(g, node.inputs[0]!);
      const bias = node.op === "Gemm" ? node.inputs[2] : undefined;
      replaceNode(graph, node, [bias ? g.add(made, bias) : made]);
    }
  }
  removeDead(graph);
  return {
    ...model,
    graph,
    input: graph.get(model.input.name),
    output: graph.get(model.output.name),
    parameters: model.parameters.map((one) => ({ ...one, value: graph.get(one.name) })),
  };
}

/** The products that read the weight of a linear layer; undefined where something else does, as a table's rows. */
function productsOf({ kind, uses, weight, isOutFirst, isShared }: Layer): readonly Node[] | undefined {
  if (kind !== "linear") return undefined;
  const nodes = uses.map(({ node }) => node);
  if (!isShared) return nodes;
  // a norm of the weight with what is added to it reads it as well
  const others = weight.consumers.filter((node) => !nodes.includes(node));
  const areAlike = others.every(({ op, inputs, attributes }) => {
    const turned = attributes.get("transB");
    const isTurned = turned?.type === "int" && Number(turned.value) === 1;
    return (op === "MatMul" || op === "FusedMatMul") && inputs[1] === weight && isTurned === isOutFirst;
  });
  return areAlike ? [...nodes, ...others] : undefined;
}
