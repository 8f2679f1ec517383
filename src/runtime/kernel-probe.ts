import { DiapasonError } from "../base/errors.ts";
import { writeOnnx } from "../formats/onnx/writer.ts";
import { attributesOf, opNameOf } from "../graph/attributes.ts";
import { expandNode, isComposite } from "../graph/expansions/expand.ts";
import { inferShapes } from "../graph/infer.ts";
import {
  type Attribute,
  cloneAttribute,
  Graph,
  type Node,
  readsOf,
  type Value,
  withBodies,
} from "../graph/ir.ts";
import type { OpName } from "../graph/schemas.ts";
import type { DataType } from "../graph/tensor.ts";
import { lowerNode } from "./lowerings.ts";

type Takes = (models: readonly Uint8Array[]) => Promise<boolean[]>;

const reads = (input: number) => (node: Node) => node.inputs[input] !== undefined;
const gives = (output: number) => (node: Node) => node.outputs[output] !== undefined;
const always = (): boolean => true;

/**
 * What kernels of WebGPU take when a graph is compiled and then refuse or compute wrongly (onnxruntime-node 1.30, as
 * compared with its CPU over the cases of tests/fixtures/kernels and the networks of tests/fixtures/networks).
 */
const wrongLate: { readonly [N in OpName]?: (node: Node) => boolean } = {
  // A product over no elements ends the process.
  MatMul: (node) => node.inputs[0]?.shape?.at(-1) === 0,
  // Refused where both sides are repeated.
  Pow: ({ inputs, outputs: [y] }) => inputs.every((x) => String(x?.shape) !== String(y?.shape)),
  // Volumes are refused.
  ConvTranspose: ({ inputs: [x] }) => (x?.shape?.length ?? 4) > 4,
  MaxPool: gives(1),
  BatchNormalization: gives(1),
  // The deviation is left at 0.
  SimplifiedLayerNormalization: gives(1),
  // Without a bias it ends the process.
  "com.microsoft.Attention": (node) => !reads(2)(node),
  // A mask of keys is refused; lengths of keys and rotary positions give other numbers.
  "com.microsoft.MultiHeadAttention": always,
  "com.microsoft.GroupQueryAttention": always,
  // The sum is left out.
  "com.microsoft.FusedConv": reads(3),
  Resize: (node) =>
    attributesOf(node, "Resize").antialias !== 0 ||
    (reads(2)(node) && attributesOf(node, "Resize").mode !== "nearest"),
  // Peepholes and clips are left out, activations refused.
  LSTM: (node) => reads(7)(node) || ["activations", "clip"].some((key) => node.attributes.has(key)),
  // Gives zeros, or refuses an activation.
  "com.microsoft.QMoE": always,
  "com.microsoft.MatMulNBits": reads(4),
  "com.microsoft.GatherBlockQuantized": reads(3),
};

/** Constants up to this size go into a question, because what an operator takes may depend on them. */
const smallBytes = 512;

/**
 * Learns which operators a device runs, by offering it models of one node each; every kind of node is asked once, which
 * takes a few milliseconds. A table would be out of date with the next ONNX Runtime.
 *
 * Nodes that take no real number may run on the CPU: ONNX Runtime computes sizes and indices there by itself, on every
 * device.
 */
export class KernelProbe {
  readonly #device: string;
  readonly #cpuFallback: boolean;
  readonly #known = new Map<string, boolean>();

  constructor(device: string, cpuFallback: boolean) {
    this.#device = device;
    this.#cpuFallback = cpuFallback;
  }

  /**
   * The graph, with what the device lacks written in operators that it has.
   *
   * @throws runtime/no-kernel, naming every operator that has no such form, unless those may run on the CPU.
   */
  async lower(graph: Graph, takes: Takes): Promise<Graph> {
    const lowered = graph.clone();
    inferShapes(lowered);
    const origins = new Map<Node, string>();
    for (;;) {
      const lacking = await this.#lacking(lowered, takes);
      if (lacking.length === 0) return lowered;
      const isChanged = lacking.map(([at, node]) => replace(at, node, origins)).some(Boolean);
      if (isChanged) {
        inferShapes(lowered);
        continue;
      }
      const needed = lacking.filter(([, node]) => node.inputs.some(isReal));
      if (this.#cpuFallback || needed.length === 0) return lowered;
      throw this.#refused(needed.map(([, node]) => origins.get(node) ?? fullName(node)));
    }
  }

  async #lacking(graph: Graph, takes: Takes): Promise<(readonly [Graph, Node])[]> {
    const nodes = [...withBodies(graph)].filter(([, node]) => [...node.inputs, ...node.outputs].some(isReal));
    const questions = new Map<string, Uint8Array>();
    const kinds = nodes.map(([, node]) => kindOf(node));
    nodes.forEach(([, node], i) => {
      const kind = kinds[i]!;
      if (!this.#known.has(kind) && !questions.has(kind)) questions.set(kind, question(graph, node));
    });
    const answers = await takes([...questions.values()]);
    [...questions.keys()].forEach((kind, i) => {
      this.#known.set(kind, answers[i]!);
    });
    return nodes.filter(([, node], i) => !this.#known.get(kinds[i]!) || this.#isWrongLate(node));
  }

  #isWrongLate(node: Node): boolean {
    const name = opNameOf(node);
    return this.#device === "webgpu" && name !== undefined && wrongLate[name]?.(node) === true;
  }

  #refused(names: readonly string[]): DiapasonError {
    const counts = new Map<string, number>();
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
    const list = [...counts].map(([name, count]) => (count === 1 ? name : `${name} (${count} nodes)`));
    return new DiapasonError(
      "runtime/no-kernel",
      `The device "${this.#device}" has no implementation of ${list.sort().join(", ")} for the types of this graph.`,
      "Let these run on the CPU with --cpu-fallback, or choose --device cpu.",
    );
  }
}

const fullName = ({ domain, op }: Node): string => (domain === "" ? op : `${domain}.${op}`);

const realTypes: ReadonlySet<DataType | undefined> = new Set([
  "float16",
  "float32",
  "float64",
  "bfloat16",
  // a type that nobody knows may be one of these
  undefined,
]);
const isReal = (value: Value | undefined): boolean => value !== undefined && realTypes.has(value.dtype);

/** Writes a node in other operators. False where there is no way to. */
function replace(graph: Graph, node: Node, origins: Map<Node, string>): boolean {
  const before = new Set(graph.nodes);
  try {
    if (isComposite(opNameOf(node))) expandNode(graph, node);
    else if (!lowerNode(graph, node)) return false;
  } catch (error) {
    // An operator of which only some uses can be written out.
    if (error instanceof DiapasonError && error.code !== "base/bug") return false;
    throw error;
  }
  for (const made of graph.nodes)
    if (!before.has(made)) origins.set(made, origins.get(node) ?? fullName(node));
  return true;
}

const isSmall = (value: Value): boolean =>
  value.constant !== undefined && !value.constant.strings && value.constant.data.length <= smallBytes;

/** Equal for nodes that a device treats alike. */
function kindOf(node: Node): string {
  return JSON.stringify([
    fullName(node),
    node.inputs.map(
      (value) => value && [value.dtype, value.shape?.length, isSmall(value) && numbersOf(value)],
    ),
    node.outputs.map((value) => value?.dtype),
    [...node.attributes].map(([key, attribute]) => [key, textOf(attribute)]),
  ]);
}

const numbersOf = (value: Value): string => value.constant!.data.read().join(" ");

function textOf(attribute: Attribute): unknown {
  // Bodies are told apart by what they are made of, and tensors by type: their numbers do not matter to a device.
  if (attribute.type === "graph") return [...withBodies(attribute.value)].map(([, node]) => kindOf(node));
  if (attribute.type === "tensor") return attribute.value.dtype;
  const { value } = attribute;
  return typeof value === "bigint" || Array.isArray(value) ? String(value) : value;
}

/** A model of nothing but this node. */
function question(graph: Graph, node: Node): Uint8Array {
  const one = new Graph("one node", graph.opsets);
  const seen = new Set<string>();
  const isFed = node.inputs.some((value) => value && !isSmall(value));
  for (const value of readsOf(node)) {
    if (!value || seen.has(value.name)) continue;
    seen.add(value.name);
    // A node of constants alone would be computed when the model is read, by the CPU.
    if (isFed && isSmall(value)) one.addInitializer(value.name, value.constant!);
    else one.addInput(value.name, value.dtype, value.shape ?? value.constant?.dims);
  }
  const made = one.addNode(
    node.op,
    node.inputs.map((value) => value && one.get(value.name)),
    {
      domain: node.domain,
      outputs: node.outputs.map((value) => value?.name ?? ""),
      attributes: [...node.attributes].map(([key, a]) => [key, cloneAttribute(a, one)] as const),
    },
  );
  for (const [i, output] of made.outputs.entries()) {
    if (!output) continue;
    output.dtype = node.outputs[i]!.dtype;
    output.shape = node.outputs[i]!.shape;
    one.addOutput(output);
  }
  return writeOnnx(one);
}
