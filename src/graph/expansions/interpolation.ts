import { range } from "../builder.ts";
import type { AttributesOf } from "../schemas.ts";

/** One axis of a Resize: how large it was, how large it becomes, and by what factor. */
export interface ResizedAxis {
  readonly from: number;
  readonly to: number;
  readonly scale: number;
  /** Where the region begins and ends, as shares of the axis: read by "tf_crop_and_resize" alone. */
  readonly region: readonly [number, number];
}

/** The input elements that one output element is made of. */
export interface Taps {
  readonly at: readonly number[];
  readonly weights: readonly number[];
  /** Whether the element lies outside the input, and is the extrapolation value. */
  readonly isOutside: boolean;
}

type Resize = AttributesOf<"Resize">;

/** What each output element of an axis is made of; clamped at the ends, weights summing to 1 unless outside. */
export function interpolation(axis: ResizedAxis, attributes: Resize): readonly Taps[] {
  return range(axis.to).map((index) => {
    const x = coordinate(index, axis, attributes);
    const isCropped = attributes.coordinate_transformation_mode === "tf_crop_and_resize";
    if (isCropped && (x < 0 || x > axis.from - 1)) return { at: [], weights: [], isOutside: true };
    return { ...tapsAt(x, axis, attributes), isOutside: false };
  });
}

/**
 * The place of an output element on the input's axis, by ONNX's formulas.
 *
 * What is nearest is decided in float32, as runtimes do; weights are smooth in the place and take it as it is.
 */
function coordinate(index: number, axis: ResizedAxis, attributes: Resize): number {
  const round = attributes.mode === "nearest" ? Math.fround : (x: number) => x;
  return round(unrounded(index, axis, attributes.coordinate_transformation_mode, round));
}

function unrounded(
  index: number,
  { from, to, scale, region }: ResizedAxis,
  mode: string,
  round: (x: number) => number,
): number {
  const halfPixel = round((index + 0.5) / scale) - 0.5;
  switch (mode) {
    case "asymmetric":
      return index / scale;
    case "align_corners":
      return to === 1 ? 0 : (index * (from - 1)) / (to - 1);
    case "pytorch_half_pixel":
      return to === 1 ? 0 : halfPixel;
    case "half_pixel_symmetric":
      return round((from / 2) * (1 - to / round(scale * from)) + round((index + 0.5) / scale)) - 0.5;
    case "tf_crop_and_resize": {
      const [start, end] = region;
      if (to === 1) return 0.5 * (start + end) * (from - 1);
      return start * (from - 1) + (index * (end - start) * (from - 1)) / (to - 1);
    }
    default:
      return halfPixel;
  }
}

function tapsAt(x: number, { from, scale }: ResizedAxis, attributes: Resize): Omit<Taps, "isOutside"> {
  const clamp = (at: number) => Math.max(0, Math.min(from - 1, at));
  if (attributes.mode === "nearest")
    return { at: [clamp(rounded(x, attributes.nearest_mode))], weights: [1] };
  // a shrinking filter is as wide as the output's pixels
  const shrink = attributes.antialias === 1 ? Math.min(scale, 1) : 1;
  const reach = attributes.mode === "cubic" ? 2 : 1;
  const weigh = attributes.mode === "cubic" ? (t: number) => cubic(t, attributes.cubic_coeff_a) : triangle;
  const first = Math.floor(x) + Math.floor(-reach / shrink) + 1;
  const last = Math.floor(x) - Math.floor(-reach / shrink);
  const isInside = (at: number) => at >= 0 && at < from;
  const taps = range(first, last + 1)
    .filter((at) => attributes.exclude_outside === 0 || isInside(at))
    .map((at) => ({ at: clamp(at), weight: weigh((at - x) * shrink) }))
    .filter(({ weight }) => weight !== 0);
  const total = taps.reduce((sum, { weight }) => sum + weight, 0);
  return { at: taps.map(({ at }) => at), weights: taps.map(({ weight }) => weight / total) };
}

function rounded(x: number, mode: string): number {
  switch (mode) {
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    case "round_prefer_ceil":
      return Math.floor(x + 0.5);
    default:
      return Math.ceil(x - 0.5);
  }
}

const triangle = (t: number): number => Math.max(0, 1 - Math.abs(t));

/** Keys 1981, eq. 4, with the free coefficient a. */
function cubic(t: number, a: number): number {
  const d = Math.abs(t);
  if (d >= 2) return 0;
  return d <= 1 ? (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1 : a * (d ** 3 - 5 * d ** 2 + 8 * d - 4);
}

/** The same as a matrix [to, from], row by row: y = M·x. */
export function matrixOf(taps: readonly Taps[], from: number): readonly number[] {
  const matrix = new Array<number>(taps.length * from).fill(0);
  for (const [row, { at, weights }] of taps.entries())
    for (const [i, column] of at.entries()) matrix[row * from + column]! += weights[i]!;
  return matrix;
}

/** k where the taps repeat each element k times in a row, as a nearest upscale does; undefined otherwise. */
export function repeatsOf(taps: readonly Taps[], from: number): number | undefined {
  const times = taps.length / from;
  const isRepeat = ({ at, weights }: Taps, i: number) =>
    at.length === 1 && at[0] === Math.floor(i / times) && weights[0] === 1;
  return times >= 1 && Number.isInteger(times) && taps.every(isRepeat) ? times : undefined;
}

/** How an upscale by a whole factor spreads an element that is far from the ends: the same for all of them. */
export interface Stencil {
  readonly scale: number;
  /** The first output element that reads input element i is scale·i + first. */
  readonly first: number;
  readonly weights: readonly number[];
  /** How many elements beyond each end are read, for which the end's own stands. */
  readonly reach: number;
}

/** The stencil of an axis of any size; undefined where there is none that holds for all elements. */
export function stencilOf(scale: number, attributes: Resize): Stencil | undefined {
  const { mode, coordinate_transformation_mode: how, exclude_outside } = attributes;
  if (mode === "nearest" || exclude_outside === 1 || how === "align_corners" || how === "tf_crop_and_resize")
    return undefined;
  if (!Number.isInteger(scale) || scale < 2) return undefined;
  const [from, middle] = [16, 8];
  const taps = interpolation({ from, to: from * scale, scale, region: [0, 1] }, attributes);
  const all = taps.map(({ at, weights }) => weights.find((_, i) => at[i] === middle) ?? 0);
  const begin = all.findIndex((weight) => weight !== 0);
  const end = all.findLastIndex((weight) => weight !== 0) + 1;
  const reach = mode === "cubic" ? 2 : 1;
  return { scale, first: begin - scale * middle, weights: all.slice(begin, end), reach };
}
