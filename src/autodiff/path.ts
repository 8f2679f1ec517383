import { entryOf } from "../base/entry-of.ts";
import { DiapasonError } from "../base/errors.ts";
import { opNameOf } from "../graph/attributes.ts";
import { expandNode } from "../graph/expansions/expand.ts";
import { hasOpenPads, padApart } from "../graph/expansions/open-pads.ts";
import { bodiesOf, bodyOf, capturedBy, type Graph, type Node, readsOf, type Value } from "../graph/ir.ts";
import { nameInFile, nodeText } from "../graph/node-text.ts";
import { schemas } from "../graph/schemas.ts";
import { roundsUpInVain } from "../graph/window.ts";
import { hoistInvariants } from "./control-flow-hoist.ts";
import { type GradRule, type InputRule, isFloat, isWhole, type NodeRule } from "./rule.ts";
import { gradRules } from "./rules.ts";

/** What a backward pass must go through: the part of a graph between its moving parameters and its loss. */
export interface GradientPath {
  /** Values on the way from a moving parameter to the loss: each gets a gradient. */
  readonly values: ReadonlySet<Value>;
  /** Nodes on that way, from the input end. */
  readonly nodes: readonly Node[];
}

/** The moving parameters that an error about a node is to name. */
export type Blame = (node: Node) => readonly Value[];

/** The rule of one input of a node; null where it has no gradient, undefined where the node has no rule. */
export function inputRuleOf(node: Node, index: number): InputRule | null | undefined {
  const rule = ruleOf(node);
  if (!rule || typeof rule === "string" || "node" in rule) return undefined;
  const inputs = "inputs" in rule ? rule.inputs : rule;
  const name = opNameOf(node)!;
  const isVariadic = schemas[name].inputs.at(-1)?.endsWith("*");
  return inputs[index] ?? (isVariadic ? inputs.at(-1) : undefined) ?? null;
}

/** The rule of a node that goes back through its bodies. */
export function nodeRuleOf(node: Node): NodeRule | undefined {
  const rule = ruleOf(node);
  return typeof rule === "object" && "node" in rule ? rule.node : undefined;
}

const ruleOf = (node: Node): GradRule | undefined => {
  const name = opNameOf(node);
  return name && (gradRules[name] as GradRule);
};

/** Whether an output of a node may carry a gradient. */
export function outputCarries(node: Node, index: number): boolean {
  const rule = ruleOf(node);
  if (!rule || typeof rule === "string") return rule !== "no-gradient";
  if ("node" in rule) return true;
  const outputs = "outputs" in rule ? rule.outputs : [0];
  return outputs === "all" || outputs.includes(index);
}

/**
 * Finds the path of the gradient from some values of a graph down to others, which may lie around it.
 *
 * @throws autodiff/no-gradient when an operator on the way has no gradient.
 */
export function gradientPath(
  graph: Graph,
  ends: readonly Value[],
  sources: readonly Value[],
  blame: Blame = (node) => parametersBelow(node, sources),
): GradientPath {
  const moved = reachedFrom(graph, sources);
  const values = new Set<Value>(ends.filter((end) => moved.has(end)));
  const nodes: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    const carried = node.outputs.flatMap((output, i) => (output && values.has(output) ? [i] : []));
    if (carried.length === 0) continue;
    refuseWithoutRule(node, carried, blame);
    nodes.push(node);
    if (nodeRuleOf(node)) for (const value of readsOf(node)) if (moved.has(value)) values.add(value);
    for (const [i, input] of node.inputs.entries())
      if (input && moved.has(input) && inputRuleOf(node, i)) values.add(input);
  }
  return { values, nodes: nodes.reverse() };
}

/**
 * Of some parameters, those on which a value depends in steps alone (by what is rounded, counted or compared): they have
 * no gradient, and cannot move. None where an operator on the way has no rule, which differentiating then tells.
 */
export function parametersInSteps(
  source: Graph,
  end: string,
  parameters: readonly string[],
): readonly string[] {
  const graph = source.clone();
  const own = parameters.map((name) => graph.get(name));
  try {
    expandOnPath(graph, [end], own);
    const { values } = gradientPath(graph, [graph.get(end)], own);
    return own.filter((parameter) => !values.has(parameter)).map(({ name }) => name);
  } catch (error) {
    if (error instanceof DiapasonError) return [];
    throw error;
  }
}

/** @throws autodiff/no-path when a parameter does not reach the loss. */
export function refuseUnreached({ values }: GradientPath, loss: Value, parameters: readonly Value[]): void {
  const unreached = parameters.filter((parameter) => !values.has(parameter));
  if (unreached.length > 0)
    throw new DiapasonError(
      "autodiff/no-path",
      `The loss "${loss.name}" does not depend in a differentiable way on ${listed(unreached)}.`,
      "Leave out of the parameters that move what the loss does not read.",
    );
}

/**
 * Replaces the composite operators between some values and others, given by name, by what they are made of, padding that
 * only the run knows by Pads of its own, and takes out of bodies that run many times what is the same each time: the
 * gradient of a weight that a step transposes is then that of a transposed weight, outside of the steps.
 */
export function expandOnPath(graph: Graph, ends: readonly string[], sources: readonly Value[]): void {
  for (;;) {
    const moved = reachedFrom(graph, sources);
    const needed = new Set(ends.map((name) => graph.get(name)));
    const found: Node[] = [];
    const repeated: Node[] = [];
    const padding: Node[] = [];
    for (const node of graph.nodes.toReversed()) {
      if (!node.outputs.some((value) => value && needed.has(value) && moved.has(value))) continue;
      const rule = ruleOf(node);
      if (rule === "expansion") found.push(node);
      else if (hasOpenPads(node)) padding.push(node);
      else if (roundsUpInVain(node)) graph.setAttribute(node, "ceil_mode", undefined);
      if (typeof rule === "object" && "node" in rule && rule.runsBodyOften) repeated.push(node);
      for (const value of readsOf(node)) if (moved.has(value)) needed.add(value);
    }
    for (const node of found) expandNode(graph, node);
    for (const node of padding) graph.inPlaceOf(node, () => padApart(graph, node));
    if (found.length + padding.length > 0) continue;
    for (const node of repeated) {
      const body = bodyOf(node, "body").clone();
      hoistInvariants(body, graph, node);
      graph.setBody(node, "body", body);
    }
    return;
  }
}

/** A node that stops the gradient of the parameters below it. */
export interface Obstacle {
  readonly node: Node;
  readonly parameters: readonly Value[];
}

/** The nodes between any of the parameters and an output that have no gradient rule, from the input end. */
export const obstaclesOf = (graph: Graph, output: Value, parameters: readonly Value[]): readonly Obstacle[] =>
  obstaclesIn(graph, [output], parameters, (node) => parametersBelow(node, parameters));

function obstaclesIn(
  graph: Graph,
  ends: readonly Value[],
  sources: readonly Value[],
  blame: Blame,
): readonly Obstacle[] {
  const moved = reachedFrom(graph, sources);
  const needed = new Set<Value>(ends);
  const obstacles: Obstacle[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((value) => value && needed.has(value) && moved.has(value))) continue;
    const rule = ruleOf(node);
    if (!rule || rule === "no-gradient") obstacles.push({ node, parameters: blame(node) });
    if (nodeRuleOf(node))
      for (const body of bodiesOf(node)) {
        const inner = [
          ...capturedBy(node).filter((value) => moved.has(value)),
          ...body.inputs.filter(isFloat),
        ];
        obstacles.push(...obstaclesIn(body, body.outputs, inner, () => blame(node)).toReversed());
      }
    for (const value of readsOf(node)) if (moved.has(value)) needed.add(value);
  }
  return obstacles.reverse();
}

/** Whether an operator's whole numbers stand for the real ones they were rounded from. */
function rounds(node: Node): boolean {
  const rule = ruleOf(node);
  return typeof rule === "object" && "inputs" in rule && rule.rounds === true;
}

/**
 * Float values that change when a parameter does, with the parameters as their own, and the whole numbers that stand for
 * such values: those that an operator rounds to, and what is computed from them. Detached values count as constants.
 */
export function reachedFrom(graph: Graph, parameters: readonly Value[]): ReadonlySet<Value> {
  const moved = new Set(parameters);
  for (const node of graph.nodes) {
    const moving = [
      ...node.inputs.filter((_, i) => inputRuleOf(node, i) !== null),
      ...(node.attributes.size > 0 ? capturedBy(node) : []),
    ].filter((input) => input && moved.has(input));
    if (moving.length === 0) continue;
    const areRounded = rounds(node) || moving.some((input) => isWhole(input!));
    for (const [i, output] of node.outputs.entries()) {
      if (!output || output.detached) continue;
      const standsForReal = areRounded && isWhole(output) && outputCarries(node, i);
      if (isFloat(output) || output.dtype === undefined || standsForReal) moved.add(output);
    }
  }
  return moved;
}

/** What helps where all operators of a domain have no gradient. */
const remedies: { readonly [domain: string]: string | undefined } = {
  "com.microsoft.nchwc":
    "Such operators are for running on one kind of machine: tune the graph as it was before it was optimised, or save it at a lower level of optimisation (extended instead of all).",
};

/** Operators that are on the path only where it could not be told which tensors they are about. */
const ofSequences: ReadonlySet<string> = new Set([
  "ConcatFromSequence",
  "Optional",
  "OptionalGetElement",
  "SequenceAt",
  "SequenceConstruct",
  "SequenceEmpty",
  "SequenceErase",
  "SequenceInsert",
  "SequenceMap",
  "SplitToSequence",
]);

function refuseWithoutRule(node: Node, carried: readonly number[], blame: Blame): void {
  const rule = ruleOf(node);
  const silent = carried.find((i) => !outputCarries(node, i));
  if (rule && rule !== "no-gradient" && silent === undefined) return;
  const below = listed(blame(node));
  const through =
    silent === undefined || !rule || rule === "no-gradient" ? "" : ` through its output ${silent}`;
  const { domain } = nameInFile(node);
  const operator = domain === "" ? "" : ` of the domain ${domain}`;
  const why = ofSequences.has(node.op) ? ": which tensors its sequence holds is known to the run alone" : "";
  throw new DiapasonError(
    "autodiff/no-gradient",
    `${nodeText(node)}${operator} has no gradient${through}, and ${below} would need one${why}.`,
    entryOf(remedies, domain) ?? `Freeze ${below}: what lies between this node and the loss can move.`,
  );
}

/** Names for an error; of many only the first few. */
function listed(values: readonly Value[]): string {
  const names = values.map(({ name }) => `"${name}"`);
  return names.length > 6 ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more` : names.join(", ");
}

/** The moving parameters that a node depends on. */
export function parametersBelow(node: Node, parameters: readonly Value[]): readonly Value[] {
  const wanted = new Set(parameters);
  const found = new Set<Value>();
  const seen = new Set<Node>();
  const visit = [node];
  for (let next = visit.pop(); next; next = visit.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    for (const value of readsOf(next)) {
      if (wanted.has(value)) found.add(value);
      if (value.producer) visit.push(value.producer);
    }
  }
  return parameters.filter((parameter) => found.has(parameter));
}
