import { entryOf } from "../base/entry-of.ts";
import type { Shape } from "../graph/dim.ts";
import { bodiesOf, type Graph, type Node, readsOf, type Value } from "../graph/ir.ts";
import { fuseGelu } from "../graph/passes/fuse-gelu.ts";
import { removeDead } from "../graph/passes/remove-dead.ts";
import { bitsOf, sizeOf } from "../graph/tensor.ts";
import type { Model } from "./model.ts";
import { assumedSizes, sizeAt } from "./sizes.ts";

/** Floating-point operations of one training step, two for each multiplication with its addition. */
export interface StepFlops {
  readonly forward: number;
  readonly backward: number;
}

/** Where the memory of a training step goes, in bytes; an estimate. */
export interface StepMemory {
  /** Frozen weights, 4 bytes an element. */
  readonly frozen: number;
  /** Moving weights with gradient and two optimizer moments: 16 bytes an element. */
  readonly moving: number;
  /** Activations that the backward pass reads. */
  readonly kept: number;
  /** What comes and goes beside them, at its largest. */
  readonly transient: number;
  readonly total: number;
}

/**
 * Floating-point operations of one forward pass over one example.
 *
 * Counted are products: Conv 2·outputs·(kernel·channels/groups), ConvTranspose 2·inputs·(kernel·channels/groups),
 * MatMul and Gemm 2·outputs·inner, recurrent operators 2·steps·weights. Of an If the costliest branch counts, of a Loop or
 * Scan one round. Tables that list multiply-adds show half of this. Elementwise work is left out.
 */
export function forwardFlops(model: Model): number {
  return model.graph.nodes.reduce((sum, node) => sum + nodeFlops(node, symbolsAt(model, 1)), 0);
}

/**
 * Operations of a training step: every product once forward, and backward once for each of its factors that depends on
 * a moving parameter. Layers below the lowest moving one cost no backward work.
 * `moving`: parameter names.
 */
export function stepFlops(model: Model, moving: ReadonlySet<string>, batchSize: number): StepFlops {
  const symbols = symbolsAt(model, batchSize);
  const depends = dependsOn(model.graph, moving);
  let forward = 0;
  let backward = 0;
  for (const node of model.graph.nodes) {
    const flops = nodeFlops(node, symbols);
    forward += flops;
    backward += flops * node.inputs.slice(0, 2).filter((input) => input && depends.has(input)).length;
  }
  return { forward, backward };
}

/**
 * Peak memory of a training step.
 *
 * total = frozen + moving + max(most live in the forward pass with kept values staying, kept + the largest pair of a
 * gradient coming in and those going out at one node). What a value must be kept for is said by `gradientReads`. The
 * runtime's own copies of packed weights and its work space are not counted.
 */
export function stepMemory(model: Model, moving: ReadonlySet<string>, batchSize: number): StepMemory {
  const graph = model.graph.clone();
  fuseGelu(graph);
  removeDead(graph);
  const symbols = symbolsAt(model, batchSize);
  let frozen = 0;
  let movingBytes = 0;
  for (const value of graph.initializers) {
    const elements = sizeOf(value.constant!.dims);
    if (moving.has(value.name)) movingBytes += 16 * elements;
    else frozen += value.constant!.data.length;
  }
  const depends = dependsOn(graph, moving);
  const kept = keptForBackward(graph, depends);
  const bytes = (value: Value) =>
    memoryOf(value) !== value && kept.has(memoryOf(value))
      ? 0
      : sizeAt(value.shape, symbols) * (bitsOf[value.dtype ?? "float32"] / 8);
  const total = (values: Iterable<Value>) => [...values].reduce((sum, value) => sum + bytes(value), 0);
  const keptBytes = total(kept);
  let largest = 0;
  for (const node of graph.nodes) {
    const outgoing = node.inputs.filter(
      (input): input is Value => !!input && !input.constant && depends.has(input),
    );
    const incoming = node.outputs.filter((output): output is Value => !!output && depends.has(output));
    if (incoming.length > 0) largest = Math.max(largest, total(incoming) + total(new Set(outgoing)));
  }
  const peak = Math.max(forwardPeak(graph, kept, bytes), keptBytes + largest);
  return {
    frozen,
    moving: movingBytes,
    kept: keptBytes,
    transient: peak - keptBytes,
    total: frozen + movingBytes + peak,
  };
}

/** What a session takes besides weights and activations: the runtime's code, its threads, the graph. Measured. */
const sessionBytes = 70e6;

/**
 * Resident bytes for each byte that a step needs at once. The runtime's arena gives nothing back, and pieces of many sizes
 * leave gaps between them; products and convolutions take work space, and gradients of weights are made in other layouts
 * than theirs. Fitted to what bench/memory.mjs reaches, convolutional networks and transformers at two batch sizes.
 */
const arenaFactors = { moving: 1.25, kept: 1.25, transient: 1.6 };

/**
 * Resident bytes that come to a process for sessions of these memories that live together: each with its weights and
 * activations; and once the frozen weights as they lie in their file, while a session packs its own copy of them.
 */
export function residentBytes(sessions: readonly StepMemory[]): number {
  const each = sessions.map(
    ({ frozen, moving, kept, transient }) =>
      sessionBytes +
      frozen +
      arenaFactors.moving * moving +
      arenaFactors.kept * kept +
      arenaFactors.transient * transient,
  );
  return each.reduce((sum, bytes) => sum + bytes, 0) + Math.max(...sessions.map(({ frozen }) => frozen));
}

function symbolsAt(model: Model, batchSize: number): ReadonlyMap<string, number> {
  const shape = model.input.shape;
  const batch = shape?.find((dim) => dim === "batch") ?? shape?.[0];
  return new Map([
    ...assumedSizes(model),
    ...(typeof batch === "string" ? [[batch, batchSize] as const] : []),
  ]);
}

/** Operations of one node; 0 for all but products and what holds them. */
function nodeFlops(node: Node, symbols: ReadonlyMap<string, number>): number {
  const inside = bodiesOf(node).map(({ nodes }) =>
    nodes.reduce((sum, inner) => sum + nodeFlops(inner, symbols), 0),
  );
  if (inside.length > 0) return Math.max(...inside);
  const sizes = (value: Value | undefined) => sizeAt(value?.shape, symbols);
  const [a, b] = node.inputs;
  const inner = (shape: Shape | undefined, axis: number) =>
    sizeAt(shape?.slice(axis, axis + 1 || undefined), symbols);
  switch (node.op) {
    case "Conv":
      return 2 * sizes(node.outputs[0]) * sizeAt(b?.shape?.slice(1), symbols);
    // every step multiplies the matrices of the input and of the state
    case "LSTM":
    case "GRU":
    case "RNN":
      return 2 * sizeAt(a?.shape?.slice(0, 2), symbols) * (sizes(b) + sizes(node.inputs[2]));
    case "ConvTranspose":
      return 2 * sizes(a) * sizeAt(b?.shape?.slice(1), symbols);
    case "MatMul":
    case "FusedMatMul":
    case "DynamicQuantizeMatMul":
    case "MatMulNBits":
    case "MatMulBnb4":
      return 2 * sizes(node.outputs[0]) * inner(a?.shape, -1);
    case "Gemm": {
      const transA = node.attributes.get("transA");
      return (
        2 *
        sizes(node.outputs[0]) *
        inner(a?.shape, transA?.type === "int" && Number(transA.value) === 1 ? 0 : -1)
      );
    }
    default:
      return 0;
  }
}

/** The named parameters and every number computed from them; a shape or an index hands no gradient on. */
function dependsOn(graph: Graph, moving: ReadonlySet<string>): Set<Value> {
  const depends = new Set<Value>([...graph.initializers].filter((value) => moving.has(value.name)));
  for (const node of graph.nodes)
    if (readsOf(node).some((value) => depends.has(value)))
      for (const output of node.outputs)
        if (output && /^float|^undefined/.test(`${output.dtype}`)) depends.add(output);
  return depends;
}

type Reads = "inputs" | "factors" | "output" | "nothing";

/**
 * What the gradient of an operator reads: its inputs unless said otherwise. "factors": an input only for the gradients
 * of the others.
 */
const gradientReads: { readonly [op: string]: Reads } = {
  Conv: "factors",
  ConvTranspose: "factors",
  MatMul: "factors",
  FusedMatMul: "factors",
  DynamicQuantizeMatMul: "nothing",
  MatMulNBits: "nothing",
  MatMulBnb4: "nothing",
  Gemm: "factors",
  Mul: "factors",
  BatchNormalization: "factors",
  Add: "nothing",
  Sub: "nothing",
  Neg: "nothing",
  Identity: "nothing",
  Reshape: "nothing",
  Flatten: "nothing",
  Transpose: "nothing",
  Squeeze: "nothing",
  Unsqueeze: "nothing",
  Concat: "nothing",
  Split: "nothing",
  Slice: "nothing",
  Pad: "nothing",
  Expand: "nothing",
  Gather: "nothing",
  ReduceMean: "nothing",
  ReduceSum: "nothing",
  AveragePool: "nothing",
  GlobalAveragePool: "nothing",
  Cast: "nothing",
  Relu: "output",
  // as ReLU6; what other bounds read has the same size
  Clip: "output",
  Sigmoid: "output",
  Tanh: "output",
  Exp: "output",
  Sqrt: "output",
  Softmax: "output",
  LogSoftmax: "output",
};

/** Operators whose output is their first input under another shape: the runtime copies nothing. */
const views: ReadonlySet<string> = new Set(["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"]);

/** The value in whose memory a value lies. */
const memoryOf = (value: Value): Value =>
  value.producer && views.has(value.producer.op) && value.producer.inputs[0]
    ? memoryOf(value.producer.inputs[0])
    : value;

/** Activations that live until the backward pass reads them, by the values in whose memory they lie. */
function keptForBackward(graph: Graph, depends: ReadonlySet<Value>): Set<Value> {
  const kept = new Set<Value>();
  for (const node of graph.nodes) {
    if (!node.outputs.some((output) => output && depends.has(output))) continue;
    const reads = entryOf(gradientReads, node.op) ?? "inputs";
    if (reads === "output" && node.outputs[0]) kept.add(memoryOf(node.outputs[0]));
    if (reads !== "inputs" && reads !== "factors") continue;
    node.inputs.forEach((input, i) => {
      if (!input || input.constant) return;
      const othersMove = node.inputs.some((other, j) => j !== i && other && depends.has(other));
      if (reads === "inputs" || othersMove) kept.add(memoryOf(input));
    });
  }
  return kept;
}

/** The most bytes alive at once in the forward pass, in node order, when `kept` values stay to the end. */
function forwardPeak(graph: Graph, kept: ReadonlySet<Value>, bytes: (value: Value) => number): number {
  const readers = new Map<Value, number>();
  let live = 0;
  let peak = 0;
  const free = (value: Value) => {
    if (!kept.has(value) && !graph.outputs.includes(value)) live -= bytes(value);
  };
  for (const input of graph.inputs) if (!input.constant) live += bytes(input);
  for (const node of graph.nodes) {
    for (const output of node.outputs) if (output) live += bytes(output);
    peak = Math.max(peak, live);
    for (const value of new Set(node.inputs)) {
      if (!value || value.constant) continue;
      const read = (readers.get(value) ?? 0) + 1;
      readers.set(value, read);
      if (read === value.consumers.length) free(value);
    }
    for (const output of node.outputs) if (output && output.consumers.length === 0) free(output);
  }
  return peak;
}
