import { fromFront } from "../attributes.ts";
import { type Dim, difference, product, quotient, type Shape, sum } from "../dim.ts";
import type { OpName } from "../schemas.ts";
import { sizeOf } from "../tensor.ts";
import { knownNumbers } from "./known-dims.ts";
import { type Ask, broadcast, type OpenShape, type ShapeRule } from "./rule.ts";

/** Sizes as elements of a shape tensor; undefined unless all are whole. */
const asSizes = (values: readonly Dim[] | undefined): Shape | undefined =>
  values?.every((dim) => typeof dim === "string" || Number.isInteger(dim)) ? values : undefined;

/** An output of a rank that is only known as the length of an input. */
function unknownOfLength(ask: Ask, input: number): OpenShape | undefined {
  const length = ask.shape(input)?.[0];
  return typeof length === "number" ? new Array<undefined>(length).fill(undefined) : undefined;
}

const transpose: ShapeRule<"Transpose"> = (ask) => {
  const shape = ask.shape(0);
  const { perm } = ask.attributes;
  if (shape && perm.length !== shape.length)
    ask.mismatch(
      `the input has ${shape.length} axes, perm orders ${perm.length}`,
      "Give perm one entry an axis.",
    );
  const values = ask.values(0);
  return [
    {
      dtype: ask.dtype(0),
      shape: shape && perm.map((axis) => shape[axis]),
      values: values && allNumbers(shape) ? permuted(values, shape, perm) : undefined,
    },
  ];
};

const allNumbers = (shape: Shape | undefined): shape is readonly number[] =>
  shape?.every((dim) => typeof dim === "number") ?? false;

/** The elements of a transposed array, row-major as before. */
function permuted(values: readonly Dim[], shape: readonly number[], perm: readonly number[]): readonly Dim[] {
  const strideOf = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  let places = [0];
  for (const axis of perm)
    places = places.flatMap((place) =>
      Array.from({ length: shape[axis]! }, (_, i) => place + i * strideOf[axis]!),
    );
  return places.map((place) => values[place]!);
}

const reshape: ShapeRule<"Reshape"> = (ask) => {
  const dtype = ask.dtype(0);
  const wanted = asSizes(ask.values(1)) ?? ask.ints(1, "shape");
  if (!wanted) return [{ dtype, shape: unknownOfLength(ask, 1) }];
  const from = ask.shape(0);
  const sizes: OpenShape = wanted.map((dim, axis) =>
    dim === 0 && !ask.attributes.allowzero ? from?.[axis] : dim,
  );
  const open = sizes.indexOf(-1);
  const whole = from && product(from);
  const others = sizes.filter((_, axis) => axis !== open);
  if (!others.every((dim) => dim !== undefined))
    return [{ dtype, shape: sizes.map((d) => (d === -1 ? undefined : d)) }];
  const rest = product(others);
  const filled = open < 0 || whole === undefined ? undefined : quotient(whole, rest);
  const isWrong =
    typeof whole === "number" &&
    typeof rest === "number" &&
    (open < 0 ? whole !== rest : rest !== 0 && whole % rest !== 0);
  if (isWrong)
    ask.mismatch(
      `the input has ${whole} elements, [${wanted.join(",")}] asks for ${open < 0 ? rest : `a multiple of ${rest}`}`,
      "Reshape to sizes with the same product.",
    );
  return [{ dtype, shape: sizes.map((dim, axis) => (axis === open ? filled : dim)), values: ask.values(0) }];
};

const flatten: ShapeRule<"Flatten"> = (ask) => {
  const shape = ask.shape(0);
  if (!shape) return [{ dtype: ask.dtype(0), shape: [undefined, undefined] }];
  const { axis } = ask.attributes;
  return [{ dtype: ask.dtype(0), shape: [product(shape.slice(0, axis)), product(shape.slice(axis))] }];
};

const squeeze: ShapeRule<"Squeeze"> = (ask) => {
  const dtype = ask.dtype(0);
  const shape = ask.shape(0);
  const values = ask.values(0);
  if (ask.isAbsent(1, "axes")) {
    const isSettled = shape?.every((dim) => typeof dim === "number");
    return [{ dtype, shape: isSettled ? shape!.filter((dim) => dim !== 1) : undefined, values }];
  }
  const axes = ask.ints(1, "axes")?.map((axis) => fromFront(axis, shape?.length ?? 0));
  if (!shape || !axes) return [{ dtype, values }];
  for (const axis of axes)
    if (typeof shape[axis] === "number" && shape[axis] !== 1)
      ask.mismatch(
        `axis ${axis} has size ${shape[axis]} and cannot be dropped`,
        "Squeeze only axes of size 1.",
      );
  return [{ dtype, shape: shape.filter((_, axis) => !axes.includes(axis)), values }];
};

const unsqueeze: ShapeRule<"Unsqueeze"> = (ask) => {
  const dtype = ask.dtype(0);
  const shape = ask.shape(0);
  const given = ask.ints(1, "axes");
  if (!shape || !given) return [{ dtype, values: ask.values(0) }];
  const rank = shape.length + given.length;
  const axes = new Set(given.map((axis) => fromFront(axis, rank)));
  const old = shape[Symbol.iterator]();
  const result = Array.from({ length: rank }, (_, axis): Dim => (axes.has(axis) ? 1 : old.next().value!));
  return [{ dtype, shape: result, values: ask.values(0) }];
};

const expand: ShapeRule<"Expand"> = (ask) => {
  const dtype = ask.dtype(0);
  const wanted = asSizes(ask.values(1)) ?? unknownOfLength(ask, 1);
  const shape = broadcast(ask.node, [ask.shape(0), wanted]);
  const values = ask.values(0);
  const length =
    shape?.length === 1 && typeof shape[0] === "number" ? shape[0] : shape?.length === 0 ? 1 : undefined;
  const repeated =
    values && length !== undefined && length <= 1024 && (values.length === 1 || values.length === length);
  return [
    {
      dtype,
      shape,
      values: repeated ? Array.from({ length }, (_, i) => values[i % values.length]!) : undefined,
    },
  ];
};

const tile: ShapeRule<"Tile"> = (ask) => {
  const shape = ask.shape(0);
  const repeats = asSizes(ask.values(1));
  return [
    {
      dtype: ask.dtype(0),
      shape: shape?.map((dim, axis) => {
        const times = repeats?.[axis];
        return times === undefined ? undefined : product([dim, times]);
      }),
    },
  ];
};

const concat: ShapeRule<"Concat"> = (ask) => {
  const dtype = ask.dtype(0);
  const { axis } = ask.attributes;
  const shapes = ask.inputs.map((_, i) => ask.shape(i));
  const known = shapes.find((shape) => shape !== undefined);
  const columns = ask.inputs.map((_, i) => ask.values(i));
  const isVector = shapes.every((shape) => shape?.length === 1);
  const values = isVector && columns.every((column) => column !== undefined) ? columns.flat() : undefined;
  if (!known) return [{ dtype, values }];
  const at = fromFront(ask.attributes.axis, known.length);
  const shape = known.map((_, k): Dim | undefined => {
    const sizes = shapes.map((s) => s?.[k]);
    if (k === at) return sizes.every((size) => size !== undefined) ? sum(sizes) : undefined;
    const numbers = new Set(sizes.filter((size) => typeof size === "number"));
    if (numbers.size > 1)
      ask.mismatch(
        `the sizes ${[...numbers].join(" and ")} meet in axis ${k}, and only axis ${axis} may differ`,
        "Make the other sizes equal.",
      );
    return numbers.size === 1 ? [...numbers][0] : sizes.find((size) => size !== undefined);
  });
  return [{ dtype, shape, values }];
};

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
  const count = starts?.length ?? ends?.length ?? 0;
  const given = ask.isAbsent(3, "axes") ? Array.from({ length: count }, (_, i) => i) : ask.ints(3, "axes");
  const steps = ask.inputs[4] ? knownNumbers(ask.inputs[4]) : new Array<number>(count).fill(1);
  const axes = given?.map((axis) => fromFront(axis, shape.length));
  if (!axes) return [{ dtype, shape: shape.map(() => undefined) }];
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
  return [within(start, 0), within(end, low)];
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
    return i < 0 ? dim : sum([dim, pads[i]!, pads[i + axes!.length]!]);
  });
  return [{ dtype: ask.dtype(0), shape: sizes }];
};

export const structure = {
  Transpose: transpose,
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Expand: expand,
  Tile: tile,
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
} satisfies { readonly [N in OpName]?: ShapeRule<N> };
