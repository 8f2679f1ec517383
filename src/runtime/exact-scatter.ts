import { attributesOf, opNameOf } from "../graph/attributes.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { replaceNode } from "../graph/expansions/expand.ts";
import { inferShapes } from "../graph/infer.ts";
import { type Graph, type Node, type Value, withBodies } from "../graph/ir.ts";
import { namesPlacesOnce } from "../graph/scatter-places.ts";

/**
 * A graph whose scatters count every update: a copy where it has to change. `inOrder`: also of those that replace, the last
 * update of a place is the one that stays, as their gradients take it.
 *
 * ONNX Runtime's ScatterND on the CPU shares its updates out among threads, and loses what two of them add to one place at
 * the same time (1.30): of 4096 rows added to three places a quarter is missing, another quarter each time; of rows that
 * replace each other another one stays. ScatterElements takes them one after the other. Known indices that name no place
 * twice stay.
 */
export function exactScatter(source: Graph, { inOrder = false } = {}): Graph {
  const mayLose = (node: Node) =>
    opNameOf(node) === "ScatterND" &&
    (inOrder || attributesOf(node, "ScatterND").reduction !== "none") &&
    !namesPlacesOnce(node);
  if (![...withBodies(source)].some(([, node]) => mayLose(node))) return source;
  const graph = source.clone();
  inferShapes(graph);
  for (const [owner, node] of [...withBodies(graph)]) if (mayLose(node)) replace(owner, node);
  return graph;
}

/** [...places, ...block] becomes [all places, block], and each index the number of a row. */
function replace(graph: Graph, node: Node): void {
  const g = new GraphBuilder(graph, node);
  const [data, indices, updates] = node.inputs as [Value, Value, Value];
  const rank = data.shape?.length;
  const depth = indices.shape?.at(-1);
  // nothing is known of them before the run: rare, and no worse than before
  if (rank === undefined || typeof depth !== "number" || depth === 0) return;
  const sizes = g.shapeOf(data);
  const block = sizeFrom(g, data, sizes, depth, rank);
  // counted, not what is left over by −1: a block may be empty
  const rows = (value: Value, count: Value) => g.reshapeTo(value, g.concat([count, block], 0));
  const flat = rows(updates, g.div(g.reshape(g.op("Size", [indices]), [1]), g.ints([depth])));
  const places = g.reshape(depth === 1 ? indices : rowNumbers(g, data, indices, depth), [-1, 1]);
  const { reduction } = attributesOf(node, "ScatterND");
  const at = g.op("Expand", [places, g.shapeOf(flat)]);
  const made = g.op("ScatterElements", [rows(data, sizeFrom(g, data, sizes, 0, depth)), at, flat], {
    axis: 0,
    reduction,
  });
  replaceNode(graph, node, [g.reshapeTo(made, sizes)]);
}

/** Number of elements over the axes from `first` to before `end`, as a vector of one. */
function sizeFrom(g: GraphBuilder, data: Value, sizes: Value, first: number, end: number): Value {
  const known = data.shape!.slice(first, end);
  if (known.every((size) => typeof size === "number")) return g.ints([known.reduce((a, b) => a * b, 1)]);
  return g.op("ReduceProd", [g.slice(sizes, [0], [first], [end])], { keepdims: 1 });
}

/** Indices of several axes, which may count from the end, as numbers of rows. */
function rowNumbers(g: GraphBuilder, data: Value, indices: Value, depth: number): Value {
  const sizes = g.shapeOf(data);
  const strides = Array.from({ length: depth }, (_, axis) => sizeFrom(g, data, sizes, axis + 1, depth));
  const fromFirst = g.op("Mod", [indices, g.slice(sizes, [0], [0], [depth])]);
  return g.sum(g.mul(fromFirst, g.concat(strides, 0)), [indices.shape!.length - 1]);
}
