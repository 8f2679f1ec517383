import { DiapasonError } from "../base/errors.ts";
import { freshNames, ownOutput } from "../graph/builder/scan.ts";
import { GraphBuilder, numbers } from "../graph/builder.ts";
import { inferShapes } from "../graph/infer.ts";
import { bodiesOf, bodyOf, capturedBy, type Graph, type Node, readsOf, type Value } from "../graph/ir.ts";
import { removeDead } from "../graph/passes/remove-dead.ts";
import { drawsRandomNumbers } from "../graph/random.ts";
import { type NodeBackward, type NodeRule, noGradient } from "./rule.ts";

/**
 * The gradient of an If: an If under the same condition, whose branches give the gradients of what the branches read.
 *
 * A branch is computed once more in it: what the other one would have kept instead has no shape to be kept in.
 */
export const backThroughBranches: NodeRule = (backward) => {
  const { g, node, wanted } = backward;
  const keys = ["then_branch", "else_branch"] as const;
  const branches = keys.map((key) => branchBackward(backward, bodyOf(node, key).clone()));
  const values = capturedBy(node).filter(
    (value) => wanted.has(value) && branches.some(({ gradients }) => gradients.has(value)),
  );
  if (values.length === 0) return [];
  for (const { work, gradients } of branches) {
    const b = new GraphBuilder(work);
    const given = values.map((value) => gradients.get(value) ?? b.zerosLike(value));
    for (const output of [...work.outputs]) work.removeOutput(output);
    for (const value of given) work.addOutput(ownOutput(work, value));
    removeDead(work);
    if (work.nodes.some(isRandom))
      noGradient(node, "a branch that its gradient runs again draws random numbers");
  }
  const [then_branch, else_branch] = branches.map(({ work }) => work);
  const names = freshNames(
    g.graph,
    values.map(() => "if"),
  );
  const back = g.node("If", [node.inputs[0]], { then_branch, else_branch }, names);
  return values.map((value, i) => [value, back.outputs[i]!] as const);
};

const isRandom = (node: Node): boolean =>
  drawsRandomNumbers(node) || bodiesOf(node).some((body) => body.nodes.some(isRandom));

/** Infers the shapes of a branch; whether they agree with themselves and with what is known of the node's outputs. */
function fits(work: Graph, node: Node): boolean {
  try {
    inferShapes(work);
  } catch (error) {
    if (error instanceof DiapasonError && error.code === "graph/shape-mismatch") return false;
    throw error;
  }
  const rank = (value: Value | undefined) => value?.shape?.length;
  return work.outputs.every((output, i) => {
    const [own, known] = [rank(output), rank(node.outputs[i])];
    return own === undefined || known === undefined || own === known;
  });
}

/**
 * A gradient from around a branch, in the shape that its value has there: in the other branch it may have another one.
 *
 * Sizes that are numbers are asked for, so that ONNX Runtime does not follow those from around into a branch that cannot be
 * taken, where they contradict each other.
 */
function seenIn(work: Graph, gradient: Value, { shape }: Value): Value {
  if (!shape || gradient.shape?.join() === shape.join()) return gradient;
  const sizes = numbers(shape);
  const [op, inputs] = sizes
    ? (["Reshape", [gradient, new GraphBuilder(work).ints(sizes)]] as const)
    : (["Identity", [gradient]] as const);
  const attributes = sizes ? [["allowzero", { type: "int", value: 1 }] as const] : [];
  const seen = work.addNode(op, inputs, { attributes }).outputs[0]!;
  return Object.assign(seen, { dtype: gradient.dtype, shape });
}

/** Appends to a branch the gradients of what it reads from around it. */
function branchBackward({ node, dys, wanted, inside }: NodeBackward, work: Graph) {
  // for inputs of another rank, which are not at hand: it is not taken, and gives nothing
  if (!fits(work, node)) return { work, gradients: new Map<Value, Value>() };
  const outside = new Set(work.nodes.flatMap(readsOf));
  for (const output of work.outputs) outside.add(output);
  const sources = capturedBy(node).filter((value) => wanted.has(value) && outside.has(value));
  const names = work.outputs.filter((_, i) => dys[i]).map(({ name }) => name);
  inside.expand(work, names, sources);
  const ends = work.outputs.flatMap((value, i) =>
    dys[i] ? [{ value, seed: seenIn(work, dys[i], value) }] : [],
  );
  const path = inside.path(
    work,
    ends.map(({ value }) => value),
    sources,
  );
  const seeds = new Map(
    ends.filter(({ value }) => path.values.has(value)).map(({ value, seed }) => [value, seed]),
  );
  const gradientOf = inside.back(new GraphBuilder(work), path, seeds);
  const gradients = new Map<Value, Value>();
  for (const value of sources) {
    const gradient = path.values.has(value) ? gradientOf(value) : undefined;
    if (gradient) gradients.set(value, gradient);
  }
  return { work, gradients };
}
