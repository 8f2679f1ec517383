import type { Node, Value } from "../graph/ir.ts";
import { sizeOf } from "../graph/tensor.ts";

/** The last layer of a classifier: what maps features to one number a class. */
export interface Head {
  readonly kind: "linear" | "conv";
  /** Gemm, MatMul or Conv. */
  readonly node: Node;
  readonly weight: Value;
  /** The axis of `weight` that counts classes; the other ones count features (and, for a Conv, kernel positions). */
  readonly classAxis: number;
  readonly bias: Value | undefined;
  /** The Add that adds the bias of a MatMul. */
  readonly biasNode: Node | undefined;
  /** What comes after, from the head to the graph's output. */
  readonly tail: readonly Node[];
  readonly classes: number;
}

/** Operators that only change a shape or a type. */
const shapeOps = new Set([
  "Reshape",
  "Flatten",
  "Squeeze",
  "Unsqueeze",
  "Identity",
  "Cast",
  "Dropout",
  "Transpose",
]);
const probabilityOps = new Set(["Softmax", "LogSoftmax", "Sigmoid"]);
const poolOps = new Set([
  "GlobalAveragePool",
  "GlobalMaxPool",
  "AveragePool",
  "MaxPool",
  "ReduceMean",
  "ReduceMax",
]);
const activationOps = new Set(["Relu", "LeakyRelu", "Clip"]);

/** Whether a node only changes a shape or a type. */
export const isShapeOnly = (node: Node): boolean => shapeOps.has(node.op);
/** Whether a node pools over the image. */
export const isPool = (node: Node): boolean => poolOps.has(node.op);

/**
 * The classifier that `output` comes from: the last Gemm or MatMul (+ Add) whose result reaches it through operators
 * that change shapes or make probabilities, or the last Conv whose result is then averaged over the image.
 */
export function findHead(output: Value | undefined): Head | undefined {
  const tail: Node[] = [];
  let value = output;
  while (value?.producer) {
    const node: Node = value.producer;
    if (node.op === "Gemm" || node.op === "MatMul") return linearHead(node, tail);
    if (node.op === "Add") return biasedHead(node, tail);
    if (node.op === "Conv") return convHead(node, tail);
    if (!isShapeOnly(node) && !probabilityOps.has(node.op) && !isPool(node) && !activationOps.has(node.op))
      return undefined;
    tail.unshift(node);
    value = node.inputs[0];
  }
  return undefined;
}

/** Follows a constant back through Transpose and Identity; `flipped` says whether the two axes changed places. */
function weightOf(
  value: Value | undefined,
): { readonly weight: Value; readonly flipped: boolean } | undefined {
  if (!value) return undefined;
  if (value.constant) return { weight: value, flipped: false };
  const node = value.producer;
  if (node?.op !== "Transpose" && node?.op !== "Identity") return undefined;
  const inner = weightOf(node.inputs[0]);
  if (!inner || inner.weight.constant!.dims.length !== 2) return inner;
  return { weight: inner.weight, flipped: inner.flipped !== (node.op === "Transpose") };
}

function linearHead(node: Node, tail: readonly Node[], biasNode?: Node, bias?: Value): Head | undefined {
  if (tail.some((later) => activationOps.has(later.op) || isPool(later))) return undefined;
  if (node.outputs[0]?.shape?.slice(1, -1).some((size) => size !== 1)) return undefined;
  const found = weightOf(node.inputs[1]);
  if (found?.weight.dtype !== "float32" || found.weight.constant!.dims.length !== 2) return undefined;
  const transposed = node.op === "Gemm" && numberOf(node, "transB") === 1;
  const classAxis = transposed !== found.flipped ? 0 : 1;
  return {
    kind: "linear",
    node,
    weight: found.weight,
    classAxis,
    bias: bias ?? node.inputs[2],
    biasNode,
    tail,
    classes: found.weight.constant!.dims[classAxis]!,
  };
}

function biasedHead(node: Node, tail: readonly Node[]): Head | undefined {
  const bias = node.inputs.find((input) => input?.constant);
  const product = node.inputs.find((input) => input?.producer)?.producer;
  if (!bias || product?.op !== "MatMul") return undefined;
  const head = linearHead(product, tail, node, bias);
  return head && sizeOf(bias.constant!.dims) === head.classes ? head : undefined;
}

function convHead(node: Node, tail: readonly Node[]): Head | undefined {
  const weight = node.inputs[1];
  const bias = node.inputs[2];
  if (!weight?.constant || weight.dtype !== "float32" || (numberOf(node, "group") ?? 1) !== 1)
    return undefined;
  const classes = weight.constant.dims[0]!;
  const shape = (tail.at(-1) ?? node).outputs[0]?.shape;
  const perClass = shape
    ? shape.slice(1).filter((size) => size !== 1).length <= 1 && shape.slice(1).includes(classes)
    : tail.some(isPool);
  if (!perClass) return undefined;
  return { kind: "conv", node, weight, classAxis: 0, bias, biasNode: undefined, tail, classes };
}

function numberOf(node: Node, name: string): number | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.type === "int" ? Number(attribute.value) : undefined;
}

/** Names of the initializers that make up a head. */
export const headParameters = (head: Head | undefined): readonly string[] =>
  head ? [head.weight.name, ...(head.bias?.constant ? [head.bias.name] : [])] : [];
