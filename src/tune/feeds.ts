import { bug, DiapasonError } from "../base/errors.ts";
import { randomMask } from "../base/random-mask.ts";
import { type Shape, substitute } from "../graph/dim.ts";
import { dropoutShare } from "../graph/dropout-input.ts";
import type { Graph } from "../graph/ir.ts";
import { sizeOf } from "../graph/tensor.ts";
import type { HostTensor } from "../runtime/runtime.ts";
import type { TuneBatch } from "./data.ts";

/** Usual name of the graph input that says how much each example counts, [batch]. */
const weightsInput = "weights";

/** A graph input that the loop fills with random numbers: a dropout mask, 0 with probability `p`, else 1 / (1 − p). */
export interface RandomInput {
  readonly name: string;
  readonly p: number;
  /** May hold symbols, whose sizes are those of the batch at hand. */
  readonly dims: Shape;
}

/** The random inputs of a graph, told by their names, with `batch` in place of the symbol. */
export function randomInputs(graph: Graph, batch: number): readonly RandomInput[] {
  const sizes = new Map([["batch", batch]]);
  return graph.inputs.flatMap(({ name, shape }) => {
    const p = dropoutShare(name);
    if (p === undefined) return [];
    const dims = shape ?? bug(`the random input "${name}" has no shape`);
    return [{ name, p, dims: dims.map((dim) => substitute(dim, sizes)) }];
  });
}

/** What one run of a training graph is fed, and what for. */
export interface Feeds {
  readonly ids: readonly string[];
  /** How much loss it carries; of batches that do not say it, their examples. */
  readonly count: number;
  readonly tensors: Readonly<Record<string, HostTensor>>;
}

/** Where a batch stands in a run: what its random numbers hang on. */
export interface BatchPosition {
  readonly seed: number;
  readonly epoch: number;
  readonly batch: number;
}

/**
 * A batch as the training graph takes it: filled up to `size` examples by repeating its own (they keep batch statistics
 * plausible) at weight 0, with weights where the graph wants them and random inputs drawn for this place in the run.
 *
 * `weights`: name of the graph's input for them.
 * @throws tune/bad-batch
 */
export function feedsOf(
  batch: TuneBatch,
  size: number,
  graph: Graph,
  drawn: readonly RandomInput[],
  position: BatchPosition,
  weights: string = weightsInput,
): Feeds {
  const count = batch.ids.length;
  if (count === 0 || count > size)
    throw badBatch(`A batch has ${count} examples; from 1 to ${size} are expected`, "Check the data source");
  const tensors: Record<string, HostTensor> = {};
  for (const [name, tensor] of Object.entries(batch.inputs)) {
    if (tensor.dims[0] !== count)
      throw badBatch(
        `The input "${name}" is [${tensor.dims.join(", ")}] for ${count} examples`,
        "Make axis 0 of every input count the examples",
      );
    tensors[name] = count === size ? tensor : filledUp(tensor, size);
  }
  const hasWeights = graph.inputs.some(({ name }) => name === weights);
  if (hasWeights && !tensors[weights]) tensors[weights] = ones(count, size);
  else if (count < size) {
    if (!hasWeights)
      throw badBatch(
        `A batch has ${count} of ${size} examples, and the loss takes no weights to leave out the rest`,
        `Give the graph an input "${weights}" [batch], or the data a multiple of ${size} examples`,
      );
    (tensors[weights]!.data as Float32Array).fill(0, count);
  }
  if (drawn.length > 0) {
    const sizes = sizesIn(graph, tensors);
    for (const input of drawn) tensors[input.name] = mask(input, sizes, position);
  }
  return { ids: batch.ids, count: batch.count ?? count, tensors };
}

/**
 * The batches of a step with the number that a loss which is a sum is multiplied by: batches / what they count together,
 * because the step averages over its batches. `scale`: name of the graph's input for it.
 * @throws tune/bad-batch when nothing in them carries loss
 */
export function scaledTogether(batches: readonly Feeds[], scale: string): readonly Feeds[] {
  const total = batches.reduce((sum, { count }) => sum + count, 0);
  if (!(total > 0))
    throw badBatch(
      `Nothing in the ${batches.length === 1 ? "batch" : "batches"} of ${batches[0]?.ids[0] ?? "no example"} … carries loss`,
      "Leave out examples without a label",
    );
  const factor: HostTensor = { dtype: "float32", dims: [], data: Float32Array.of(batches.length / total) };
  return batches.map((batch) => ({ ...batch, tensors: { ...batch.tensors, [scale]: factor } }));
}

function filledUp({ dtype, dims, data }: HostTensor, size: number): HostTensor {
  const row = sizeOf(dims.slice(1));
  const filled = new (data.constructor as new (n: number) => typeof data)(size * row);
  filled.set(data as never);
  for (let at = dims[0]! * row; at < filled.length; at *= 2)
    filled.copyWithin(at, 0, Math.min(at, filled.length - at));
  return { dtype, dims: [size, ...dims.slice(1)], data: filled };
}

const ones = (count: number, size: number): HostTensor => ({
  dtype: "float32",
  dims: [size],
  data: new Float32Array(size).fill(1, 0, count),
});

/** What the symbols of a graph's inputs stand for in the tensors that are fed. */
function sizesIn(graph: Graph, tensors: Readonly<Record<string, HostTensor>>): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  for (const { name, shape } of graph.inputs)
    for (const [axis, dim] of (shape ?? []).entries()) {
      const size = tensors[name]?.dims[axis];
      if (typeof dim === "string" && size !== undefined) sizes.set(dim, size);
    }
  return sizes;
}

function mask(
  { name, p, dims }: RandomInput,
  symbols: ReadonlyMap<string, number>,
  { seed, epoch, batch }: BatchPosition,
): HostTensor {
  const sizes = dims.map((dim) => {
    const size = substitute(dim, symbols);
    return typeof size === "number" ? size : bug(`"${name}" has the size ${size}, which no input tells`);
  });
  return { dtype: "float32", dims: sizes, data: randomMask(sizeOf(sizes), p, seed, name, epoch, batch) };
}

const badBatch = (found: string, fix: string) => new DiapasonError("tune/bad-batch", `${found}.`, `${fix}.`);
