import { entryOf } from "../../base/entry-of.ts";
import { fromFront, intsOf } from "../attributes.ts";
import { GraphBuilder, range } from "../builder.ts";
import { inferShapes, knownNumbers } from "../infer.ts";
import type { Graph, Node, Value } from "../ir.ts";
import { removeDead } from "./remove-dead.ts";
import { stackLoopLists } from "./stack-loop-lists.ts";

/** A sequence of more elements than this is left as it is. */
const mostElements = 10_000;

/** Makes an element of a sequence for the builder's place. */
type Element = (g: GraphBuilder) => Value;

/**
 * Replaces what reads a sequence of tensors by what reads the tensors, where it is known which they are: SequenceAt,
 * ConcatFromSequence and SequenceLength of what SequenceConstruct, SequenceInsert, SequenceErase or SplitToSequence made;
 * and what reads an optional by what reads its content, as if it were a sequence of one.
 *
 * Lists that a Loop fills become rows that it stacks. Sequences whose length or positions only the run knows stay.
 */
export function foldSequences(graph: Graph): void {
  if (!graph.nodes.some(readsSequence)) return;
  inferShapes(graph);
  stackLoopLists(graph);
  for (const node of [...graph.nodes]) {
    const elements = readsSequence(node) ? whatIsRead(node) : undefined;
    if (!elements) continue;
    const made = readers[node.op]!(new GraphBuilder(graph, node), node, elements);
    const [output] = node.outputs;
    if (!made || !output) continue;
    const isOutput = graph.outputs.includes(output);
    const value = isOutput ? graph.addNode("Identity", [made], { before: node }).outputs[0]! : made;
    value.dtype ??= made.dtype;
    value.shape ??= made.shape;
    const { name } = output;
    graph.replaceUses(output, value);
    graph.removeNodes(new Set([node]));
    if (isOutput) graph.rename(value, name);
  }
  removeDead(graph);
}

const readsSequence = (node: Node): boolean => node.domain === "" && Object.hasOwn(readers, node.op);

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
    return at === undefined ? undefined : elements.at(at)?.(g);
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
  if (value?.producer?.op === "Optional") return elementsOf(value);
  // From opset 18 on what is no optional may be read as one that holds it.
  return value?.dtype === undefined ? undefined : [() => value];
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
