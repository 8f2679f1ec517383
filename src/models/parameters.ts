import { bodiesOf, type Graph, graphsIn, type Node, readsOf, type Value } from "../graph/ir.ts";
import { sizeOf } from "../graph/tensor.ts";
import type { Parameter } from "./model.ts";
import { isAttentionMask, isUniform, sameTensor } from "./same-tensor.ts";
import { includes, slotsOf, type WeightSlots } from "./weight-slots.ts";

/** What a graph holds that training may change, and what it holds that only statistics may change. */
export interface CollectedParameters {
  /** In topological order of their first use. */
  readonly parameters: readonly Parameter[];
  /** Running means and variances of BatchNormalization. */
  readonly buffers: readonly Value[];
  readonly notes: readonly string[];
}

const namedLikeParameter =
  /(^|[./_])(weight|bias|gamma|beta|scale|alpha|slope|temperature|logit_scale|kernel)(_\w*)?$/i;
/** What PyTorch's exporter calls a tensor that stands in the code, such as a detector's anchors; weights have names of their own. */
const namedLikeLiteral = /(^|\/)Constant(_\d+)?_output_0$/;
const namedLikeStatistic = /(^|[./_])(running_|moving_)?(mean|var|variance|std)(:0)?$/i;

/**
 * The float32 initializers that training may change: those that reach one of `outputs` (by default the first) through
 * float operators in a place where operators have weights.
 *
 * Left out: sizes and settings, single elements of elementwise operators that are not named like a parameter, masks of
 * attention, constants that normalise an input before the first weight, and running statistics (which are buffers).
 */
export function collectParameters(
  graph: Graph,
  ...outputs: readonly (Value | undefined)[]
): CollectedParameters {
  const wanted = outputs.length > 0 ? outputs : [graph.outputs[0]];
  const onPath = new Set(wanted.flatMap((output) => [...nodesReaching(output)]));
  const learned = dependsOnWeights(graph);
  const parameters: Parameter[] = [];
  const buffers: Value[] = [];
  const inputScales: string[] = [];
  const seen = new Set<Value>();
  for (const node of allNodes(graph)) {
    if (!onPath.has(node)) continue;
    node.inputs.forEach((value) => {
      if (!value?.constant || value.dtype !== "float32" || seen.has(value)) return;
      seen.add(value);
      const role = roleOf(value, onPath, learned);
      if (role === "buffer") buffers.push(value);
      else if (role === "input scale") inputScales.push(value.name);
      else if (role !== "setting")
        parameters.push({
          name: value.name,
          value,
          elements: sizeOf(value.constant.dims),
          decays: role === "matrix" || value.constant.dims.filter((size) => size > 1).length > 1,
        });
    });
  }
  withoutLiterals(parameters);
  const notes = [...copies(parameters)];
  if (inputScales.length > 0)
    notes.push(
      `Statistics and constants that normalise the input are kept as they are: ${inputScales.join(", ")}.`,
    );
  return { parameters, buffers, notes };
}

/**
 * Takes out, in place, what PyTorch's exporter names like a literal where weights have names of their own: the bases of an
 * N-BEATS, a Fourier matrix. In a graph without other names, such as of a frozen module, they are the weights.
 */
function withoutLiterals(parameters: Parameter[]): void {
  const own = parameters.filter(({ name }) => !namedLikeLiteral.test(name));
  if (own.length > 0) parameters.splice(0, parameters.length, ...own);
}

type Role = "matrix" | "vector" | "buffer" | "setting" | "input scale";

/** What a constant is, from every use that lies on the path; a use as a weight outweighs one as a setting. */
function roleOf(value: Value, onPath: ReadonlySet<Node>, learned: ReadonlySet<Value>, origin = value): Role {
  const roles = new Set<Role>();
  for (const node of value.consumers) {
    if (!onPath.has(node)) continue;
    const row = slotsOf(node);
    node.inputs.forEach((input, index) => {
      if (input !== value) return;
      if (includes(row.carried, index))
        for (const output of node.outputs)
          roles.add(output ? roleOf(output, onPath, learned, origin) : "setting");
      else if (includes(row.buffers, index)) roles.add("buffer");
      else if (includes(row.matrices, index)) roles.add("matrix");
      else if (includes(row.vectors, index)) roles.add(operandRole(origin, node, row, learned));
      else roles.add("setting");
    });
  }
  if (roles.has("setting") && isShared(value)) return "setting";
  for (const role of ["matrix", "vector", "buffer", "input scale"] as const) if (roles.has(role)) return role;
  return "setting";
}

/**
 * Whether a constant is one number without a parameter's name: where exporters share a 0 or 1 between a first state or scale
 * and a comparison, moving the one would move the other.
 */
const isShared = ({ name, constant }: Value): boolean =>
  constant !== undefined && sizeOf(constant.dims) <= 1 && !namedLikeParameter.test(name);

function operandRole(origin: Value, node: Node, row: WeightSlots, learned: ReadonlySet<Value>): Role {
  if (namedLikeLiteral.test(origin.name)) return "setting";
  const dims = origin.constant?.dims ?? [];
  // one number that is spread over a vector is the 1 or 0 that an exporter filled a scale or shift with
  const isSpread = sizeOf(dims) <= 1 && !node.inputs.includes(origin);
  if (!row.scalarsAreSettings && !isSpread) return "vector";
  if (sizeOf(dims) <= 1) return namedLikeParameter.test(origin.name) ? "vector" : "setting";
  if (namedLikeStatistic.test(origin.name)) return "input scale";
  if (origin.constant && isAttentionMask(origin.constant)) return "setting";
  const others = node.inputs.filter((input) => input && !input.constant);
  const beforeWeights = others.length > 0 && others.every((input) => !learned.has(input!));
  return beforeWeights && !namedLikeParameter.test(origin.name) ? "input scale" : "vector";
}

/** Values that depend on a weight matrix or kernel, or on no input at all. */
function dependsOnWeights(graph: Graph): Set<Value> {
  const learned = new Set<Value>();
  const fromInput = new Set<Value>(graph.inputs.filter((input) => !input.constant));
  const [, ...bodies] = graphsIn(graph);
  for (const { inputs } of bodies) for (const input of inputs) fromInput.add(input);
  for (const node of allNodes(graph)) {
    const row = slotsOf(node);
    const hasMatrix = node.inputs.some((input, i) => input?.constant && includes(row.matrices, i));
    const results = bodiesOf(node).flatMap((body) => body.outputs);
    const read = [...node.inputs, ...results].filter((input) => input && !input.constant);
    const reads = read.some((input) => fromInput.has(input!));
    for (const output of node.outputs) {
      if (!output) continue;
      if (reads) fromInput.add(output);
      if (hasMatrix || !reads || read.some((input) => learned.has(input!))) learned.add(output);
    }
  }
  return learned;
}

/** The nodes from which a value can be reached. */
export function nodesReaching(value: Value | undefined): Set<Node> {
  const found = new Set<Node>();
  const open = value?.producer ? [value.producer] : [];
  for (let node = open.pop(); node; node = open.pop()) {
    if (found.has(node)) continue;
    found.add(node);
    const results = bodiesOf(node).flatMap((body) => body.outputs);
    for (const { producer } of [...readsOf(node), ...results]) if (producer) open.push(producer);
  }
  return found;
}

/** The nodes of a graph in order, those of a node's bodies before it. */
function* allNodes(graph: Graph): Generator<Node> {
  for (const node of graph.nodes) {
    for (const body of bodiesOf(node)) yield* allNodes(body);
    yield node;
  }
}

/** A note for each pair of matrices that are equal, or equal after transposing: exporters write tied weights out. */
function* copies(parameters: readonly Parameter[]): Generator<string> {
  const bySize = new Map<number, Parameter[]>();
  for (const parameter of parameters) {
    if (parameter.value.constant!.dims.length < 2) continue;
    for (const other of bySize.get(parameter.elements) ?? []) {
      const same = sameTensor(parameter.value.constant!, other.value.constant!);
      if (same && !isUniform(parameter.value.constant!))
        yield `"${parameter.name}" is a ${same === "transposed" ? "transposed " : ""}copy of "${other.name}"; they are tuned as two parameters and may drift apart.`;
    }
    bySize.set(parameter.elements, [...(bySize.get(parameter.elements) ?? []), parameter]);
  }
}
