import { fromFront } from "../attributes.ts";
import { type GraphBuilder, range, rankOf } from "../builder.ts";
import type { Dim } from "../dim.ts";
import { aspectRatio, imaging } from "../infer/imaging.ts";
import { Ask } from "../infer/rule.ts";
import { knownNumbers } from "../infer.ts";
import type { Node, Value } from "../ir.ts";
import type { AttributesOf } from "../schemas.ts";
import { type Composite, type Expansions, noExpansion } from "./expansion.ts";
import { interpolation, matrixOf, repeatsOf, type Stencil, stencilOf, type Taps } from "./interpolation.ts";

/** An axis that a Resize changes, and what its elements become. */
export interface Interpolated {
  readonly axis: number;
  /** Its place among the axes that the scales or sizes speak of. */
  readonly index: number;
  /** 0, and no taps, where the sizes, the region, or whether it changes at all, are not known before running. */
  readonly from: number;
  readonly taps: readonly Taps[];
  /** k where it repeats each element k times in a row and does nothing else. */
  readonly repeats: number | undefined;
  /** Where it spreads every element alike, its ends aside. */
  readonly stencil: Stencil | undefined;
}

/** What a Resize node says, its inputs as the values that stand for them. */
interface Resizing {
  readonly node: Node;
  readonly x: readonly (Value | undefined)[];
  readonly attrs: AttributesOf<"Resize">;
}

/** The axes a Resize changes, or may change. */
export function interpolatedAxes({ node, x, attrs }: Resizing): readonly Interpolated[] {
  const input = x[0]!;
  const output = imaging.Resize(new Ask({ ...node, inputs: x }, "Resize"))[0]?.shape;
  // runtimes copy what keeps its shape, whatever the scales say
  if (output?.every((size, axis) => size === input.shape?.[axis])) return [];
  const { axes, along, scales } = asked({ node, x, attrs });
  const isOpen = (size: Dim | undefined) => typeof size !== "number";
  // until the run no one knows whether it is copied, where no axis certainly changes
  const mayBeCopied = axes.every((axis) => {
    const [from, to] = [input.shape![axis], output?.[axis]];
    return from === to || isOpen(from) || isOpen(to);
  });
  return axes.flatMap((axis, index) => {
    const [from, to] = [input.shape![axis]!, output?.[axis]];
    const scale = scales?.[index];
    const isCropped = attrs.coordinate_transformation_mode === "tf_crop_and_resize";
    const region = isCropped ? regionOf(x[1], along, index) : ([0, 1] as const);
    // an axis of scale 1 stays as it is, also where a region is cut out: so do runtimes
    if (scale === 1 || (from === to && scale === undefined)) return [];
    if (!region || typeof from !== "number" || typeof to !== "number" || (from === to && mayBeCopied)) {
      const repeats = scale && !isCropped ? repeatsOfAny(scale, attrs) : undefined;
      const stencil = scale ? stencilOf(scale, attrs) : undefined;
      return [{ axis, index, from: 0, taps: [], repeats, stencil }];
    }
    const factor = scale ?? (attrs.mode === "nearest" ? Math.fround(to / from) : to / from);
    const taps = interpolation({ from, to, scale: factor, region }, attrs);
    return [{ axis, index, from, taps, repeats: repeatsOf(taps, from), stencil: stencilOf(factor, attrs) }];
  });
}

/** k where a scale repeats the elements of an axis of any size k times: a few tell, as no place knows the axis' end. */
function repeatsOfAny(scale: number, attrs: AttributesOf<"Resize">): number | undefined {
  if (attrs.coordinate_transformation_mode === "align_corners" || !Number.isInteger(scale)) return undefined;
  const from = 4;
  return repeatsOf(interpolation({ from, to: from * scale, scale, region: [0, 1] }, attrs), from);
}

/** The axes that a Resize speaks of, and the scale of each where scales are given. */
function asked({ node, x, attrs }: Resizing) {
  const rank = rankOf(x[0]!);
  const axes = attrs.axes.length > 0 ? attrs.axes.map((axis) => fromFront(axis, rank)) : range(rank);
  const [given, sizes] = [x[2], x[3]];
  const scales = sizes ? keptRatio({ node, x, attrs }, axes) : knownNumbers(given);
  return { axes, along: axes.length, scales };
}

/** The one scale of all axes where a Resize to given sizes keeps their ratio. */
function keptRatio({ x, attrs }: Resizing, axes: readonly number[]): readonly number[] | undefined {
  const policy = attrs.keep_aspect_ratio_policy;
  if (policy === "stretch") return undefined;
  const ratio = aspectRatio(
    policy,
    knownNumbers(x[3]),
    axes.map((axis) => x[0]!.shape![axis]!),
  );
  return ratio === undefined ? undefined : axes.map(() => ratio);
}

/** The region's begin and end along an axis, where they are known. */
function regionOf(
  corners: Value | undefined,
  along: number,
  i: number,
): readonly [number, number] | undefined {
  const region = knownNumbers(corners);
  return region?.length === 2 * along ? [region[i]!, region[along + i]!] : undefined;
}

/** M·x along an axis; rows: the matrix [outputs, size of the axis]. Sizes of other axes may be symbols. */
export function alongAxis(g: GraphBuilder, x: Value, axis: number, matrix: Value): Value {
  const last = rankOf(x) - 1;
  if (axis === last) return g.matmul(x, g.swap(matrix));
  if (axis === last - 1) return g.matmul(matrix, x);
  const swapped = range(last + 1).map((i) => (i === axis ? last - 1 : i === last - 1 ? axis : i));
  return g.transpose(g.matmul(matrix, g.transpose(x, swapped)), swapped);
}

function resized({ g, node, x, attrs }: Composite<"Resize">): Value {
  const axes = interpolatedAxes({ node, x, attrs });
  if (axes.some(({ from }) => from === 0))
    return noExpansion(node, "its sizes or its region are not known before running");
  const dtype = x[0].dtype ?? "float32";
  const interpolated = axes.reduce((value, { axis, from, taps }) => {
    const matrix = g.constant(matrixOf(taps, from), dtype, [taps.length, from]);
    return alongAxis(g, value, axis, matrix);
  }, x[0]);
  const outside = axes.flatMap(({ axis, taps }) => {
    const shape = range(rankOf(x[0])).map((i) => (i === axis ? taps.length : 1));
    const marks = taps.map(({ isOutside }) => +isOutside);
    return marks.includes(1) ? [g.constant(marks, dtype, shape)] : [];
  });
  if (outside.length === 0 || attrs.extrapolation_value === 0) return interpolated;
  const isOutside = g.greater(outside.reduce(g.add), 0);
  return g.where(isOutside, attrs.extrapolation_value, interpolated);
}

export const resize = { Resize: resized } as const satisfies Expansions;
