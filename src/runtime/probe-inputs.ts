import { toFloat16 } from "../base/half.ts";
import { type RandomStream, random } from "../base/random.ts";
import { substitute, symbolsOf } from "../graph/dim.ts";
import type { Graph, Value } from "../graph/ir.ts";
import { isSampleRate, usualSampleRate } from "../graph/sample-rate.ts";
import { type DataType, sizeOf } from "../graph/tensor.ts";
import type { HostTensor } from "./runtime.ts";

/** One run of a graph: how many examples, and whether the other open sizes are the usual or larger ones. */
export interface ProbeSize {
  readonly batch: number;
  readonly isLarger: boolean;
  /** Of an open size that is neither the batch nor an image's. */
  readonly length: number;
  /** Sizes that are known. */
  readonly known: { readonly [symbol: string]: number };
}

/** How long sequences are: some models take no short ones, as a window of sound must fit. */
export const probeLengths = [8, 512, 16_000] as const;

/** The symbol that counts examples: the first dim of the first input that is fed, where that is open. */
export function batchSymbolOf(graph: Graph): string | undefined {
  const dim = fedInputs(graph)[0]?.shape?.[0];
  return typeof dim === "string" ? symbolsOf(dim)[0] : undefined;
}

/** The inputs that have no constant. */
export const fedInputs = (graph: Graph): readonly Value[] => graph.inputs.filter((input) => !input.constant);

/**
 * Random arrays for every input, other ones at each size: normal numbers for floats, 0 or 1 for the rest, which are
 * ids, masks and flags. Result: undefined for an input whose type or rank tells too little; its name is then `unfit`.
 */
export function probeInputs(
  graph: Graph,
  size: ProbeSize,
): { readonly feeds: Record<string, HostTensor>; readonly unfit: Value | undefined } {
  const symbols = probeSizes(graph, size);
  const feeds: Record<string, HostTensor> = {};
  for (const input of fedInputs(graph)) {
    const dims = input.shape?.map((dim) => substitute(dim, symbols));
    const draw = random(0, "probe", input.name, size.batch);
    const fill = input.dtype && (isSampleRate(input) ? sampleRate : fills[input.dtype]);
    if (!fill || !dims?.every((dim) => typeof dim === "number")) return { feeds, unfit: input };
    feeds[input.name] = { dtype: input.dtype!, dims, data: fill(sizeOf(dims), draw) };
  }
  return { feeds, unfit: undefined };
}

/** A number for every symbol of the inputs; the same symbol has one number wherever it stands. */
export function probeSizes(graph: Graph, size: ProbeSize): ReadonlyMap<string, number> {
  const { batch, isLarger, length, known } = size;
  const sizes = new Map<string, number>();
  for (const { shape = [] } of fedInputs(graph))
    shape.forEach((dim, axis) => {
      for (const symbol of symbolsOf(dim))
        if (!sizes.has(symbol)) sizes.set(symbol, usual(shape.length, axis, length));
    });
  if (isLarger) for (const [symbol, size] of sizes) if (size !== 3) sizes.set(symbol, size + 32);
  for (const counted of [batchSymbolOf(graph), ...statesBatches(graph), ...masksBatches(graph)])
    if (counted) sizes.set(counted, batch);
  for (const [symbol, given] of Object.entries(known)) sizes.set(symbol, given);
  for (const [symbol, length] of maskLengths(graph, sizes))
    if (!Object.hasOwn(known, symbol)) sizes.set(symbol, length);
  return sizes;
}

/** An input that lets things through where it is 1. */
export const isMask = ({ name }: Value): boolean => /mask/i.test(name);

const flatMasks = (graph: Graph): readonly Value[] =>
  fedInputs(graph).filter((input) => isMask(input) && input.shape?.length === 2);

/** The symbols that count examples in masks [batch, length], where they have one of their own. */
const masksBatches = (graph: Graph): readonly string[] =>
  flatMasks(graph).flatMap(({ shape }) => symbolsOf(shape![0]!));

/**
 * Lengths of masks that no other input has, in a decoder that is given the keys and values of what came before
 * ([…, length, width]): as long as those and the new tokens together.
 */
export function maskLengths(graph: Graph, sizes: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const fed = fedInputs(graph);
  const past = fed.find(
    ({ name, shape }) => /past|cache/i.test(name) && !/encoder/i.test(name) && (shape?.length ?? 0) > 3,
  );
  const tokens = fed.find(
    (input) => /^int/.test(input.dtype ?? "") && input.shape?.length === 2 && !isMask(input),
  );
  const lengths = new Map<string, number>();
  if (!past || !tokens) return lengths;
  const parts = [past.shape!.at(-2)!, tokens.shape![1]!].map((dim) => substitute(dim, sizes));
  const length = parts.reduce<number>((total, part) => total + Number(part), 0);
  for (const mask of flatMasks(graph)) {
    const symbol = mask.shape![1]!;
    const isOwn = fed.every(
      (input) => input === mask || !input.shape?.some((dim) => symbolsOf(dim).includes(`${symbol}`)),
    );
    if (typeof symbol === "string" && symbolsOf(symbol)[0] === symbol && isOwn && length > 0)
      lengths.set(symbol, length);
  }
  return lengths;
}

/** The symbols that count examples in states as recurrent layers have them: [layers, batch, width]. */
const statesBatches = (graph: Graph): readonly string[] =>
  fedInputs(graph).flatMap(({ shape = [] }) =>
    shape.length === 3 && typeof shape[0] === "number" ? symbolsOf(shape[1]!) : [],
  );

/** Images [batch, channels, height, width] of 224 pixels; sequences otherwise. */
const usual = (rank: number, axis: number, length: number): number =>
  rank !== 4 ? length : axis === 1 ? 3 : 224;

type Fill = (size: number, draw: RandomStream) => HostTensor["data"];

const normals: Fill = (size, draw) => Float32Array.from({ length: size }, () => draw.normal());
const sampleRate: Fill = () => BigInt64Array.of(BigInt(usualSampleRate));
const bits: Fill = (size, draw) => Uint8Array.from({ length: size }, () => draw.integer(2));

const fills: { readonly [D in DataType]?: Fill } = {
  float32: normals,
  float64: (size, draw) => Float64Array.from(normals(size, draw) as Float32Array),
  float16: (size, draw) => Uint16Array.from({ length: size }, () => toFloat16(draw.normal())),
  int64: (size, draw) => BigInt64Array.from({ length: size }, () => BigInt(draw.integer(2))),
  int32: (size, draw) => Int32Array.from(bits(size, draw) as Uint8Array),
  int16: (size, draw) => Int16Array.from(bits(size, draw) as Uint8Array),
  int8: (size, draw) => Int8Array.from(bits(size, draw) as Uint8Array),
  uint64: (size, draw) => BigUint64Array.from({ length: size }, () => BigInt(draw.integer(2))),
  uint32: (size, draw) => Uint32Array.from(bits(size, draw) as Uint8Array),
  uint16: (size, draw) => Uint16Array.from(bits(size, draw) as Uint8Array),
  uint8: bits,
  bool: bits,
};
