import { bodyOf, type Graph } from "../ir.ts";
import { scanSteps } from "../steps.ts";
import { type Call, required, sameDims, shapeMismatch } from "./kernel.ts";
import { type NdArray, ndArray } from "./nd-array.ts";

const branch = ({ node, inputs, run }: Call<"If">): readonly NdArray[] =>
  run(bodyOf(node, required({ node, inputs }, 0).data[0] ? "then_branch" : "else_branch"), new Map());

const feedsOf = (body: Graph, values: readonly NdArray[]): ReadonlyMap<string, NdArray> =>
  new Map(body.inputs.map((input, i) => [input.name, values[i]!]));

/** Inputs: trip count?, condition?, carried values. Outputs: carried values, then one row of each scan output a turn. */
function loop({ node, inputs: [limit, condition, ...initial], run }: Call<"Loop">): readonly NdArray[] {
  const body = bodyOf(node, "body");
  const [turnDims, goesDims] = body.inputs.map(({ shape }) => (shape?.length === 1 ? [1] : []));
  let carried = initial as NdArray[];
  let goes = condition?.data[0] ?? 1;
  const rows: NdArray[][] = [];
  for (let turn = 0; goes && turn < (limit?.data[0] ?? Number.POSITIVE_INFINITY); turn++) {
    const values = [ndArray("int64", turnDims!, [turn]), ndArray("bool", goesDims!, [goes]), ...carried];
    const [next, ...made] = run(body, feedsOf(body, values));
    goes = next!.data[0]!;
    carried = made.slice(0, carried.length);
    rows.push(made.slice(carried.length));
  }
  const stacks = body.outputs.slice(1 + carried.length).map((output, i) => {
    if (rows.length > 0)
      return stacked(
        rows.map((row) => row[i]!),
        0,
      );
    const dims = output.shape?.map((dim) => (typeof dim === "number" ? dim : 0)) ?? [];
    return ndArray(output.dtype ?? "float32", [0, ...dims], []);
  });
  return [...carried, ...stacks];
}

/** Inputs: states, then arrays that are cut into steps. Outputs: states, then one slice a step of each scan output. */
function scan({ node, inputs, run }: Call<"Scan">): readonly NdArray[] {
  const steps = scanSteps(node);
  let states = inputs.slice(0, steps.carried.length) as NdArray[];
  const wholes = inputs.slice(states.length) as NdArray[];
  const slices = wholes.map((whole, i) => {
    const each = sliced(whole, steps.inputs[i]!.axis);
    return steps.inputs[i]!.isReversed ? each.reverse() : each;
  });
  const rows: NdArray[][] = [];
  for (let step = 0; step < (slices[0]?.length ?? 0); step++) {
    const made = run(steps.body, feedsOf(steps.body, [...states, ...slices.map((each) => each[step]!)]));
    states = made.slice(0, states.length);
    rows.push(made.slice(states.length));
  }
  const stacks = steps.outputs.map(({ axis, isReversed }, i) => {
    const each = rows.map((row) => row[i]!);
    return stacked(isReversed ? each.reverse() : each, axis);
  });
  return [...states, ...stacks];
}

const product = (sizes: readonly number[]): number => sizes.reduce((n, size) => n * size, 1);

/** The slices of an array along an axis, which they no longer have. */
function sliced({ dtype, dims, data }: NdArray, along: number): NdArray[] {
  const axis = along < 0 ? along + dims.length : along;
  const [outer, count, inner] = [product(dims.slice(0, axis)), dims[axis]!, product(dims.slice(axis + 1))];
  return Array.from({ length: count }, (_, at) => {
    const slice = new Float64Array(outer * inner);
    for (let o = 0; o < outer; o++) {
      const from = (o * count + at) * inner;
      slice.set(data.subarray(from, from + inner), o * inner);
    }
    return ndArray(dtype, dims.toSpliced(axis, 1), slice);
  });
}

/** Slices put together along a new axis. @throws graph/shape-mismatch where they are not of one shape. */
function stacked(slices: readonly NdArray[], along: number): NdArray {
  const { dtype, dims } = slices[0]!;
  const other = slices.find((slice) => !sameDims(slice.dims, dims));
  if (other)
    return shapeMismatch(
      "Steps of a Loop or Scan",
      `one gives [${dims}] and another [${other.dims}] for the same array`,
      "Give every step the same sizes: what differs from step to step cannot be stacked.",
    );
  const axis = along < 0 ? along + dims.length + 1 : along;
  const [outer, count, inner] = [product(dims.slice(0, axis)), slices.length, product(dims.slice(axis))];
  const data = new Float64Array(outer * count * inner);
  for (const [at, slice] of slices.entries())
    for (let o = 0; o < outer; o++)
      data.set(slice.data.subarray(o * inner, (o + 1) * inner), (o * count + at) * inner);
  return ndArray(dtype, dims.toSpliced(axis, 0, count), data);
}

/** The operators that have bodies. */
export const controlFlow = { If: branch, Loop: loop, Scan: scan } as const;
