import { DiapasonError } from "../../base/errors.ts";
import { fromFront, intsOf } from "../attributes.ts";
import { freshNames, ownOutput } from "../builder/scan.ts";
import { GraphBuilder, isSameShape, range, rankOf } from "../builder.ts";
import { inferNode } from "../infer.ts";
import { bodyOf, type Graph, type Node, type Value } from "../ir.ts";
import { loopSteps } from "../steps.ts";

/**
 * A list to which every turn of a Loop appends one tensor becomes rows that the Loop stacks, after those of tensors of the
 * same shape that it starts with, where nothing reads the list in a turn: what scripted recurrences make of their outputs.
 */
export function stackLoopLists(graph: Graph): void {
  for (const node of graph.nodes.filter(({ op, domain }) => op === "Loop" && domain === "")) {
    let loop = node;
    for (let at = listOf(graph, loop); at !== undefined; at = listOf(graph, loop))
      loop = withRows(graph, loop, at);
  }
}

/** Which carried value of a Loop is such a list. */
function listOf(graph: Graph, node: Node): number | undefined {
  const at = loopSteps(node).carried.findIndex(({ initial, before, after, final }) => {
    const appends = after.producer;
    const start = startOf(initial);
    const isAppended = appends?.op === "SequenceInsert" && appends.inputs[0] === before && !appends.inputs[2];
    const shape = appends?.inputs[1]?.shape;
    const isRanked = shape !== undefined && start?.every((value) => isSameShape(value.shape, shape));
    const isUnread = before.consumers.length === 1 && after.consumers.length === 0;
    const isStackable =
      !final ||
      (!graph.outputs.includes(final) && final.consumers.every(({ op }) => Object.hasOwn(rowReaders, op)));
    return isAppended && isRanked && isUnread && isStackable;
  });
  return at < 0 ? undefined : at;
}

/** The tensors that a list starts with; undefined where they are not known. */
function startOf({ producer }: Value): readonly Value[] | undefined {
  if (producer?.op === "SequenceEmpty") return [];
  return producer?.op === "SequenceConstruct" ? (producer.inputs as readonly Value[]) : undefined;
}

function withRows(graph: Graph, node: Node, at: number): Node {
  const body = bodyOf(node, "body").clone();
  const { initial, before, after } = loopSteps(node, body).carried[at]!;
  const start = startOf(initial)!;
  const appends = after.producer!;
  const element = appends.inputs[1]!;
  body.removeOutput(after);
  body.removeNodes(new Set([appends]));
  body.removeValue(before);
  body.addOutput(ownOutput(body, element));
  const names = freshNames(
    graph,
    [...node.outputs.toSpliced(at, 1), undefined].map((output) => output?.name ?? "rows"),
  );
  const made = graph.addNode("Loop", node.inputs.toSpliced(2 + at, 1), {
    name: node.name,
    attributes: [["body", { type: "graph", value: body }]],
    outputs: names,
    before: node,
  });
  inferNode(made);
  const kept = node.outputs.toSpliced(at, 1);
  for (const [i, output] of kept.entries()) if (output) graph.replaceUses(output, made.outputs[i]!);
  const list = node.outputs[at];
  for (const reader of list?.consumers ?? []) read(graph, reader, start, made.outputs.at(-1)!);
  graph.removeNodes(new Set([node]));
  for (const [i, output] of kept.entries()) if (output) graph.rename(made.outputs[i]!, output.name);
  return made;
}

/** Puts what reads the rows in the place of what read the list. */
function read(graph: Graph, node: Node, start: readonly Value[], turns: Value): void {
  const output = node.outputs[0]!;
  const g = new GraphBuilder(graph, node);
  const [first] = start;
  const rows = first
    ? g.concat([...start.map((value) => g.unsqueeze(value, [0])), alike(g, turns, first)], 0)
    : turns;
  const value = graph.addNode("Identity", [rowReaders[node.op]!(g, node, rows)], { before: node })
    .outputs[0]!;
  graph.replaceUses(output, value);
  graph.removeNodes(new Set([node]));
  graph.rename(value, output.name);
  inferNode(value.producer!);
}

/** Rows in the shape of a value: those of no turn have sizes of 0 where the Loop does not say which they are. */
const alike = (g: GraphBuilder, rows: Value, one: Value): Value =>
  g.reshapeTo(rows, g.concat([g.sizeOf(rows, 0), g.shapeOf(one)], 0));

/** What a reader of a list gives, of the list as rows. */
export const rowReaders: { readonly [op: string]: (g: GraphBuilder, node: Node, rows: Value) => Value } = {
  ConcatFromSequence: (g, node, rows) => {
    const rank = rankOf(rows);
    const isNew = intsOf(node, "new_axis")?.[0] === 1;
    const own = isNew ? rank : rank - 1;
    const given = intsOf(node, "axis")?.[0] ?? 0;
    const axis = fromFront(given, own);
    if (axis < 0 || axis >= own)
      throw new DiapasonError(
        "graph/bad-index",
        `ConcatFromSequence "${node.name}" joins along axis ${given} of arrays with ${own} axes.`,
        "Export the model again; the file is damaged.",
      );
    const moved = g.transpose(rows, [...range(1, axis + 1), 0, ...range(axis + 1, rank)]);
    if (isNew) return moved;
    const size = (along: number) => g.sizeOf(moved, along);
    const sizes = [...range(axis).map(size), g.ints([-1]), ...range(axis + 2, rank).map(size)];
    return g.reshape(moved, g.concat(sizes, 0));
  },
  // the place may be a vector of one number
  SequenceAt: (g, node, rows) => g.op("Gather", [rows, g.reshape(node.inputs[1]!, [])], { axis: 0 }),
  SequenceLength: (g, _, rows) => g.squeeze(g.sizeOf(rows, 0), [0]),
};
