import { fromFront } from "../attributes.ts";
import { type Dim, floorQuotient, product, quotient } from "../dim.ts";
import type { OpName } from "../schemas.ts";
import { windowOf } from "../window.ts";
import type { OpenShape, ShapeRule } from "./rule.ts";

/** Sizes that are asked for, or the input's times the scales; with a ratio to keep, what the narrower axis allows. */
const resize: ShapeRule<"Resize"> = (ask) => {
  const { axes: given, keep_aspect_ratio_policy: policy } = ask.attributes;
  const shape = ask.shape(0);
  const sizes = ask.inputs[3] ? ask.values(3) : undefined;
  const scales = ask.inputs[2]?.shape?.[0] === 0 ? undefined : ask.values(2);
  const rank = shape?.length ?? (given.length === 0 ? (sizes ?? scales)?.length : undefined);
  if (rank === undefined) return [{ dtype: ask.dtype(0) }];
  const axes = given.length > 0 ? given.map((axis) => fromFront(axis, rank)) : [...Array(rank).keys()];
  const ratio =
    shape &&
    aspectRatio(
      policy,
      sizes,
      axes.map((axis) => shape[axis]!),
    );
  const resized = (axis: number): Dim | undefined => {
    const size = shape?.[axis];
    const i = axes.indexOf(axis);
    if (i < 0) return size;
    if (sizes && policy === "stretch") return sizes[i];
    if (sizes) return ratio === undefined ? undefined : Math.round(Number(size) * ratio);
    const scale = scales?.[i];
    return typeof scale === "number" && size !== undefined ? scaled(size, scale) : undefined;
  };
  return [{ dtype: ask.dtype(0), shape: Array.from({ length: rank }, (_, axis) => resized(axis)) }];
};

/** The scale that keeps a ratio and makes no axis larger, or none smaller, than asked; undefined for open sizes. */
export function aspectRatio(
  policy: string,
  asked: readonly Dim[] | undefined,
  sizes: readonly Dim[],
): number | undefined {
  const ratios = sizes.map((size, i) => Number(asked?.[i]) / Number(size));
  const ratio = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  return Number.isNaN(ratio) ? undefined : ratio;
}

/** size × factor rounded down; of a symbol only where the factor is whole or one over a whole number. */
function scaled(size: Dim, factor: number): Dim | undefined {
  if (typeof size === "number") return Math.floor(Math.fround(size * factor));
  if (Number.isInteger(factor)) return product([size, factor]);
  return Number.isInteger(1 / factor) ? floorQuotient(size, 1 / factor) : undefined;
}

/** [batch, channels, height, width] with blocks of pixels moved into the channels, or back. */
const blocks =
  <N extends "DepthToSpace" | "SpaceToDepth">(intoChannels: boolean): ShapeRule<N> =>
  (ask) => {
    const shape = ask.shape(0);
    if (shape?.length !== 4) return [{ dtype: ask.dtype(0) }];
    const [batch, channels, height, width] = shape as readonly [Dim, Dim, Dim, Dim];
    const block: number = ask.attributes.blocksize;
    const moved: OpenShape = intoChannels
      ? [batch, product([channels, block * block]), quotient(height, block), quotient(width, block)]
      : [batch, quotient(channels, block * block), product([height, block]), product([width, block])];
    return [{ dtype: ask.dtype(0), shape: moved }];
  };

/** [batch, channels, ...] and then the sizes that another input has from its axis `from` to `to`. */
const sizedBy =
  <N extends "GridSample" | "DeformConv">(
    [channelsOf, channelAxis]: readonly [number, number],
    [sizesOf, from, to]: readonly [number, number, number | undefined],
  ): ShapeRule<N> =>
  (ask) => {
    const places = ask.shape(sizesOf)?.slice(from, to);
    const batch = ask.shape(0)?.[0];
    const shape = places && [batch, ask.shape(channelsOf)?.[channelAxis], ...places];
    return [{ dtype: ask.dtype(0), shape }];
  };

const lpPool: ShapeRule<"LpPool"> = (ask) => {
  const shape = ask.shape(0);
  const sizes = windowOf(ask.node)?.output ?? shape?.slice(2).map(() => undefined);
  return [{ dtype: ask.dtype(0), shape: shape && [shape[0], shape[1], ...sizes!] }];
};

const roiAlign: ShapeRule<"RoiAlign"> = (ask) => {
  const { output_height: height, output_width: width } = ask.attributes;
  return [{ dtype: ask.dtype(0), shape: [ask.shape(1)?.[0], ask.shape(0)?.[1], height, width] }];
};

export const imaging = {
  DeformConv: sizedBy([1, 0], [2, 2, undefined]),
  DepthToSpace: blocks(false),
  GridSample: sizedBy([0, 1], [1, 1, -1]),
  LpPool: lpPool,
  Resize: resize,
  RoiAlign: roiAlign,
  SpaceToDepth: blocks(true),
} satisfies { readonly [N in OpName]?: ShapeRule<N> };
