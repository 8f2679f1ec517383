import { opNameOf } from "../graph/attributes.ts";
import { ownOutput } from "../graph/builder/scan.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { difference } from "../graph/dim.ts";
import { capturedBy, type Graph, type Node, readsOf, type Value } from "../graph/ir.ts";
import { removeDead } from "../graph/passes/remove-dead.ts";
import type { Carried, Sliced, Steps, StepsOf } from "../graph/steps.ts";
import { computeAgain } from "./control-flow-again.ts";
import { isFloat, type NodeBackward, noGradient } from "./rule.ts";

/** The backward pass of one step, appended to the body of a Loop or Scan; all gradients are outputs of the body. */
export interface StepBackward {
  /** States that carry a gradient back: `seed` is what a step gets from the one after it. */
  readonly states: readonly { readonly at: number; readonly seed: Value; readonly gradient: Value }[];
  /** Outputs with a gradient: `seed` is the step's slice of it. */
  readonly outputs: readonly { readonly at: number; readonly seed: Value }[];
  readonly inputs: readonly { readonly at: number; readonly gradient: Value }[];
  /** Values from around the body, and what a step adds to their gradients. */
  readonly outside: readonly { readonly value: Value; readonly gradient: Value }[];
  /** The node's steps by the body's values. */
  readonly steps: Steps;
  /** All seeds, which are inputs of the body. */
  readonly seeds: readonly Value[];
  readonly isBackward: (node: Node) => boolean;
}

export function appendStepBackward(backward: NodeBackward, work: Graph, stepsOf: StepsOf): StepBackward {
  const { node, wanted, inside } = backward;
  const captured = capturedBy(node).filter((value) => wanted.has(value));
  const sources = movingIn(backward, work, stepsOf(node, work), captured);
  const reached = inside.reached(work, sources);
  const moving = work.outputs.filter((output) => reached.has(output));
  inside.expand(
    work,
    moving.map(({ name }) => name),
    sources,
  );
  const steps = stepsOf(node, work);
  const { carried, inputs, outputs } = steps;
  const { path, ends } = pathIn(backward, work, steps, sources);
  const forward = new Set(work.nodes);
  const seedOf = (value: Value) =>
    work.addInput(work.freshName(`${value.name}.grad`), value.dtype, value.shape);
  const live = carried.flatMap((state, at) =>
    ends.has(state.after) || path.values.has(state.before) ? [{ at, state, seed: seedOf(state.after) }] : [],
  );
  const seeded = outputs.flatMap(({ slice }, at) =>
    ends.has(slice) ? [{ at, slice, seed: seedOf(slice) }] : [],
  );
  const seeds = new Map<Value, Value>();
  for (const { state, seed } of live) {
    refuseGrowing(node, state);
    if (ends.has(state.after)) seeds.set(state.after, seed);
  }
  for (const { slice, seed } of seeded) seeds.set(slice, seed);

  const b = new GraphBuilder(work);
  const gradientOf = inside.back(b, path, seeds);
  const given = (gradient: Value): Value => {
    const output = ownOutput(work, gradient);
    work.addOutput(output);
    return output;
  };
  const found = (value: Value) => {
    const gradient = path.values.has(value) ? gradientOf(value) : undefined;
    return gradient ? [given(gradient)] : [];
  };
  const made = {
    states: live.map(({ at, state, seed }) => ({
      at,
      seed,
      gradient: found(state.before)[0] ?? given(b.zerosLike(seed)),
    })),
    outputs: seeded,
    inputs: inputs.flatMap(({ whole, slice }, at) =>
      wanted.has(whole) ? found(slice).map((gradient) => ({ at, gradient })) : [],
    ),
    outside: captured.flatMap((value) => found(value).map((gradient) => ({ value, gradient }))),
  };
  removeDead(work);
  const before = ancestors(work, forward);
  addMeasures(work, before, steps);
  computeAgain(work, before, steps);
  const allSeeds = [...live, ...seeded].map(({ seed }) => seed);
  return { ...made, steps, seeds: allSeeds, isBackward: (one) => !before.has(one) };
}

/** Some nodes of a graph and what they need: the backward pass of an inner body puts some of that before it. */
function ancestors(graph: Graph, nodes: ReadonlySet<Node>): Set<Node> {
  const all = new Set<Node>();
  const needed = new Set<Value>();
  for (const node of graph.nodes.toReversed()) {
    if (!nodes.has(node) && !node.outputs.some((output) => output && needed.has(output))) continue;
    all.add(node);
    for (const value of readsOf(node)) needed.add(value);
  }
  return all;
}

/** Counts a Shape of what the way back reads for nothing else to the forward pass: then that is kept, of any sizes, not the value. */
function addMeasures(work: Graph, before: Set<Node>, { inputs, outputs }: Steps): void {
  const isAtHand = new Set([...inputs, ...outputs].map(({ slice }) => slice));
  const isMeasure = (node: Node) => opNameOf(node) === "Shape" || opNameOf(node) === "Size";
  for (const node of work.nodes) {
    const [value] = node.inputs;
    if (!isMeasure(node) || before.has(node) || !value?.producer || isAtHand.has(value)) continue;
    const readers = value.consumers.filter((reader) => !before.has(reader));
    if (before.has(value.producer) && readers.every(isMeasure)) before.add(node);
  }
}

/** What of a body moves: slices of what moves, and states into which a moving value gets at some step. */
function movingIn(
  { wanted, inside }: NodeBackward,
  work: Graph,
  { carried, inputs }: Steps,
  captured: readonly Value[],
): readonly Value[] {
  const slices = inputs.filter(({ whole }) => wanted.has(whole)).map(({ slice }) => slice);
  let moving = carried.filter(({ initial }) => wanted.has(initial));
  for (;;) {
    const sources = [...captured, ...slices, ...moving.map(({ before }) => before)];
    const reached = inside.reached(work, sources);
    const grown = carried.filter(
      (state) => moving.includes(state) || (isFloat(state.before) && reached.has(state.after)),
    );
    if (grown.length === moving.length) return sources;
    moving = grown;
  }
}

/** The path through a step, whose ends are what has a gradient after the last step or gets one from a later step. */
function pathIn(
  { dys, inside }: NodeBackward,
  work: Graph,
  { carried, outputs }: Steps,
  sources: readonly Value[],
) {
  const reached = inside.reached(work, sources);
  const ends = new Set<Value>();
  const all: readonly (Carried | Sliced)[] = [...carried, ...outputs];
  for (const [i, one] of all.entries()) {
    const value = "after" in one ? one.after : one.slice;
    if (dys[i] && reached.has(value)) ends.add(value);
  }
  for (;;) {
    const path = inside.path(work, [...ends], sources);
    const more = carried.filter(
      ({ before, after }) => path.values.has(before) && reached.has(after) && !ends.has(after),
    );
    if (more.length === 0) return { path, ends };
    for (const { after } of more) ends.add(after);
  }
}

/** What every step keeps for the way back is stacked, which takes that it has one shape. */
function refuseGrowing(node: Node, { before, after }: Carried): void {
  const [is, becomes] = [before.shape, after.shape];
  if (!is || !becomes) return;
  const grows = is.some((dim, axis) => {
    const change = becomes[axis] === undefined ? 1 : difference(becomes[axis], dim);
    return typeof change === "number" && change !== 0;
  });
  if (grows || is.length !== becomes.length)
    noGradient(
      node,
      `the shape of its carried value "${before.name}" changes from [${is}] to [${becomes}] in a turn`,
    );
}
