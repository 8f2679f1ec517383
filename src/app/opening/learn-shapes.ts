import { DiapasonError } from "../../base/errors.ts";
import type { Graph } from "../../graph/ir.ts";
import { learnShapes } from "../../runtime/probe.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** Learns shapes by running the graph where that works; what it says where it does not, for a note. */
export async function learnShapesOrSay(graph: Graph, runtime: Runtime): Promise<readonly string[]> {
  try {
    await learnShapes(graph, runtime);
    return [];
  } catch (error) {
    if (error instanceof DiapasonError && error.code === "runtime/unknown-shapes") return [error.message];
    throw error;
  }
}
