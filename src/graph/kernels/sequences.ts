import { entryOf } from "../../base/entry-of.ts";
import { fromFront, intsOf } from "../attributes.ts";
import { bodyOf, type Node } from "../ir.ts";
import { indexWithin, type RunBody, required, unsupported } from "./kernel.ts";
import type { NdArray } from "./nd-array.ts";
import { pick, range } from "./offsets.ts";
import { structure } from "./structure.ts";

/** A sequence of arrays, or an optional with its content, in the place of an array: one of no numbers of its own. */
interface Holder extends NdArray {
  readonly kind: "sequence" | "optional";
  readonly elements: readonly NdArray[];
}

const holder = (kind: Holder["kind"], elements: readonly NdArray[]): Holder => ({
  kind,
  elements,
  dtype: "float32",
  dims: [0],
  data: new Float64Array(0),
});
const isHolder = (array: NdArray | undefined, kind: Holder["kind"]): array is Holder =>
  (array as Holder | undefined)?.kind === kind;

type Given = {
  readonly node: Node;
  readonly inputs: readonly (NdArray | undefined)[];
  readonly run: RunBody;
};

/** The arrays of the sequence that a node reads first. */
function elementsOf(given: Given): readonly NdArray[] {
  const first = given.inputs[0];
  return isHolder(first, "sequence") ? first.elements : unsupported(given.node, "reads no sequence");
}

/** The place that an input names, counted from the front; `absent` where it is left out. */
function placeOf({ node, inputs }: Given, input: number, count: number, absent: number): number {
  const at = inputs[input]?.data[0];
  return at === undefined ? absent : indexWithin(at, count, node.op);
}

const whole = (value: number, dtype: "int64" | "bool"): NdArray => ({
  dtype,
  dims: [],
  data: Float64Array.of(value),
});

function splitUp(given: Given): NdArray {
  const { node, inputs } = given;
  const x = required(given, 0);
  const lengths = inputs[1];
  const axis = fromFront(intsOf(node, "axis")?.[0] ?? 0, x.dims.length);
  const total = x.dims[axis]!;
  const size = lengths ? lengths.data[0]! : 1;
  const sizes =
    lengths && lengths.dims.length > 0
      ? [...lengths.data]
      : range(Math.ceil(total / size)).map((i) => Math.min(size, total - i * size));
  const drops = !lengths && intsOf(node, "keepdims")?.[0] === 0;
  let start = 0;
  const parts = sizes.map((length) => {
    const from = start;
    start += length;
    const coordinates = x.dims.map((dim, other) =>
      other === axis ? range(length).map((i) => from + i) : range(dim),
    );
    const part = pick(x, coordinates);
    return drops ? { ...part, dims: part.dims.toSpliced(axis, 1) } : part;
  });
  return holder("sequence", parts);
}

function joined(given: Given): NdArray {
  const { node, run } = given;
  const parts = elementsOf(given);
  const isNew = intsOf(node, "new_axis")?.[0] === 1;
  const axis = fromFront(intsOf(node, "axis")?.[0] ?? 0, (parts[0]?.dims.length ?? 0) + (isNew ? 1 : 0));
  const inputs = isNew ? parts.map((part) => ({ ...part, dims: part.dims.toSpliced(axis, 0, 1) })) : parts;
  return structure.Concat({ node, inputs, attributes: { axis }, run })[0]!;
}

/** Each element, with what lies beside it in other sequences, through the body. */
function mapped(given: Given): readonly NdArray[] {
  const { node, inputs, run } = given;
  const body = bodyOf(node, "body");
  const made = elementsOf(given).map((_, at) => {
    const fed = inputs.map((input) => (isHolder(input, "sequence") ? input.elements[at]! : input!));
    return run(body, new Map(fed.map((array, i) => [body.inputs[i]!.name, array])));
  });
  return body.outputs.map((_, i) =>
    holder(
      "sequence",
      made.map((arrays) => arrays[i]!),
    ),
  );
}

const kernels: { readonly [op: string]: (given: Given) => readonly NdArray[] } = {
  SequenceEmpty: () => [holder("sequence", [])],
  SequenceConstruct: ({ inputs }) => [holder("sequence", inputs as readonly NdArray[])],
  SequenceInsert: (given) => {
    const before = elementsOf(given);
    const count = before.length;
    // counted from the front, the place behind the last one is one too
    const isFromEnd = (given.inputs[2]?.data[0] ?? 0) < 0;
    const at = placeOf(given, 2, isFromEnd ? count : count + 1, count);
    return [holder("sequence", before.toSpliced(at, 0, required(given, 1)))];
  },
  SequenceErase: (given) => {
    const before = elementsOf(given);
    return [holder("sequence", before.toSpliced(placeOf(given, 1, before.length, before.length - 1), 1))];
  },
  SequenceAt: (given) => {
    const elements = elementsOf(given);
    return [elements[placeOf(given, 1, elements.length, 0)]!];
  },
  SequenceLength: (given) => [whole(elementsOf(given).length, "int64")],
  SequenceMap: mapped,
  SplitToSequence: (given) => [splitUp(given)],
  ConcatFromSequence: (given) => [joined(given)],
  Optional: ({ inputs: [content] }) => [holder("optional", content ? [content] : [])],
  // from opset 18 on what is no optional may be read as one that holds it
  OptionalHasElement: ({ inputs: [value] }) => [
    whole(+(isHolder(value, "optional") ? value.elements.length > 0 : value !== undefined), "bool"),
  ],
  OptionalGetElement: (given) => {
    const value = required(given, 0);
    if (!isHolder(value, "optional")) return [value];
    return [value.elements[0] ?? unsupported(given.node, "reads an optional without content")];
  },
};

/** How an operator of ONNX's about sequences and optionals is computed, which stands in no table of operators. */
export const sequenceKernel = ({ domain, op }: Node) => (domain === "" ? entryOf(kernels, op) : undefined);
