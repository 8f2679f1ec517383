import { fromFront } from "../attributes.ts";
import { type Dim, difference, quotient, sum } from "../dim.ts";
import type { OpName } from "../schemas.ts";
import { sliceEnd } from "../slice-end.ts";
import { sizeOf } from "../tensor.ts";
import { knownNumbers } from "./known-dims.ts";
import { allNumbers, asSizes, type ShapeRule } from "./rule.ts";

const split: ShapeRule<"Split"> = (ask) => {
  const dtype = ask.dtype(0);
  const shape = ask.shape(0);
  const { axis } = ask.attributes;
  const count = ask.node.outputs.length;
  const sizes = asSizes(ask.values(1)) ?? ask.ints(1, "split");
  const whole = shape?.[axis];
  const evenly = (i: number): Dim | undefined => {
    if (typeof whole !== "number") return whole === undefined ? undefined : quotient(whole, count);
    const part = Math.ceil(whole / count);
    return Math.max(0, Math.min(part, whole - i * part));
  };
  const sizeAt = ask.isAbsent(1, "split") ? evenly : (i: number) => sizes?.[i];
  if (sizes && whole !== undefined && typeof whole === "number") {
    const total = sum(sizes);
    if (typeof total === "number" && total !== whole)
      ask.mismatch(
        `axis ${axis} has size ${whole}, the parts [${sizes.join(",")}] sum to ${total}`,
        "Make the parts sum to the size.",
      );
  }
  const values = shape?.length === 1 ? ask.values(0) : undefined;
  let start = 0;
  return ask.node.outputs.map((_, i) => {
    const size = sizeAt(i);
    const part = values && typeof size === "number" ? values.slice(start, start + size) : undefined;
    start += typeof size === "number" ? size : Number.NaN;
    return { dtype, shape: shape?.map((dim, k) => (k === axis ? size : dim)), values: part };
  });
};

const slice: ShapeRule<"Slice"> = (ask) => {
  const dtype = ask.dtype(0);
  const shape = ask.shape(0);
  if (!shape) return [{ dtype }];
  const starts = ask.values(1) ?? ask.ints(1, "starts");
  const ends = ask.values(2) ?? ask.ints(2, "ends");
  // where the bounds are computed, their number still says which axes they are of
  const count = starts?.length ?? ends?.length ?? ask.shape(1)?.[0] ?? ask.shape(2)?.[0];
  if (typeof count !== "number") return [{ dtype, shape: shape.map(() => undefined) }];
  const given = ask.isAbsent(3, "axes") ? Array.from({ length: count }, (_, i) => i) : ask.ints(3, "axes");
  const steps = ask.inputs[4] ? knownNumbers(ask.inputs[4]) : new Array<number>(count).fill(1);
  const axes = given?.map((axis) => fromFront(axis, shape.length));
  if (!axes) return [{ dtype, shape: shape.map(() => undefined) }];
  if (axes.some((axis) => !(axis >= 0 && axis < shape.length)) || steps?.includes(0))
    return ask.mismatch(
      `it slices the axes [${given}] by steps of [${steps ?? "?"}]`,
      "Name axes that the array has, and steps other than 0.",
    );
  const result = shape.map((dim, axis) => {
    const i = axes.indexOf(axis);
    if (i < 0) return dim;
    return slicedSize(dim, starts?.[i], ends?.[i], steps?.[i]);
  });
  const column = ask.values(0);
  const [from, to] = [knownNumbers(ask.inputs[1]), knownNumbers(ask.inputs[2])];
  const values =
    column && from && to && steps && allNumbers(shape)
      ? axes.reduce(
          (left, axis, i) => picked(left, axis, bounds(shape[axis]!, from[i]!, to[i]!, steps[i]!), steps[i]!),
          { values: column, shape: shape as readonly number[] },
        ).values
      : undefined;
  return [{ dtype, shape: result, values }];
};

interface Elements {
  readonly values: readonly Dim[];
  readonly shape: readonly number[];
}

/** The elements that a slice along one axis takes. */
function picked(
  { values, shape }: Elements,
  axis: number,
  [first, last]: readonly [number, number],
  step: number,
): Elements {
  const taken: number[] = [];
  for (let i = first; step > 0 ? i < last : i > last; i += step) taken.push(i);
  const size = shape[axis]!;
  const inner = sizeOf(shape.slice(axis + 1));
  const outer = Array.from({ length: sizeOf(shape.slice(0, axis)) }, (_, o) => o);
  return {
    values: outer.flatMap((o) =>
      taken.flatMap((i) => values.slice((o * size + i) * inner, (o * size + i + 1) * inner)),
    ),
    shape: shape.with(axis, taken.length),
  };
}

/** Start and end of a slice, counted from the front and kept within the axis. */
function bounds(size: number, start: number, end: number, step: number): readonly [number, number] {
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
  const within = (at: number, least: number) => Math.min(high, Math.max(least, at < 0 ? at + size : at));
  return [within(start, 0), within(sliceEnd(end, step), low)];
}

/** Ends from here on mean "to the end": exporters write 10^9, 2^31 − 1 or 2^63 − 1. */
const farAway = 1e8;

/**
 * The size of a slice of an axis. A symbolic start or end is taken to lie within the axis: exporters cut position
 * tables to the sequence with it.
 */
function slicedSize(dim: Dim, start?: Dim, end?: Dim, step?: number): Dim | undefined {
  if (start === undefined || end === undefined || step === undefined || step === 0) return undefined;
  if (typeof dim === "number" && typeof start === "number" && typeof end === "number") {
    const [first, last] = bounds(dim, start, end, step);
    return Math.max(0, Math.ceil((last - first) / step));
  }
  if (step !== 1) return undefined;
  if (typeof end === "number" && end > 0 && end < farAway && typeof dim === "string") return undefined;
  const from = typeof start === "number" && start < 0 ? sum([dim, start]) : start;
  const to =
    typeof end === "number" && end < 0
      ? sum([dim, end])
      : typeof end === "number" && end >= farAway
        ? dim
        : end;
  return difference(to, from);
}

const pad: ShapeRule<"Pad"> = (ask) => {
  const shape = ask.shape(0);
  const pads = asSizes(ask.values(1)) ?? ask.ints(1, "pads");
  const given = ask.inputs[3] ? knownNumbers(ask.inputs[3]) : shape?.map((_, axis) => axis);
  const axes = given?.map((axis) => fromFront(axis, shape?.length ?? 0));
  const sizes = shape?.map((dim, axis) => {
    const i = axes?.indexOf(axis);
    if (i === undefined || !pads) return undefined;
    if (pads.length !== 2 * axes!.length)
      return ask.mismatch(`${pads.length} pads for ${axes!.length} axes`, "Give two pads for each axis.");
    return i < 0 ? dim : sum([dim, pads[i]!, pads[i + axes!.length]!]);
  });
  return [{ dtype: ask.dtype(0), shape: sizes }];
};

export const slicing = {
  Split: split,
  Slice: slice,
  Pad: pad,
} satisfies { readonly [N in OpName]?: ShapeRule<N> };
