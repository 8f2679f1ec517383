import { fromFront } from "../attributes.ts";
import { type Dim, product, quotient, sum } from "../dim.ts";
import type { OpName } from "../schemas.ts";
import { sizeOf } from "../tensor.ts";
import { type Ask, allNumbers, asSizes, broadcast, type OpenShape, type ShapeRule } from "./rule.ts";

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

export const structure = {
  Transpose: transpose,
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Expand: expand,
  Tile: tile,
  Concat: concat,
} satisfies { readonly [N in OpName]?: ShapeRule<N> };
