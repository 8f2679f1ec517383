import { bug } from "../base/errors.ts";
import { product, substitute } from "../graph/dim.ts";
import { dropoutShare } from "../graph/dropout-input.ts";
import { inferNode } from "../graph/infer.ts";
import type { Graph, Value } from "../graph/ir.ts";

/**
 * Makes a graph over texts one over examples of several texts each, in place: its inputs [batch, tokens] become
 * [batch, texts, tokens], and everything inside counts rows, of which each example has as many.
 *
 * A value inside that was [batch, …] is [rows, …] from then on; `regrouped` turns it back.
 */
export function groupRows(graph: Graph, texts: number): void {
  const rows = new Map([["batch", "rows"]]);
  const values = [...graph.inputs, ...graph.nodes.flatMap(({ outputs }) => outputs)];
  for (const value of new Set(values))
    if (value?.shape) value.shape = value.shape.map((dim) => substitute(dim, rows));
  const first = graph.nodes[0] ?? bug("a network has no node");
  for (const input of [...graph.inputs]) {
    if (input.constant || input.shape?.[0] !== "rows") continue;
    const { name, dtype, shape } = input;
    if (dropoutShare(name) !== undefined) {
      // what is drawn for the network is no example's: it stays by rows
      input.shape = [product(["batch", texts]), ...shape.slice(1)];
      continue;
    }
    graph.rename(input, graph.freshName(`${name}_rows`));
    const grouped = graph.addInput(name, dtype, ["batch", texts, ...shape.slice(1)]);
    const node = graph.addNode("Flatten", [grouped], {
      attributes: [["axis", { type: "int", value: 2 }]],
      before: first,
    });
    inferNode(node);
    const flat = node.outputs[0]!;
    flat.shape = shape;
    graph.replaceUses(input, flat);
    graph.removeValue(input);
  }
}

/** The shape of a value of rows [rows, …] when it is put by examples: [batch, texts, …]. */
export const regroupedShape = (value: Value, texts: number): readonly (number | string)[] => [
  "batch",
  texts,
  ...(value.shape ?? bug(`"${value.name}" has no shape`)).slice(1),
];
