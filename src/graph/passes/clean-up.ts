import type { Graph } from "../ir.ts";
import { type FoldOptions, foldConstants } from "./fold-constants.ts";
import { foldSequences } from "./fold-sequences.ts";
import { normalize } from "./normalize.ts";
import { removeDead } from "./remove-dead.ts";
import { removeIdentities } from "./remove-identities.ts";

/** Brings a graph as it was read into its plainest form: one spelling, nothing that does nothing, constants computed. */
export function cleanUp(graph: Graph, options: FoldOptions = {}): void {
  normalize(graph);
  removeIdentities(graph);
  foldConstants(graph, options);
  foldSequences(graph);
  removeDead(graph);
}
