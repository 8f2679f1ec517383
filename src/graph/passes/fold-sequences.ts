import { entryOf } from "../../base/entry-of.ts";
import { fromFront, intsOf } from "../attributes.ts";
import { GraphBuilder, isSameShape, range, rankOf } from "../builder.ts";
import { inferShapes, knownNumbers } from "../infer.ts";
import { bodyOf, type Graph, type Node, type Value, withBodies } from "../ir.ts";
import { handOver, inlineBody } from "./inline-body.ts";
import { removeDead } from "./remove-dead.ts";
import { rowReaders, stackLoopLists } from "./stack-loop-lists.ts";

/** A sequence of more elements than this is left as it is. */
const mostElements = 10_000;

/** Makes an element of a sequence for the builder's place. */
type Element = (g: GraphBuilder) => Value;

/**
 * Replaces what reads a sequence of tensors by what reads the tensors, where it is known which they are: SequenceAt,
 * ConcatFromSequence and SequenceLength of what SequenceConstruct, SequenceInsert, SequenceErase, SequenceMap or
 * SplitToSequence made; and what reads an optional by what reads its content, as if it were a sequence of one. Bodies too.
 *
 * Lists that a Loop fills become rows that it stacks. Sequences whose length or positions only the run knows stay.
 */
export function foldSequences(graph: Graph): void {
  if (!readsSequences(graph)) return;
  inferShapes(graph);
  fold(graph);
  removeDead(graph);
}

function fold(graph: Graph): void {
  stackLoopLists(graph);
  if (graph.nodes.filter(isMap).filter((node) => mapEach(graph, node)).length > 0) inferShapes(graph);
  for (const node of [...graph.nodes]) {
    const [output] = node.outputs;
    const isReader = output && isOfSequences(node);
    const made = isReader
      ? graph.inPlaceOf(node, () => readInstead(new GraphBuilder(graph, node), node))
      : undefined;
    if (made) {
      made.dtype ??= output!.dtype;
      handOver(graph, output!, made, node);
      graph.removeNodes(new Set([node]));
    } else if (output) Object.assign(output, entryOf(counted, node.domain === "" ? node.op : ""));
    for (const [key, attribute] of node.attributes) {
      if (attribute.type !== "graph" || made || !readsSequences(attribute.value)) continue;
      // a copy, so that what the node reads through it is kept account of
      const body = attribute.value.clone();
      fold(body);
      graph.setBody(node, key, body);
    }
  }
}

/** What is said of a sequence by a number, which has no gradient, whatever the sequence holds. */
const counted: { readonly [op: string]: Pick<Value, "dtype" | "shape"> } = {
  SequenceLength: { dtype: "int64", shape: [] },
  OptionalHasElement: { dtype: "bool", shape: [] },
};

const isMap = ({ op, domain }: Node): boolean => op === "SequenceMap" && domain === "";
const isOfSequences = (node: Node): boolean =>
  isMap(node) || (node.domain === "" && Object.hasOwn(readers, node.op));

const readsSequences = (graph: Graph): boolean =>
  [...withBodies(graph)].some(([, node]) => isOfSequences(node));

/** What a reader gives, of the tensors; undefined where they are not known. */
function readInstead(g: GraphBuilder, node: Node): Value | undefined {
  if (isMap(node)) return undefined;
  const elements = whatIsRead(node);
  const made = elements && readers[node.op]!(g, node, elements);
  if (made || !Object.hasOwn(rowReaders, node.op)) return made;
  const rows = slicedRows(g, node.inputs[0]);
  return rows && rowReaders[node.op]!(g, node, rows);
}

/** Puts the elements that a SequenceMap makes in its place, each by a copy of its body; whether it could. */
function mapEach(graph: Graph, node: Node): boolean {
  const [first, ...others] = node.inputs as readonly Value[];
  const elements = elementsOf(first);
  const beside = others.map((value) => (value.dtype ? undefined : elementsOf(value)));
  const areKnown = others.every((value, i) => value.dtype || beside[i]?.length === elements?.length);
  if (!elements?.length || !areKnown) return false;
  const g = new GraphBuilder(graph, node);
  const made = elements.map((element, at) => {
    const inputs = [element(g), ...others.map((value, i) => beside[i]?.[at]?.(g) ?? value)];
    return inlineBody(graph, bodyOf(node, "body"), node, inputs);
  });
  for (const [i, output] of node.outputs.entries()) {
    if (!output) continue;
    const list = made.map((values) => values[i]!);
    const [sequence] = graph.addNode("SequenceConstruct", list, { before: node }).outputs;
    handOver(graph, output, sequence!, node);
  }
  graph.removeNodes(new Set([node]));
  return true;
}

/** The slices of one element that an axis of whatever size was split into, as rows. */
function slicedRows(g: GraphBuilder, sequence: Value | undefined): Value | undefined {
  const node = sequence?.producer;
  if (node?.domain !== "") return undefined;
  if (node.op === "Identity") return slicedRows(g, node.inputs[0]);
  const [whole, split] = node.inputs as [Value, Value | undefined];
  if (node.op !== "SplitToSequence" || !whole.shape) return undefined;
  if (split && !(split.shape?.length === 0 && knownNumbers(split)?.[0] === 1)) return undefined;
  const axis = fromFront(intsOf(node, "axis")?.[0] ?? 0, rankOf(whole));
  const rows = g.transpose(whole, [axis, ...range(rankOf(whole)).filter((other) => other !== axis)]);
  const keeps = split !== undefined || intsOf(node, "keepdims")?.[0] !== 0;
  return keeps ? g.unsqueeze(rows, [axis + 1]) : rows;
}

const readers: {
  readonly [op: string]: (g: GraphBuilder, node: Node, elements: readonly Element[]) => Value | undefined;
} = {
  ConcatFromSequence: (g, node, elements) => {
    if (elements.length === 0) return undefined;
    const values = elements.map((element) => element(g));
    const isNew = intsOf(node, "new_axis")?.[0] === 1;
    const rank = values[0]!.shape?.length;
    const given = intsOf(node, "axis")?.[0] ?? 0;
    if (given < 0 && rank === undefined) return undefined;
    const axis = fromFront(given, (rank ?? 0) + (isNew ? 1 : 0));
    return g.concat(isNew ? values.map((value) => g.unsqueeze(value, [axis])) : values, axis);
  },
  SequenceAt: (g, node, elements) => {
    const at = knownNumbers(node.inputs[1])?.[0];
    if (at !== undefined) return elements.at(at)?.(g);
    // a place that only the run knows, among tensors of one shape
    const values = elements.map((element) => element(g));
    if (values.length === 0 || !values.every(({ shape }) => isSameShape(shape, values[0]!.shape)))
      return undefined;
    const rows = g.concat(
      values.map((value) => g.unsqueeze(value, [0])),
      0,
    );
    return rowReaders["SequenceAt"]!(g, node, rows);
  },
  SequenceLength: (g, _, elements) => g.constant([elements.length], "int64", []),
  OptionalGetElement: (g, _, [content]) => content?.(g),
  OptionalHasElement: (g, _, elements) => g.constant([elements.length], "bool", []),
};

/**
 * The tensors that a sequence is made of, of which a split one is one tensor still, as are the scores of classes that ZipMap
 * gives by their names; undefined where they are not known. What depends on the sequence depends on them.
 */
export function tensorsIn(sequence: Value): readonly Value[] | undefined {
  const node = sequence.producer;
  if (!node) return undefined;
  const [first, second] = node.inputs as readonly Value[];
  if (node.op === "ZipMap" && node.domain === "ai.onnx.ml") return [first!];
  if (node.domain !== "") return undefined;
  if (node.op === "SequenceEmpty") return [];
  if (node.op === "SequenceConstruct") return node.inputs as readonly Value[];
  if (node.op === "SplitToSequence") return [first!];
  const before = node.op === "SequenceInsert" || node.op === "Identity" ? tensorsIn(first!) : undefined;
  return before && node.op === "SequenceInsert" ? [...before, second!] : before;
}

/** The elements of a sequence; undefined where they are not known. */
function elementsOf(sequence: Value | undefined): readonly Element[] | undefined {
  const node = sequence?.producer;
  const maker = node?.domain === "" ? entryOf(makers, node.op) : undefined;
  return maker?.(node!);
}

/** The elements of the sequence, or the content of the optional, that a node reads; undefined where they are not known. */
function whatIsRead({ op, inputs: [value] }: Node): readonly Element[] | undefined {
  if (!op.startsWith("Optional")) return elementsOf(value);
  if (value === undefined) return [];
  if (value.producer?.op === "Optional") return elementsOf(value);
  // From opset 18 on what is no optional may be read as one that holds it.
  return value.dtype === undefined ? undefined : [() => value];
}

const makers: { readonly [op: string]: (node: Node) => readonly Element[] | undefined } = {
  Identity: (node) => elementsOf(node.inputs[0]),
  Optional: (node) => node.inputs.map((input) => () => input!),
  SequenceConstruct: (node) => node.inputs.map((input) => () => input!),
  SequenceEmpty: () => [],
  SequenceErase: (node) => {
    const before = elementsOf(node.inputs[0]);
    const at = positionOf(node.inputs[1], (before?.length ?? 0) - 1, before?.length ?? 0);
    return at === undefined ? undefined : before?.toSpliced(at, 1);
  },
  SequenceInsert: (node) => {
    const before = elementsOf(node.inputs[0]);
    const at = positionOf(node.inputs[2], before?.length ?? 0, before?.length ?? 0);
    return at === undefined ? undefined : before?.toSpliced(at, 0, () => node.inputs[1]!);
  },
  SplitToSequence: splitElements,
};

/** A constant position counted from the front; `absent`: the one where none is given. */
function positionOf(value: Value | undefined, absent: number, length: number): number | undefined {
  if (value === undefined) return absent;
  const at = knownNumbers(value)?.[0];
  return at !== undefined && at < 0 ? at + length : at;
}

function splitElements(node: Node): readonly Element[] | undefined {
  const [x, split] = node.inputs as [Value, Value | undefined];
  const rank = x.shape?.length;
  if (rank === undefined) return undefined;
  const axis = fromFront(intsOf(node, "axis")?.[0] ?? 0, rank);
  const total = x.shape![axis];
  const sizes = split ? knownNumbers(split) : [1];
  if (!sizes) return undefined;
  const isEven = split === undefined || split.shape?.length === 0;
  if (isEven && typeof total !== "number") return undefined;
  const size = sizes[0] ?? 0;
  const count = isEven ? Math.ceil((total as number) / size) : sizes.length;
  if (!(count <= mostElements) || (isEven && size < 1)) return undefined;
  const lengths = isEven ? range(count).map((i) => Math.min(size, (total as number) - i * size)) : sizes;
  const drops = split === undefined && intsOf(node, "keepdims")?.[0] === 0;
  let start = 0;
  return lengths.map((length): Element => {
    const [from, to] = [start, start + length];
    start = to;
    return (g) =>
      drops
        ? g.op("Gather", [x, g.constant([from], "int64", [])], { axis })
        : g.slice(x, [axis], [from], [to]);
  });
}
