import { type Dim, substitute } from "../dim.ts";
import type { Graph, Value } from "../ir.ts";

/** Puts numbers for symbols into the shapes of inputs and of what nodes give, as { batch: 32 }. */
export function bindSymbols(graph: Graph, symbols: { readonly [symbol: string]: number }): void {
  const sizes = new Map<string, Dim>(Object.entries(symbols));
  if (sizes.size === 0) return;
  const bind = (value: Value | undefined) => {
    if (value?.shape) value.shape = value.shape.map((dim) => substitute(dim, sizes));
  };
  for (const input of graph.inputs) bind(input);
  for (const node of graph.nodes) for (const output of node.outputs) bind(output);
}
