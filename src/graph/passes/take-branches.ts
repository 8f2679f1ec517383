import { inferShapes } from "../infer.ts";
import type { Graph, Node, Value } from "../ir.ts";
import { carryType } from "../value.ts";
import { foldConstants } from "./fold-constants.ts";
import { removeDead } from "./remove-dead.ts";

/**
 * Puts the branch of every If whose condition is a constant, or follows from constants, in the place of the If.
 *
 * Constants and values of the branch keep their names where those are free. Result: how many were replaced.
 */
export function takeBranches(graph: Graph): number {
  let taken = 0;
  for (;;) {
    if (!graph.nodes.some(isIf)) return taken;
    foldConstants(graph);
    const decided = graph.nodes.filter((node) => isIf(node) && node.inputs[0]?.constant);
    if (decided.length === 0) return taken;
    for (const node of decided) takeBranch(graph, node);
    removeDead(graph);
    inferShapes(graph);
    taken += decided.length;
  }
}

const isIf = ({ op, domain }: Node): boolean => op === "If" && domain === "";

function takeBranch(graph: Graph, node: Node): void {
  const isTrue = node.inputs[0]!.constant!.data.read()[0] !== 0;
  const body = node.attributes.get(isTrue ? "then_branch" : "else_branch");
  if (body?.type !== "graph") return;
  // A copy, because names change; what it reads of the graph around it is found by name.
  const branch = body.value.clone(graph);
  const own = [...branch.initializers, ...branch.nodes.flatMap((inner) => inner.outputs)];
  for (const value of own)
    if (value && graph.find(value.name)) branch.rename(value, freeName(value.name, graph, branch));
  for (const value of branch.initializers)
    carryType(value, graph.addInitializer(value.name, value.constant!));
  graph.adopt(branch.nodes, { before: node });
  const results = branch.outputs.map(({ name }) => graph.get(name));
  branch.discard();
  node.outputs.forEach((output, i) => {
    if (output) handOver(graph, output, results[i]!, node);
  });
  graph.removeNodes(new Set([node]));
}

/** Readers of `from` read `to`; an output of the graph keeps its name. */
function handOver(graph: Graph, from: Value, to: Value, before: Node): void {
  const name = from.name;
  const isOutput = graph.outputs.includes(from);
  const value = isOutput ? graph.addNode("Identity", [to], { before }).outputs[0]! : to;
  if (isOutput) Object.assign(value, { dtype: to.dtype, shape: to.shape });
  graph.replaceUses(from, value);
  if (!isOutput) return;
  graph.rename(from, graph.freshName(`${name}_if`));
  graph.rename(value, name);
}

function freeName(base: string, ...graphs: readonly Graph[]): string {
  for (let i = 1; ; i++) {
    const name = `${base}_${i}`;
    if (graphs.every((graph) => !graph.find(name))) return name;
  }
}
