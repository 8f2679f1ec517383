import { opNameOf } from "../../graph/attributes.ts";
import type { Graph, Node, Value } from "../../graph/ir.ts";
import { isAnonymous, pathOf } from "../block-names.ts";

export type LayerKind = "linear" | "conv" | "embedding";

/** One place where a layer computes; weights that several places share make several uses of one layer. */
export interface LayerUse {
  /** MatMul, FusedMatMul, Gemm, Conv or Gather. */
  readonly node: Node;
  /** The Add that adds the bias of a MatMul. */
  readonly biasNode: Node | undefined;
  /** What comes out, with the bias. */
  readonly y: Value;
}

/** What goes into a use of a layer as the graph stands; of an embedding the ids. */
export const inputOf = ({ node }: LayerUse): Value => node.inputs[node.op === "Gather" ? 1 : 0]!;

/** A layer with a weight that an adapter can change. */
export interface Layer {
  readonly kind: LayerKind;
  /** Path of the module, as PEFT's target names are matched against it: "encoder.layer.0.attention.self.query". */
  readonly module: string;
  /** The same as today's transformers has it, where a checkpoint keeps an older name: targets may use either. */
  readonly told?: string;
  readonly weight: Value;
  readonly bias: Value | undefined;
  /** Of a linear layer: whether the weight is stored [out, in], as PyTorch's Linear has it, or [in, out]. */
  readonly isOutFirst: boolean;
  /** Features, or channels; of an embedding the number of rows. */
  readonly inSize: number;
  readonly outSize: number;
  /** Of a convolution: how many groups of channels are kept apart. */
  readonly groups: number;
  readonly uses: readonly LayerUse[];
  /** Whether something else than these uses reads the weight, as where an output layer is tied to the embedding. */
  readonly isShared: boolean;
}

/** The layers of a graph whose weights are float32 constants, in order of their first use. */
export function findLayers(graph: Graph): readonly Layer[] {
  const found = new Map<string, { parts: LayerParts; uses: LayerUse[] }>();
  for (const node of graph.nodes) {
    const parts = partsOf(node);
    if (!parts) continue;
    const key = `${parts.kind} ${parts.weight.name} ${parts.isOutFirst}`;
    const known = found.get(key);
    const { biasNode, bias } = parts.bias
      ? { biasNode: undefined, bias: parts.bias }
      : biasBehind(parts, node);
    if (known && known.parts.bias !== bias) continue;
    const y = (biasNode ?? node).outputs[0];
    if (!y) continue;
    const use = { node, biasNode, y };
    if (known) known.uses.push(use);
    else found.set(key, { parts: { ...parts, bias }, uses: [use] });
  }
  const names = new Set<string>();
  return [...found.values()].map(({ parts, uses }) => {
    const reached = new Set(uses.map(({ node }) => node));
    const isShared = readersOf(parts.weight).some((reader) => !reached.has(reader));
    let module = moduleOf(parts.weight.name, uses[0]!.node);
    while (names.has(module)) module = `${module}_`;
    names.add(module);
    return { ...parts, module, uses, isShared };
  });
}

/** The module that a parameter belongs to: its name without "weight", or the path of the node that reads it. */
export function moduleOf(parameter: string, node?: Node): string {
  const path = pathOf(parameter, node?.name ?? "");
  if (path === undefined) return parameter;
  const stem = path.replace(/[._](weight|kernel|bias)$/i, "");
  if (stem !== path || !isAnonymous(parameter)) return stem;
  return path.split(".").slice(0, -2).join(".") || path;
}

type LayerParts = Omit<Layer, "module" | "uses" | "isShared">;

function partsOf(node: Node): LayerParts | undefined {
  const [first, second, third] = node.inputs;
  switch (opNameOf(node)) {
    case "MatMul":
      return linearParts(first, second, undefined, false);
    case "com.microsoft.FusedMatMul":
      if (isSet(node, "transA") || isSet(node, "transBatchA") || isSet(node, "transBatchB")) return undefined;
      return isOne(node, "alpha") ? linearParts(first, second, undefined, isSet(node, "transB")) : undefined;
    case "Gemm":
      if (isSet(node, "transA") || !isOne(node, "alpha") || !isOne(node, "beta")) return undefined;
      if (third && third.constant?.dims.length !== 1) return undefined;
      return linearParts(first, second, third, isSet(node, "transB"));
    case "Conv":
      return convParts(node);
    case "Gather": {
      const axis = node.attributes.get("axis");
      const isTable = first?.constant?.dims.length === 2 && first.dtype === "float32";
      if (!isTable || (axis?.type === "int" && Number(axis.value) !== 0)) return undefined;
      if (!second || second.constant) return undefined;
      const [inSize, outSize] = first.constant!.dims as readonly [number, number];
      const whole = { isOutFirst: false, inSize, outSize, groups: 1, bias: undefined };
      return { kind: "embedding", weight: first, ...whole };
    }
    default:
      return undefined;
  }
}

function linearParts(
  x: Value | undefined,
  matrix: Value | undefined,
  bias: Value | undefined,
  transposed: boolean,
): LayerParts | undefined {
  const found = matrix && weightBehind(matrix);
  if (!x || x.constant || !found || found.weight.dtype !== "float32") return undefined;
  const dims = found.weight.constant!.dims;
  if (dims.length !== 2) return undefined;
  const isOutFirst = transposed !== found.flipped;
  const [outSize, inSize] = (isOutFirst ? dims : dims.toReversed()) as [number, number];
  return { kind: "linear", weight: found.weight, bias, isOutFirst, inSize, outSize, groups: 1 };
}

function convParts(node: Node): LayerParts | undefined {
  const [x, weight, bias] = node.inputs;
  if (!x || x.constant || !weight?.constant || weight.dtype !== "float32") return undefined;
  const group = node.attributes.get("group");
  const groups = group?.type === "int" ? Number(group.value) : 1;
  const [outSize, channels] = weight.constant.dims as readonly [number, number];
  return { kind: "conv", weight, bias, isOutFirst: true, inSize: channels * groups, outSize, groups };
}

/** Follows a constant back through Transpose and Identity. */
function weightBehind(value: Value): { readonly weight: Value; readonly flipped: boolean } | undefined {
  if (value.constant) return { weight: value, flipped: false };
  const node = value.producer;
  const inner = node?.inputs[0];
  if (!inner || (node.op !== "Transpose" && node.op !== "Identity")) return undefined;
  const found = weightBehind(inner);
  return found && { weight: found.weight, flipped: found.flipped !== (node.op === "Transpose") };
}

/** The nodes that read a constant, those that only turn it looked through. */
function readersOf(weight: Value): Node[] {
  return weight.consumers.flatMap((node) => {
    const isTurn = (node.op === "Transpose" || node.op === "Identity") && node.domain === "";
    return isTurn ? readersOf(node.outputs[0]!) : [node];
  });
}

/** The bias that the only reader of a product adds to it. */
function biasBehind(
  { kind, outSize }: LayerParts,
  node: Node,
): { readonly biasNode: Node | undefined; readonly bias: Value | undefined } {
  const none = { biasNode: undefined, bias: undefined };
  const product = node.outputs[0];
  const readers = product?.useList ?? [];
  const add = readers[0];
  if (kind !== "linear" || readers.length !== 1 || add?.op !== "Add" || add.domain !== "") return none;
  const bias = add.inputs.find((input) => input !== product);
  const isVector = bias?.constant?.dims.length === 1 && bias.constant.dims[0] === outSize;
  return isVector && bias.dtype === "float32" ? { biasNode: add, bias } : none;
}

function numberOf(node: Node, name: string): number | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.type === "int" || attribute?.type === "float" ? Number(attribute.value) : undefined;
}
const isSet = (node: Node, name: string): boolean => (numberOf(node, name) ?? 0) !== 0;
const isOne = (node: Node, name: string): boolean => (numberOf(node, name) ?? 1) === 1;
