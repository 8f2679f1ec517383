import { DiapasonError } from "../../base/errors.ts";
import { attributesOf, opNameOf } from "../attributes.ts";
import { GraphBuilder } from "../builder.ts";
import { appendExpansion, isComposite } from "../expansions/expand.ts";
import { setKnownDims } from "../infer/known-dims.ts";
import { Graph, type Node, readsOf, Value } from "../ir.ts";
import { type OpName, schemas } from "../schemas.ts";
import { fromNdArray, toNdArray } from "./convert.ts";
import { type Kernel, type RunBody, sameDims, unsupported } from "./kernel.ts";
import { isFloat, type NdArray } from "./nd-array.ts";
import { sequenceKernel } from "./sequences.ts";
import { kernels } from "./table.ts";

export { fromNdArray, toNdArray } from "./convert.ts";
export type { NdArray } from "./nd-array.ts";

/**
 * Computes a normalised graph in float64 and gives its outputs by name, with `keepAll` every value it came by.
 *
 * `feeds`: by name of input; a value for an initializer is used in its place.
 * @throws graph/missing-feed, graph/no-kernel, graph/bad-index, graph/shape-mismatch.
 */
export function interpret(
  graph: Graph,
  feeds: ReadonlyMap<string, NdArray>,
  options: { readonly keepAll?: boolean; readonly since?: Since } = {},
): Map<string, NdArray> {
  const known = new Map<Value, NdArray>();
  const forget = options.keepAll ? undefined : lastReads(graph);
  evaluate(graph, feeds, known, options.since, forget);
  const wanted = options.keepAll ? [...known.keys()] : graph.outputs;
  return new Map(wanted.map((value) => [value.name, known.get(value)!]));
}

/** An earlier run that kept all its values, and the inputs whose arrays are other ones now: only what reads them runs. */
export interface Since {
  readonly values: ReadonlyMap<string, NdArray>;
  readonly changed: ReadonlySet<string>;
}

/** The values that nobody needs once a node has run, by node; outputs are not among them. */
function lastReads(graph: Graph): ReadonlyMap<Node, readonly Value[]> {
  const last = new Map<Value, Node>();
  for (const node of graph.nodes)
    for (const value of [...readsOf(node), ...node.outputs]) if (value) last.set(value, node);
  const forget = new Map<Node, Value[]>();
  for (const [value, node] of last)
    if (!graph.outputs.includes(value)) forget.set(node, [...(forget.get(node) ?? []), value]);
  return forget;
}

/**
 * Computes every value of a graph into `known`, which holds those of the graphs around it. `forget`: what leaves it again
 * after each node.
 */
function evaluate(
  graph: Graph,
  feeds: ReadonlyMap<string, NdArray>,
  known: Map<Value, NdArray>,
  since?: Since,
  forget?: ReadonlyMap<Node, readonly Value[]>,
): void {
  const changed = new Set([...(since?.changed ?? [])].map((name) => graph.get(name)));
  for (const value of [...graph.inputs, ...graph.initializers]) {
    const before = changed.has(value) ? undefined : since?.values.get(value.name);
    const given = before ?? feeds.get(value.name) ?? (value.constant && toNdArray(value.constant));
    if (given) known.set(value, given);
    else
      throw new DiapasonError(
        "graph/missing-feed",
        `The graph "${graph.name}" needs an array for its input "${value.name}"; given: ${[...feeds.keys()].join(", ") || "none"}.`,
        `Feed "${value.name}".`,
      );
  }
  const run: RunBody = (body, inner) => runWithin(body, inner, new Map(known));
  for (const node of graph.nodes) {
    if (since && !readsOf(node).some((value) => changed.has(value))) {
      for (const output of node.outputs) if (output) known.set(output, since.values.get(output.name)!);
      continue;
    }
    const inputs = node.inputs.map((input) => input && known.get(input)!);
    const outputs = runNode(node, inputs, run);
    for (const [i, output] of node.outputs.entries()) {
      if (!output) continue;
      known.set(output, outputs[i]!);
      if (since && !isSameFew(outputs[i]!, since.values.get(output.name)!)) changed.add(output);
    }
    for (const value of forget?.get(node) ?? []) known.delete(value);
  }
}

/** So many numbers at most are compared with what they were: sizes, above all, which much may hang on. */
const few = 64;

const isSameFew = (now: NdArray, before: NdArray): boolean =>
  // a sequence has no numbers of its own, whatever it holds
  now.data.length > 0 &&
  now.data.length <= few &&
  now.data.length === before.data.length &&
  sameDims(now.dims, before.dims) &&
  now.data.every((value, i) => value === before.data[i]);

/** The outputs of a body in order; `known` holds what lies around it. */
function runWithin(
  body: Graph,
  feeds: ReadonlyMap<string, NdArray>,
  known = new Map<Value, NdArray>(),
): readonly NdArray[] {
  evaluate(body, feeds, known);
  return body.outputs.map((output) => known.get(output)!);
}

/**
 * The outputs of one node, in the order of `node.outputs`; undefined where the node leaves one out.
 *
 * @throws graph/no-kernel for operators and spellings outside the operator table; errors as for `interpret`.
 */
export function runNode(
  node: Node,
  inputs: readonly (NdArray | undefined)[],
  run: RunBody = runWithin,
): (NdArray | undefined)[] {
  const ofSequences = sequenceKernel(node);
  if (ofSequences) return [...ofSequences({ node, inputs, run })];
  const name = opNameOf(node);
  if (!name) return unsupported(node, "is not in the operator table");
  const outdated = [...node.attributes.keys()].find((key) => !spelled(name, key));
  if (outdated !== undefined)
    return unsupported(node, `has the attribute "${outdated}", which opset 21 does not give it`);
  const shaped: Node = {
    ...node,
    inputs: inputs.map((input, i) => input && new Value(node.inputs[i]?.name ?? "", input.dtype, input.dims)),
  };
  if (isComposite(name)) return runExpansion(shaped, inputs);
  // The table pairs each name with its own kernel, which the compiler cannot follow through a union.
  const kernel = kernels[name] as Kernel<OpName>;
  const outputs = kernel({ node: shaped, inputs, attributes: attributesOf(shaped, name), run });
  return node.outputs.map(
    (output, i) => output && (outputs[i] ?? unsupported(node, `is asked for its output ${i}`)),
  );
}

/** A composite node by the operators it is made of; what is not float is constant to them, further floats are known. */
function runExpansion(node: Node, inputs: readonly (NdArray | undefined)[]): (NdArray | undefined)[] {
  const graph = new Graph(node.op);
  const feeds = new Map<string, NdArray>();
  const values = inputs.map((input, i) => {
    if (!input) return undefined;
    if (!isFloat(input.dtype)) return graph.addInitializer(`x${i}`, fromNdArray(input));
    feeds.set(`x${i}`, input);
    const value = graph.addInput(`x${i}`, input.dtype, input.dims);
    if (i > 0) setKnownDims(value, [...input.data]);
    return value;
  });
  const made = appendExpansion(new GraphBuilder(graph), node, values);
  for (const value of new Set(made)) if (value) graph.addOutput(value);
  const outputs = interpret(graph, feeds);
  return node.outputs.map(
    (output, i) =>
      output && ((made[i] && outputs.get(made[i].name)) ?? unsupported(node, `is asked for its output ${i}`)),
  );
}

/** Whether an operator has this attribute; those of Constant and ConstantOfShape hold tensors and stand in no schema. */
const spelled = (name: OpName, key: string): boolean =>
  Object.hasOwn(schemas[name].attributes, key) || (name.startsWith("Constant") && key.includes("value"));
