import { type GradcheckOptions, type GradcheckResult, gradcheck } from "../../autodiff/gradcheck.ts";
import { DiapasonError, nearest } from "../../base/errors.ts";
import { random } from "../../base/random.ts";
import { nameOfType } from "../../formats/onnx/value-types.ts";
import { opNameOf } from "../../graph/attributes.ts";
import { GraphBuilder } from "../../graph/builder.ts";
import { type Dim, substitute, symbolsOf } from "../../graph/dim.ts";
import { bodiesOf, type Graph, type Node, readsOf, type Value } from "../../graph/ir.ts";
import type { NdArray } from "../../graph/kernels/interpret.ts";
import { tensorsIn } from "../../graph/passes/fold-sequences.ts";
import { isSampleRate, usualSampleRate } from "../../graph/sample-rate.ts";
import { int64, sizeOf } from "../../graph/tensor.ts";
import { collectParameters, nodesReaching } from "../../models/parameters.ts";
import {
  batchSymbolOf,
  fedInputs,
  isMask,
  maskLengths,
  probeLengths,
  probeSizes,
} from "../../runtime/probe-inputs.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { toHost } from "./runtime.ts";

/** Size of a named dim that nobody gave. */
const usualSize = 2;

/** Numbers that float64 kernels compute in some ten seconds. */
export const usualEffort = 5e8;

/** Inputs of more numbers are taken one example at a time: two pictures of a detector take the kernels twice as long. */
const manyNumbers = 1e6;

/**
 * Appends a scalar on which every float output depends: Σ over outputs and elements of w · element, with weights
 * w = cos(position), so that no symmetry (a Softmax sums to 1) hides a gradient. An output that is a sequence counts by
 * its tensors; one that depends on no weight, or that an operator makes of which nothing is known, is left out where there
 * are others. `asked`: the parameters that are meant; default: the graph's weights. Result: its name.
 */
export function attachTestLoss(graph: Graph, seed: number, asked?: readonly string[]): string {
  const scalar = graph.outputs.find((value) => value.dtype === "float32" && value.shape?.length === 0);
  if (scalar) return scalar.name;
  const all = graph.outputs
    .flatMap((value) => (value.opaqueType ? (tensorsIn(value) ?? []) : [value]))
    .filter(({ dtype, shape }) => (dtype === "float32" || dtype === "float64") && shape !== undefined);
  const isKnown = (value: Value) => ![...nodesReaching(value)].some((node) => isUnknown(node));
  const learns = (value: Value) =>
    asked
      ? [...nodesReaching(value)].some((node) => readsOf(node).some(({ name }) => asked.includes(name)))
      : collectParameters(graph, value).parameters.length > 0;
  const outputs = new Set(narrowed(narrowed(all, learns), isKnown));
  if (outputs.size === 0) throw nothingToCheck(graph);
  const g = new GraphBuilder(graph);
  const sums = [...outputs].map((value) => g.cast(weightedSum(g, value, seed), "float32"));
  const loss = sums.reduce((a, b) => g.add(a, b));
  graph.addOutput(loss);
  graph.rename(loss, graph.freshName("gradcheck.loss"));
  return loss.name;
}

/** Those that a test takes, or all where it takes none. */
function narrowed<T>(all: readonly T[], takes: (one: T) => boolean): readonly T[] {
  const some = all.filter(takes);
  return some.length > 0 ? some : all;
}

function nothingToCheck({ outputs }: Graph): DiapasonError {
  const text = ({ name, dtype, opaqueType, shape }: Value) =>
    `${name} ${opaqueType ? nameOfType(opaqueType) : (dtype ?? "of unknown type")} [${shape?.join(", ") ?? "?"}]`;
  return new DiapasonError(
    "app/nothing-to-check",
    outputs.length > 0
      ? `None of the outputs is float32 or float64 with a known rank: ${outputs.map(text).join(", ")}.`
      : "The graph has no outputs.",
    outputs.length > 0
      ? "Name a scalar value with --loss."
      : "Export the model with the outputs it is used for.",
  );
}

/** An operator that is not in the table, which neither a rule nor the float64 kernels know. */
const isUnknown = (node: Node): boolean =>
  opNameOf(node) === undefined || bodiesOf(node).some((body) => body.nodes.some(isUnknown));

/** Σ cos(i + seed) · xᵢ over the elements of x in row-major order. */
export function weightedSum(g: GraphBuilder, value: Value, seed: number): Value {
  const flat = g.reshape(value, [-1]);
  const [zero, one] = [g.tensor(int64([], [0]), "zero"), g.tensor(int64([], [1]), "one")];
  const positions = g.op("Range", [zero, g.squeeze(g.shapeOf(flat), [0]), one]);
  const weights = g.op("Cos", [g.add(g.cast(positions, value), g.scalar(seed, value))]);
  return g.sum(g.mul(flat, weights), [0]);
}

/** Random inputs of a graph at sizes that fit its named dims; `symbols` are the sizes used. */
export function randomFeeds(
  graph: Graph,
  sizes: Readonly<Record<string, number>>,
  seed: number,
): { readonly feeds: ReadonlyMap<string, NdArray>; readonly symbols: Readonly<Record<string, number>> } {
  const fed = graph.inputs.filter((value) => !value.constant);
  const names = fed
    .flatMap((value) => value.shape ?? [])
    .filter((dim): dim is string => typeof dim === "string");
  const symbols = new Map(names.map((name) => [name, sizes[name] ?? usualSize]));
  const feeds = new Map(fed.map((value) => [value.name, randomArray(value, symbols, seed)]));
  return { feeds, symbols: Object.fromEntries(symbols) };
}

/**
 * Sizes for the open dims of the inputs at which the graph runs, small ones first: some models take one example at a
 * time only, some a window of sound, some as many steps as they were exported with. Those that are given stay.
 * @throws app/bad-option when a size is given that the inputs do not have
 * @throws app/no-sizes when it runs at none of those tried
 */
export async function runnableSizes(
  graph: Graph,
  runtime: Runtime,
  given: Readonly<Record<string, number>>,
): Promise<Readonly<Record<string, number>>> {
  const open = [...new Set(fedInputs(graph).flatMap(({ shape = [] }) => shape.flatMap(symbolsOf)))];
  for (const name of Object.keys(given)) if (!open.includes(name)) throw noSuchSize(name, open);
  if (open.every((symbol) => Object.hasOwn(given, symbol))) return given;
  const executable = await runtime.compile(graph);
  let refusal: DiapasonError | undefined;
  try {
    for (const sizes of candidates(graph, open, given)) {
      const { feeds } = randomFeeds(graph, sizes, 0);
      try {
        await executable.run(Object.fromEntries([...feeds].map(([name, array]) => [name, toHost(array)])));
        return sizes;
      } catch (error) {
        // the next sizes may be better ones
        if (!(error instanceof DiapasonError) || error.code === "base/bug") throw error;
        refusal ??= error;
      }
    }
    const asked = open.filter((symbol) => !Object.hasOwn(given, symbol));
    throw new DiapasonError(
      "app/no-sizes",
      `The graph ran at none of the sizes that were tried for ${asked.join(", ")}. At the first: ${refusal!.message}`,
      `Give sizes at which it runs: --sizes ${asked.map((symbol) => `${symbol}=…`).join(" ")}.`,
      refusal,
    );
  } finally {
    await executable.dispose();
  }
}

function noSuchSize(name: string, known: readonly string[]): DiapasonError {
  const near = nearest(name, known);
  return new DiapasonError(
    "app/bad-option",
    `No input has a size "${name}"; open are ${known.join(", ") || "none"}.`,
    near ? `Write "${near}".` : "Name a size that is open.",
  );
}

const tracedLengths = [3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 1];

function* candidates(
  graph: Graph,
  open: readonly string[],
  given: Readonly<Record<string, number>>,
): Iterable<Record<string, number>> {
  const [batch, all] = [batchSymbolOf(graph), open.map((symbol) => [symbol, usualSize] as const)];
  const usual = new Map([...all, ...Object.entries(given)]);
  const small = { ...Object.fromEntries([...all, ...maskLengths(graph, usual)]), ...given };
  const sizes = new Map(Object.entries(small));
  const numbers = fedInputs(graph).reduce(
    (n, { shape = [] }) => n + sizeOf(shape.map((dim) => numberAt(dim, sizes))),
    0,
  );
  if (batch && numbers > manyNumbers) yield { ...small, [batch]: 1, ...given };
  yield small;
  if (batch) yield { ...small, [batch]: 1, ...given };
  const [first, ...longer] = probeLengths;
  // a loop over time that an export unrolled runs at one length only, that of its example
  for (const length of [first, ...tracedLengths, ...longer])
    for (const count of [usualSize, 1])
      yield Object.fromEntries(probeSizes(graph, { batch: count, isLarger: false, length, known: given }));
  // the first dim may be time: a convolution over frames that takes no batch
  for (const length of tracedLengths)
    yield { ...Object.fromEntries(open.map((symbol) => [symbol, length])), ...given };
}

/**
 * Checks gradients at the feeds, or at their magnitudes where the loss of those is no number: a variance that is an input,
 * what a root or a logarithm is taken of.
 * @throws autodiff/loss-not-finite
 */
export async function gradcheckWhereFinite(
  graph: Graph,
  options: GradcheckOptions,
): Promise<GradcheckResult> {
  try {
    return await gradcheck(graph, options);
  } catch (error) {
    if (!(error instanceof DiapasonError) || error.code !== "autodiff/loss-not-finite") throw error;
    const isInput = (name: string) => !options.parameters.includes(name);
    const feeds = Array.from(
      options.feeds,
      ([name, array]) => [name, isInput(name) ? magnitudesOf(array) : array] as const,
    );
    return gradcheck(graph, { ...options, feeds: new Map(feeds) });
  }
}

const magnitudesOf = (array: NdArray): NdArray => ({ ...array, data: array.data.map(Math.abs) });

/** Says how long sequences are: of one that is empty, all is hidden, and its attention no number. */
const isLength = ({ name, shape }: Value): boolean => shape?.length === 1 && /len(gth)?s?$/i.test(name);

/** Normal numbers for floats, 1 for masks and lengths, 0 and 1 for everything else (token ids, flags). */
function randomArray(value: Value, symbols: ReadonlyMap<string, number>, seed: number): NdArray {
  const dims = (value.shape ?? []).map((dim) => numberAt(dim, symbols));
  const draws = random(seed, "gradcheck input", value.name);
  const isFloat = value.dtype?.startsWith("float") ?? true;
  const draw = () => (isFloat ? Math.fround(draws.normal()) : draws.integer(2));
  const fill = isSampleRate(value)
    ? () => usualSampleRate
    : isMask(value) || isLength(value)
      ? () => 1
      : draw;
  const data = Float64Array.from({ length: sizeOf(dims) }, fill);
  return { dtype: value.dtype ?? "float32", dims, data };
}

function numberAt(dim: Dim, symbols: ReadonlyMap<string, number>): number {
  const size = substitute(dim, symbols);
  return typeof size === "number" ? size : usualSize;
}
