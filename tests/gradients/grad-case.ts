import { random } from "../../src/base/random.ts";
import { GraphBuilder, range } from "../../src/graph/builder.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import type { NdArray } from "../../src/graph/kernels/interpret.ts";
import { sizeOf } from "../../src/graph/tensor.ts";

/** How a row differs from the ordinary. */
export interface CaseOptions {
  /** Inputs lie between these numbers, one pair for all or one for each; [−2, 2] by default. */
  readonly within?: readonly [number, number] | readonly (readonly [number, number])[];
  /** Instead of drawn numbers: the elements of each input, repeated to its size. */
  readonly at?: readonly (readonly number[])[];
  /** Inputs whose gradient is asked for; all by default. */
  readonly of?: readonly number[];
  /** Sizes are symbols at compile time, so that shapes are taken at run time; or those of the first input's pixels alone. */
  readonly symbolic?: boolean | "pixels";
  /** Why ONNX Runtime's CPU provider cannot run the row. */
  readonly notInRuntime?: string;
  /** Default 1e-6. More where of two forms, with sizes and without, one has constants that float32 rounds. */
  readonly float64Tolerance?: number;
  /** Judged by differences of the graph in which rounding adds what it added at this point: it has steps, no slope. */
  readonly straightThrough?: boolean;
  /** Relative to the largest gradient; default 1e-4. */
  readonly float32Tolerance?: number;
}

export interface GradCase extends CaseOptions {
  readonly shapes: readonly (readonly number[])[];
  readonly build: Build;
}
/** Appends the operator under test; a list's values all go into the loss. */
type Build = (g: GraphBuilder, ...inputs: Value[]) => Value | readonly Value[];

/** A row: inputs such as "1x4x5, 2x3x1x1" ("scalar" has no axes), and what is differentiated. */
export function grad(
  shapes: string,
  build: Build,
  options: CaseOptions | readonly [number, number] = {},
): GradCase {
  const parsed = shapes
    .split(",")
    .map((text) => (text.trim() === "scalar" ? [] : text.trim().split("x").map(Number)));
  return { shapes: parsed, build, ...("length" in options ? { within: options } : options) };
}

export interface BuiltCase {
  readonly graph: Graph;
  readonly feeds: ReadonlyMap<string, NdArray>;
  readonly parameters: readonly string[];
}

/** The loss Σ y ⊙ w with fixed weights, so that no two output elements count the same. */
export function buildCase(row: GradCase): BuiltCase {
  const graph = new Graph("case", [["", 21]]);
  const isSymbol = (i: number, axis: number) =>
    row.symbolic === "pixels" ? i === 0 && axis > 1 : row.symbolic === true;
  const inputs = row.shapes.map((dims, i) =>
    graph.addInput(
      `x${i}`,
      "float32",
      dims.map((size, axis) => (isSymbol(i, axis) ? `x${i}_${axis}` : size)),
    ),
  );
  const g = new GraphBuilder(graph);
  const built = row.build(g, ...inputs);
  const outputs = Array.isArray(built) ? (built as readonly Value[]) : [built as Value];
  const terms = outputs.map((y, i) => weighted(g, y, i));
  const loss = g.add(terms.reduce(g.add), 0);
  graph.rename(loss, "loss");
  graph.addOutput(loss);
  const feeds = new Map(row.shapes.map((dims, i) => [`x${i}`, arrayOf(row, dims, i)]));
  const wanted = row.of ?? range(row.shapes.length);
  return { graph, feeds, parameters: wanted.map((i) => `x${i}`) };
}

/** Σ y ⊙ w, w a cosine over the positions of y (modulo 31, as float32 knows no cosine of a large number): computed in the graph, so that y's shape need not be known. */
function weighted(g: GraphBuilder, y: Value, index: number): Value {
  const flat = g.reshape(y, [-1]);
  const scalar = (value: number) => g.constant([value], "int64", []);
  const count = g.op("Range", [scalar(0), g.op("Size", [y]), scalar(1)]);
  const positions = g.cast(g.op("Mod", [count, scalar(31)]), y);
  const weights = g.op("Cos", [g.add(g.mul(positions, 1.3), 0.4 + index)]);
  return g.op("ReduceSum", [g.mul(flat, weights)], { keepdims: 0 });
}

function arrayOf(row: GradCase, dims: readonly number[], index: number): NdArray {
  const stream = random(7, "case", index, dims.join("x"));
  const { within = [-2, 2], at } = row;
  const [low, high] = (typeof within[0] === "number" ? within : within[index]!) as readonly [number, number];
  const given = at?.[index];
  const data = Float64Array.from({ length: sizeOf(dims) }, (_, i) =>
    // drawn numbers are rounded to float32, so that both precisions judge the same point
    Math.fround(given ? given[i % given.length]! : low + (high - low) * stream.uniform()),
  );
  return { dtype: "float32", dims, data };
}
