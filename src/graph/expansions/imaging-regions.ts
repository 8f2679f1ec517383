import { type GraphBuilder, type Operand, range } from "../builder.ts";
import { knownNumbers } from "../infer.ts";
import type { Node, Value } from "../ir.ts";
import type { AttributesOf } from "../schemas.ts";
import { type Composite, type Expansions, noExpansion } from "./expansion.ts";
import { productOf, rampOf, reshapeTo, sizeAlong, sizeLike } from "./open-sizes.ts";
import { type AxisTaps, clamped } from "./sampling.ts";

/** What a RoiAlign node says. */
interface Aligning {
  readonly g: GraphBuilder;
  readonly node: Node;
  readonly x: readonly Value[] & { readonly 0: Value; readonly 1: Value; readonly 2: Value };
  readonly attrs: AttributesOf<"RoiAlign">;
}

/** The pixels that every bin of every region reads, and what each counts: both [regions·height·width, taps]. */
export interface RegionTaps {
  /** Rows of all images' pixels, one after another. */
  readonly row: Value;
  readonly weight: Value;
}

/** The fractions of a region's bins where an axis is sampled, and the share of each sample. */
interface Samples {
  /** [regions or 1, bins, samples] */
  readonly at: Value;
  /** [regions or 1, bins or 1, samples]. Of a maximum, 1 or, in a region without samples, 0. */
  readonly share: Value;
  /** int64 [1] where only the run knows. */
  readonly count: Operand;
}

export function regionTaps(aligning: Aligning): RegionTaps {
  const { g, x, attrs } = aligning;
  const [input, rois, images] = x;
  const [height, width] = [2, 3].map((axis) => sizeAlong(g, input, axis)) as [Operand, Operand];
  const isHalf = attrs.coordinate_transformation_mode === "half_pixel";
  const corners = g.sub(g.mul(rois, attrs.spatial_scale), isHalf ? 0.5 : 0);
  const axis = (first: number, among: Operand, bins: number): AxisTaps & Pick<Samples, "count"> => {
    const size = sizeLike(g, among, corners);
    const start = g.slice(corners, [1], [first], [first + 1]);
    const extent = g.sub(g.slice(corners, [1], [first + 2], [first + 3]), start);
    const length = isHalf ? extent : g.max(extent, 1);
    const samples = samplesOf(aligning, { first, bins, length });
    const column = (value: Value) => g.unsqueeze(value, [2]);
    const at = g.add(column(start), g.mul(column(length), samples.at));
    const isInside = g.op("And", [g.greaterOrEqual(at, -1), g.lessOrEqual(at, size)]);
    const taps = pixelTaps(g, clamped(g, at, size), size);
    const counted = g.mul(g.where(isInside, 1, g.mul(at, 0)), samples.share);
    return { at: taps.at, weight: g.mul(taps.weight, g.unsqueeze(counted, [3])), count: samples.count };
  };
  const y = axis(1, height, attrs.output_height);
  const across = axis(0, width, attrs.output_width);
  // [regions, bins, samples, 2] of both axes crossed: [regions, height, width, samples, samples, 2, 2]
  const crossed = (a: Value, b: Value, by: (a: Value, b: Value) => Value) =>
    by(g.unsqueeze(a, [2, 4, 6]), g.unsqueeze(b, [1, 3, 5]));
  const image = g.unsqueeze(g.mul(g.cast(images, "int64"), productOf(g, [height, width])), range(1, 7));
  const pixel = crossed(g.mul(g.cast(y.at, "int64"), width), g.cast(across.at, "int64"), g.add);
  // four pixels for every pair of samples
  const flat = [-1, productOf(g, [4, y.count, across.count])];
  return {
    row: reshapeTo(g, g.add(pixel, image), flat),
    weight: reshapeTo(g, crossed(y.weight, across.weight, g.mul), flat),
  };
}

/** The number of channels of an image. @throws what `noExpansion` throws */
export function channelsOf(node: Node, image: Value): number {
  const channels = image.shape?.[1];
  return typeof channels === "number"
    ? channels
    : noExpansion(
        node,
        `it needs the number of channels of "${image.name}"; known is [${image.shape?.join(", ") ?? "?"}]`,
      );
}

/** The two pixels around a place, in a last axis. */
function pixelTaps(g: GraphBuilder, at: Value, size: Operand): AxisTaps {
  const floor = g.op("Floor", [at]);
  const past = g.unsqueeze(g.sub(at, floor), [3]);
  const weight = g.add(g.mul(past, g.constant([-1, 1], at.dtype)), g.constant([1, 0], at.dtype));
  const next = g.add(g.unsqueeze(floor, [3]), g.constant([0, 1], at.dtype));
  return { at: clamped(g, next, size), weight };
}

/** A sample's part of a mean over `count`; none for one that stands there because another region has more. */
const meanShare = (count: number, sample: number): number => (sample < count ? 1 / count : 0);

/** One axis of all regions: their column of begins, the number of bins, and how long they are, [regions, 1]. */
interface Extents {
  readonly first: number;
  readonly bins: number;
  readonly length: Value;
}

/** As many samples as are asked for, or one a pixel of each region: none in a region that is turned inside out. */
function samplesOf({ g, x, attrs }: Aligning, extents: Extents): Samples {
  const [, rois] = x;
  const { first, bins } = extents;
  const known = attrs.sampling_ratio > 0 ? undefined : knownNumbers(rois);
  if (attrs.sampling_ratio <= 0 && !known) return samplesAtRunTime(g, extents, attrs.mode);
  const isHalf = attrs.coordinate_transformation_mode === "half_pixel";
  const counts = known
    ? range(known.length / 4).map((region) => {
        const extent = (known[4 * region + first + 2]! - known[4 * region + first]!) * attrs.spatial_scale;
        return Math.max(0, Math.ceil(Math.fround((isHalf ? extent : Math.max(extent, 1)) / bins)));
      })
    : [attrs.sampling_ratio];
  const most = Math.max(1, ...counts);
  const each = <T>(of: (count: number, bin: number, sample: number) => T) =>
    counts.flatMap((count) =>
      range(bins).flatMap((bin) => range(most).map((sample) => of(count, bin, sample))),
    );
  const at = each(
    (count, bin, sample) =>
      (bin + (Math.min(sample, Math.max(count, 1) - 1) + 0.5) / Math.max(count, 1)) / bins,
  );
  const shareOf = attrs.mode === "max" ? (count: number) => Math.min(count, 1) : meanShare;
  const share = each((count, _, sample) => shareOf(count, sample));
  const dims = [counts.length, bins, most];
  return { at: g.constant(at, rois.dtype, dims), share: g.constant(share, rois.dtype, dims), count: most };
}

/** One sample a pixel of regions that only the run knows. */
function samplesAtRunTime(g: GraphBuilder, { bins, length }: Extents, mode: string): Samples {
  const counts = g.unsqueeze(g.max(g.op("Ceil", [g.div(length, bins)]), 0), [2]);
  const some = g.max(counts, 1);
  // beside 1, as there may be no region
  const all = g.concat([g.constant([1], length.dtype), g.op("Reshape", [counts, g.ints([-1])])], 0);
  const most = g.cast(g.op("ReduceMax", [all], { keepdims: 1 }), "int64");
  const sample = rampOf(g, most, length.dtype ?? "float32");
  const bin = g.constant(range(bins), length.dtype, [bins, 1]);
  const within = g.div(g.add(g.min(sample, g.sub(some, 1)), 0.5), some);
  const mean = g.where(g.less(sample, counts), g.div(g.scalar(1, length), some), 0);
  return {
    at: g.div(g.add(within, bin), bins),
    share: mode === "max" ? g.min(counts, 1) : mean,
    count: most,
  };
}

/** The pixels of all images as rows: [images·pixels, channels]. */
export const allPixels = (g: GraphBuilder, x: Value, channels: number): Value =>
  g.reshape(g.transpose(x, [0, 2, 3, 1]), [-1, channels]);

/** Weighted pixels of every bin: [regions·height·width, taps, channels]. */
export const weightedPixels = (g: GraphBuilder, pixels: Value, { row, weight }: RegionTaps): Value =>
  g.mul(g.op("Gather", [pixels, row]), g.unsqueeze(g.cast(weight, pixels), [2]));

function roiAlign({ g, node, x, attrs }: Composite<"RoiAlign">): Value {
  const channels = channelsOf(node, x[0]);
  const read = weightedPixels(g, allPixels(g, x[0], channels), regionTaps({ g, node, x, attrs }));
  const bins =
    attrs.mode === "max" ? g.op("ReduceMax", [read, g.ints([1])], { keepdims: 0 }) : g.sum(read, [1]);
  const { output_height: height, output_width: width } = attrs;
  return g.transpose(g.reshape(bins, [-1, height, width, channels]), [0, 3, 1, 2]);
}

export const regions = { RoiAlign: roiAlign } as const satisfies Expansions;
