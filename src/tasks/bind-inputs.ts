import { DiapasonError, nearest } from "../base/errors.ts";
import { encode } from "../graph/builder/encode.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Dim } from "../graph/dim.ts";
import type { Graph, Value } from "../graph/ir.ts";
import { sizeOf } from "../graph/tensor.ts";
import { type ArrayInfo, arrayText, described } from "./target.ts";

/** Inputs that are one number for every example: by name. */
export type FixedInputs = ReadonlyMap<string, number>;

/** Reads `NAME=NUMBER`. @throws tasks/bad-declaration */
export function parseFixed(texts: readonly string[]): FixedInputs {
  return new Map(
    texts.map((text) => {
      const at = text.lastIndexOf("=");
      const [name, number] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
      if (at > 0 && name !== "" && number !== "" && Number.isFinite(Number(number)))
        return [name, Number(number)] as const;
      throw new DiapasonError(
        "tasks/bad-declaration",
        `"${text}" does not fix an input: it is not of the form NAME=NUMBER.`,
        'Write it as "sr=16000".',
      );
    }),
  );
}

/** Inputs that must be given: those without a constant that something reads. */
export const readInputs = (graph: Graph): readonly Value[] =>
  graph.inputs.filter((input) => !input.constant && input.consumers.length > 0);

/**
 * Makes inputs constants, in place: one number everywhere. A size that is open counts examples.
 * @throws tasks/missing-input when the graph has no such input, tasks/input-shape when it cannot be filled
 */
export function fixInputs(graph: Graph, fixed: FixedInputs): void {
  for (const [name, number] of fixed) {
    const input = readInputs(graph).find((value) => value.name === name);
    if (!input) {
      // A number for an input that the outputs at hand do not need is no mistake.
      if (graph.inputs.some((value) => value.name === name)) continue;
      throw noInput(graph, name);
    }
    const shape = input.shape;
    const open = shape?.filter((dim) => typeof dim === "string") ?? [];
    if (!input.dtype || !shape || open.length > 1)
      throw new DiapasonError(
        "tasks/input-shape",
        `The input ${described(input)} cannot be fixed to ${number}: ${shape ? "more than one of its sizes is open" : "its sizes are unknown"}.`,
        `Give an array "${name}" in the data instead.`,
      );
    if (open.length === 0) {
      const dims = shape as readonly number[];
      graph.inputToInitializer(
        input,
        encode(input.dtype, dims, new Array<number>(sizeOf(dims)).fill(number)),
      );
    } else fillBatch(graph, input, shape, number);
  }
}

/** Replaces an input by a number expanded to its sizes, of which the open one is the batch of another input. */
function fillBatch(graph: Graph, input: Value, shape: readonly Dim[], number: number): void {
  const counted = readInputs(graph).find((other) => other !== input && other.shape?.[0] === "batch");
  if (!counted)
    throw new DiapasonError(
      "tasks/input-shape",
      `The input ${described(input)} cannot be fixed to ${number}: no other input counts the examples.`,
      `Give an array "${input.name}" in the data instead.`,
    );
  const g = new GraphBuilder(graph, graph.nodes[0]);
  const sizes = shape.map((dim) => (typeof dim === "number" ? g.ints([dim]) : g.sizeOf(counted, 0)));
  const filled = g.op("Expand", [g.constant([number], input.dtype!, []), g.concat(sizes, 0)]);
  filled.shape = shape.map((dim) => (typeof dim === "number" ? dim : "batch"));
  graph.replaceUses(input, filled);
  graph.removeValue(input);
}

function noInput(graph: Graph, name: string): DiapasonError {
  const names = graph.inputs.filter((value) => !value.constant).map((value) => value.name);
  const near = nearest(name, names);
  return new DiapasonError(
    "tasks/missing-input",
    `There is no input "${name}" to fix; the model reads ${names.join(", ")}.`,
    near ? `Did you mean "${near}"?` : "Fix an input that the model has.",
  );
}

/**
 * Gives every input the sizes of the array of its name, in place; what was known of computed sizes is the caller's to
 * infer anew. Result: the inputs that are fed.
 *
 * @throws tasks/missing-input, tasks/input-shape, tasks/fixed-batch
 */
export function bindInputs(graph: Graph, arrays: ReadonlyMap<string, ArrayInfo>): readonly Value[] {
  const sizes = new Map<string, { readonly size: number; readonly array: string }>();
  const fed = readInputs(graph);
  for (const input of fed) {
    const array = arrays.get(input.name);
    if (!array) throw missing(input, arrays);
    const row = rowSizes(input, array);
    row.forEach((dim, axis) => {
      if (typeof dim === "number") return;
      const size = array.dims[axis]!;
      const other = sizes.get(dim);
      if (other && other.size !== size)
        throw new DiapasonError(
          "tasks/input-shape",
          `The size "${dim}" is ${other.size} in the array "${other.array}" and ${size} in "${input.name}"; the model wants it equal.`,
          "Give both arrays the same size there.",
        );
      sizes.set(dim, { size, array: input.name });
    });
    input.shape = ["batch", ...array.dims];
  }
  return fed;
}

/** The input's sizes after the batch, which the array's fit. */
function rowSizes(input: Value, array: ArrayInfo): readonly Dim[] {
  const [batch, ...row] = input.shape ?? ["batch", ...array.dims];
  if (typeof batch === "number")
    throw new DiapasonError(
      "tasks/fixed-batch",
      `The input ${described(input)} takes exactly ${batch} example${batch === 1 ? "" : "s"} at a time.`,
      "Export the model with a batch whose size is open.",
    );
  const fits =
    input.shape?.length !== 0 &&
    row.length === array.dims.length &&
    row.every((dim, i) => typeof dim === "string" || dim === array.dims[i]);
  if (fits) return row;
  throw new DiapasonError(
    "tasks/input-shape",
    `The model's input is ${described(input)}; the array is ${arrayText(input.name, array)}.`,
    input.shape?.length === 0
      ? `Give it one number for all examples: --fix ${input.name}=NUMBER.`
      : "Reshape the array to the sizes of the input, with the examples on the first axis.",
  );
}

function missing(input: Value, arrays: ReadonlyMap<string, ArrayInfo>): DiapasonError {
  const near = nearest(input.name, arrays.keys());
  return new DiapasonError(
    "tasks/missing-input",
    `The model reads ${described(input)}; the data hold ${[...arrays].map(([name, info]) => arrayText(name, info)).join(", ")}.`,
    near
      ? `Rename the array "${near}" to "${input.name}" if that is meant.`
      : `Put an array "${input.name}" into the data, or fix it: --fix ${input.name}=NUMBER.`,
  );
}
