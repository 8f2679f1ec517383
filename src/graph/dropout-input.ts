import type { Graph } from "./ir.ts";
import { float32 } from "./tensor.ts";

/** The name of a graph input that carries a dropout mask, which the training loop draws; the graph multiplies by it. */
export const dropoutInput = (p: number, name: string): string => `dropout:${p}:${name}`;

/** The share that a mask of this name drops; undefined for any other input. */
export function dropoutShare(name: string): number | undefined {
  const match = /^dropout:([0-9.eE-]+):/.exec(name);
  return match ? Number(match[1]) : undefined;
}

/** Sets every dropout mask of a graph to 1, in place. */
export function dropNothing(graph: Graph): void {
  for (const input of [...graph.inputs])
    if (dropoutShare(input.name) !== undefined)
      graph.inputToInitializer(
        input,
        float32(
          input.shape!.map(() => 1),
          [1],
        ),
      );
}
