import { freshNames, ownOutput } from "../graph/builder/scan.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { inferNode, inferShapes } from "../graph/infer.ts";
import { bodyOf, Graph, type Node, readsOf, type Value } from "../graph/ir.ts";
import { removeDead } from "../graph/passes/remove-dead.ts";
import { backName } from "../graph/print.ts";
import type { Sliced, Steps, StepsOf } from "../graph/steps.ts";
import { steadyIn } from "./control-flow-again.ts";
import { appendStepBackward, type StepBackward } from "./control-flow-body.ts";
import { hoistInvariants } from "./control-flow-hoist.ts";
import { type Merge, mergeOf, summands } from "./control-flow-sums.ts";
import type { NodeRule } from "./rule.ts";

/**
 * The gradient of a Loop or Scan: a Scan over the same steps from the last to the first.
 *
 * It carries the gradients of the states and the sums of those of values from outside. Its body is the backward pass of
 * the node's body alone: what that reads of the forward pass, the node is made to give for every step. Where a sum over
 * steps can be one product of what all steps give (the weights of a recurrent layer), it is made so after the Scan.
 */
export const backThroughSteps =
  (stepsOf: StepsOf): NodeRule =>
  (backward) => {
    const { g, node, dys } = backward;
    const work = bodyOf(node, "body").clone();
    inferShapes(work);
    // ONNX Runtime gives garbage for a state that a body hands on as it is
    for (const [i, output] of work.outputs.entries())
      if (work.inputs.includes(output)) work.setOutput(i, ownOutput(work, output));
    const step = appendStepBackward(backward, work, stepsOf);
    hoistInvariants(work, g.graph, node);
    const { steps } = step;
    const isSteady = steadyIn(work);
    const sums = step.outside.map(({ value, gradient }) => ({
      value,
      ...separated(work, gradient, step.isBackward, isSteady),
    }));
    const carriedSums = sums.flatMap(({ value, carried }) => (carried ? [{ value, carried }] : []));

    const factors = [...new Set(sums.flatMap(({ merges }) => merges.flatMap((merge) => merge.factors)))];
    const isMade = (value: Value) =>
      step.seeds.includes(value) || (value.producer !== undefined && step.isBackward(value.producer));
    // the gradient of a slice may be a factor too, stacked already in the order of the steps
    const stacked = step.inputs.map(({ at, gradient }) => {
      const { axis, isReversed } = steps.inputs[at]!;
      return axis === 0 && !isReversed ? plainOf(gradient, step.isBackward) : undefined;
    });
    const fromWay = factors.filter((value) => isMade(value) && !stacked.includes(value));
    const outer = steps.mayBeNone ? new Graph("some steps", g.graph.opsets, g.graph) : g.graph;
    const { body, read } = wayBack(outer, work, step, carriedSums, fromWay);
    if (read.length + step.outputs.length === 0) {
      // a Scan counts its steps by what it reads
      const counted = steps.inputs[0]?.slice ?? work.inputs[0]!;
      body.addInput(counted.name, counted.dtype, counted.shape);
      read.push(counted);
    }
    const kept = new Kept(g.graph, node, steps);
    const stacks = read.map((value) => kept.stack(value));
    const seen = factors.filter((value) => !isMade(value));
    const fromForward = new Map(seen.map((value) => [value, kept.inOrder(value)] as const));
    kept.finish(step);

    const initial = step.states.map(({ at }) => dys[at] ?? g.zerosLike(steps.carried[at]!.initial));
    const slices = step.outputs.map(({ at }) => ({
      ...steps.outputs[at]!,
      whole: dys[steps.carried.length + at]!,
    }));
    const scanned: readonly Read[] = [...slices, ...stacks];
    const given = [
      ...step.inputs.map(({ at }) => steps.inputs[at]!),
      ...fromWay.map(() => ({ axis: 0, isReversed: false })),
    ];
    const stackedAt = (value: Value) =>
      stacked.includes(value) ? stacked.indexOf(value) : stacked.length + fromWay.indexOf(value);
    const gradients = (b: GraphBuilder): readonly Value[] => {
      const zeros = carriedSums.map(({ value }) => b.zerosLike(value));
      const results = scanBack(b, body, [...initial, ...zeros], scanned, given);
      const sliced = initial.length + carriedSums.length;
      const stackOf = (value: Value) => fromForward.get(value) ?? results[sliced + stackedAt(value)]!;
      const after = sums.flatMap(({ merges }) =>
        merges.map((merge) => merge.make(b, merge.factors.map(stackOf))),
      );
      return [...results.slice(0, sliced + step.inputs.length), ...after];
    };
    const values = [
      ...step.states.map(({ at }) => steps.carried[at]!.initial),
      ...carriedSums.map(({ value }) => value),
      ...step.inputs.map(({ at }) => steps.inputs[at]!.whole),
      ...sums.flatMap(({ value, merges }) => merges.map(() => value)),
    ];
    const [first] = scanned;
    const made =
      outer === g.graph ? gradients(g) : ifAnyStep(g, first!.whole, outer, gradients, initial, values);
    return values
      .map((value, i) => [value, made[i]!] as const)
      .filter(([value]) => backward.wanted.has(value));
  };

type Read = Sliced & { readonly whole: Value };

/** The Scan from the last step to the first. */
function scanBack(
  b: GraphBuilder,
  body: Graph,
  states: readonly Value[],
  scanned: readonly Read[],
  given: readonly Pick<Sliced, "axis" | "isReversed">[],
): readonly Value[] {
  const attributes = {
    body,
    num_scan_inputs: scanned.length,
    scan_input_axes: scanned.map(({ axis }) => axis),
    scan_input_directions: scanned.map(backwards),
    scan_output_axes: given.map(({ axis }) => axis),
    scan_output_directions: given.map(backwards),
  };
  const names = [...states, ...given].map(() => "scan");
  const inputs = [...states, ...scanned.map(({ whole }) => whole)];
  return b.node("Scan", inputs, attributes, freshNames(b.graph, names)).outputs as readonly Value[];
}

/**
 * The gradients of a Loop that may have made no turn, which a Scan cannot do: then states keep theirs, others are 0.
 *
 * `counted`: an array of which each turn made one row. `values`: what the gradients belong to, the states' first.
 */
function ifAnyStep(
  g: GraphBuilder,
  counted: Value,
  some: Graph,
  gradients: (b: GraphBuilder) => readonly Value[],
  states: readonly Value[],
  values: readonly Value[],
): readonly Value[] {
  const none = new Graph("no step", g.graph.opsets, g.graph);
  for (const value of gradients(new GraphBuilder(some))) some.addOutput(ownOutput(some, value));
  const b = new GraphBuilder(none);
  for (const [i, value] of values.entries()) none.addOutput(ownOutput(none, states[i] ?? b.zerosLike(value)));
  const condition = g.squeeze(g.greater(g.op("Shape", [counted], { start: 0, end: 1 }), 0), [0]);
  const names = freshNames(
    g.graph,
    values.map(() => "if"),
  );
  return g.node("If", [condition], { then_branch: some, else_branch: none }, names)
    .outputs as readonly Value[];
}

/** The way back runs from the last step to the first, so that what came first comes last. */
const backwards = ({ isReversed }: Pick<Sliced, "isReversed">): number => (isReversed ? 0 : 1);

/** What an Identity of the backward pass hands on. */
const plainOf = (value: Value, isBackward: (node: Node) => boolean): Value =>
  value.producer?.op === "Identity" && isBackward(value.producer) ? value.producer.inputs[0]! : value;

/** What a step adds to a gradient: what must be carried, and what can be summed after all steps. */
function separated(
  work: Graph,
  total: Value,
  isBackward: (node: Node) => boolean,
  isSteady: (value: Value) => boolean,
) {
  const own = new Set<Value>([
    ...work.inputs,
    ...work.nodes.flatMap((node) => node.outputs.filter((o) => o !== undefined)),
  ]);
  const parts = summands(total, isBackward).map((part) => ({
    part,
    merge: mergeOf(part, (value) => own.has(value) && isSteady(value)),
  }));
  const merges = parts.flatMap(({ merge }): Merge[] => (merge ? [merge] : []));
  const others = parts.flatMap(({ part, merge }) => (merge ? [] : [part]));
  if (merges.length === 0) return { merges, carried: total };
  const b = new GraphBuilder(work);
  return { merges, carried: others.length > 0 ? others.reduce((sum, part) => b.add(sum, part)) : undefined };
}

/**
 * The body of the way back, made of the nodes that a step's backward pass appended to `work`, and what of the forward
 * pass it reads. Inputs: gradients of states, sums, slices of gradients, what is read; outputs: gradients of states, sums,
 * gradients of slices, `given`.
 */
function wayBack(
  outer: Graph,
  work: Graph,
  step: StepBackward,
  sums: readonly { readonly value: Value; readonly carried: Value }[],
  given: readonly Value[],
): { readonly body: Graph; readonly read: Value[] } {
  const body = new Graph("back", outer.opsets, outer);
  const nodes = work.nodes.filter(step.isBackward);
  const copyInput = ({ name, dtype, shape }: Value) => body.addInput(name, dtype, shape);
  for (const { seed } of step.states) copyInput(seed);
  const totals = sums.map(({ value: { name, dtype, shape } }) =>
    body.addInput(work.freshName(`${name}.grad.sum`), dtype, shape),
  );
  for (const { seed } of step.outputs) copyInput(seed);
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const isForward = new Set<Value>([
    ...work.inputs,
    ...work.nodes.flatMap((node) => node.outputs.filter((o) => o !== undefined)),
  ]);
  const crossing = new Set<Value>();
  for (const value of nodes.flatMap(readsOf))
    if (isForward.has(value) && !made.has(value) && !step.seeds.includes(value)) crossing.add(value);
  for (const value of crossing) copyInput(value);
  for (const { name, constant } of work.initializers) body.addInitializer(name, constant!);
  body.adopt(nodes);
  const give = (value: Value) => body.addOutput(ownOutput(body, value));
  for (const { gradient } of step.states) give(body.get(gradient.name));
  const b = new GraphBuilder(body);
  for (const [i, { carried }] of sums.entries()) {
    const total = b.add(totals[i]!, body.get(carried.name));
    body.setNodeName(total.producer!, `${backName(totals[i]!.name)}.1`);
    give(total);
  }
  for (const { gradient } of step.inputs) give(body.get(gradient.name));
  for (const value of given) give(body.get(value.name));
  removeDead(body);
  const read = [...crossing].filter((value) => {
    const input = body.get(value.name);
    if (input.consumers.length > 0) return true;
    body.removeValue(input);
    return false;
  });
  return { body, read };
}

/** What a Loop or Scan is made to give for every step, so that the way back can read it. */
class Kept {
  readonly #outer: Graph;
  readonly #node: Node;
  readonly #steps: Steps;
  readonly #added = new Map<Value, Value>();

  constructor(outer: Graph, node: Node, steps: Steps) {
    this.#outer = outer;
    this.#node = node;
    this.#steps = steps;
  }
  /** A value of every step; what the node cuts or stacks anyway is taken as it is. */
  stack(value: Value): Sliced & { readonly whole: Value } {
    const { inputs, outputs } = this.#steps;
    const known = [...inputs, ...outputs].find(({ whole, slice }) => whole && slice === value);
    if (known?.whole) return { ...known, whole: known.whole };
    return { whole: this.inOrder(value), slice: value, axis: 0, isReversed: false };
  }
  /** A value of every step, first step first. */
  inOrder(value: Value): Value {
    const { carried, inputs, outputs } = this.#steps;
    const known = [...inputs, ...outputs].find(({ slice }) => slice === value);
    if (known?.whole && known.axis === 0 && !known.isReversed) return known.whole;
    const before = this.#added.get(value);
    if (before) return before;
    const index = carried.length + outputs.length + this.#added.size;
    const name = this.#outer.freshName(`${value.name}.steps`);
    const whole = this.#outer.addNodeOutput(this.#node, index, name);
    this.#added.set(value, whole);
    return whole;
  }
  /** Takes the backward pass out of the body, which gives then what was asked for. */
  finish({ seeds, isBackward }: StepBackward): void {
    const { body: work, outputs } = this.#steps;
    const node = this.#node;
    const originals = bodyOf(node, "body").outputs.length;
    for (const output of work.outputs.slice(originals)) work.removeOutput(output);
    work.removeNodes(new Set(work.nodes.filter(isBackward)));
    for (const seed of seeds) work.removeValue(seed);
    for (const value of this.#added.keys()) work.addOutput(ownOutput(work, value));
    removeDead(work);
    this.#outer.setBody(node, "body", work);
    for (const key of ["scan_output_axes", "scan_output_directions"]) {
      const given = node.attributes.get(key);
      if (given?.type !== "ints") continue;
      const all = Array.from({ length: outputs.length + this.#added.size }, (_, i) => given.value[i] ?? 0);
      this.#outer.setAttribute(node, key, { type: "ints", value: all });
    }
    inferNode(node);
  }
}
