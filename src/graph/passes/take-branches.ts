import { inferShapes } from "../infer.ts";
import type { Graph, Node } from "../ir.ts";
import { foldConstants } from "./fold-constants.ts";
import { handOver, inlineBody } from "./inline-body.ts";
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
  const results = inlineBody(graph, body.value, node);
  node.outputs.forEach((output, i) => {
    if (output) handOver(graph, output, results[i]!, node);
  });
  graph.removeNodes(new Set([node]));
}
