import { constantOf, fillOf, fromFront } from "../attributes.ts";
import { type Dim, difference, product, type Shape } from "../dim.ts";
import { dataTypeOf } from "../element-types.ts";
import type { OpName } from "../schemas.ts";
import { knownNumbers, numbersOf } from "./known-dims.ts";
import type { OpenShape, ShapeRule } from "./rule.ts";

const gather: ShapeRule<"Gather"> = (ask) => {
  const dtype = ask.dtype(0);
  const data = ask.shape(0);
  const indices = ask.shape(1);
  const { axis } = ask.attributes;
  const column = data?.length === 1 ? ask.values(0) : undefined;
  const at = knownNumbers(ask.inputs[1]);
  const values = column && at?.map((i) => column[fromFront(i, column.length)]);
  return [
    {
      dtype,
      shape: data && indices && [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)],
      values: values?.every((dim) => dim !== undefined) ? values : undefined,
    },
  ];
};

const gatherND: ShapeRule<"GatherND"> = (ask) => {
  const data = ask.shape(0);
  const indices = ask.shape(1);
  const depth = indices?.at(-1);
  const start = ask.attributes.batch_dims;
  const isKnown = data && indices && typeof depth === "number";
  return [
    {
      dtype: ask.dtype(0),
      shape: isKnown ? [...indices.slice(0, -1), ...data.slice(start + depth)] : undefined,
    },
  ];
};

/** Shape and type of the data, which is written to. */
const written: ShapeRule<"ScatterElements" | "ScatterND" | "Trilu"> = (ask) => [
  { dtype: ask.dtype(0), shape: ask.shape(0) },
];

const shapeOf: ShapeRule<"Shape"> = (ask) => {
  const shape = ask.shape(0);
  if (!shape) return [{ dtype: "int64", shape: [undefined] }];
  const { start, end } = ask.attributes;
  const part = shape.slice(start, end);
  return [{ dtype: "int64", shape: [part.length], values: part }];
};

const size: ShapeRule<"Size"> = (ask) => {
  const shape = ask.shape(0);
  return [{ dtype: "int64", shape: [], values: shape && [product(shape)] }];
};

/** More axes than any runtime has; a damaged file may ask for millions. */
const mostAxes = 64;

const constantOfShape: ShapeRule<"ConstantOfShape"> = (ask) => {
  const fill = fillOf(ask.node);
  const wanted = ask.values(0);
  const length = ask.shape(0)?.[0];
  const isRank = typeof length === "number" && length >= 0 && length <= mostAxes;
  const unknown = isRank ? new Array<undefined>(length).fill(undefined) : undefined;
  const count = wanted ? product(wanted) : undefined;
  const element = numbersOf(fill)?.[0];
  const isSmall =
    typeof count === "number" &&
    Number.isInteger(count) &&
    count >= 0 &&
    count <= 1024 &&
    element !== undefined;
  return [
    {
      dtype: fill.dtype,
      shape: wanted ?? unknown,
      values: isSmall ? new Array<number>(count).fill(element) : undefined,
    },
  ];
};

const constant: ShapeRule<"Constant"> = (ask) => {
  const tensor = constantOf(ask.node);
  return [tensor ? { dtype: tensor.dtype, shape: tensor.dims, values: numbersOf(tensor) } : {}];
};

const range: ShapeRule<"Range"> = (ask) => {
  const dtype = ask.dtype(0);
  const [start, limit, delta] = [0, 1, 2].map((i) => ask.values(i)?.[0]);
  if (start === undefined || limit === undefined || typeof delta !== "number" || delta === 0)
    return [{ dtype, shape: [undefined] }];
  if (typeof start !== "number" || typeof limit !== "number")
    return [{ dtype, shape: [delta === 1 ? difference(limit, start) : undefined] }];
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  const values = count <= 1024 ? Array.from({ length: count }, (_, i) => start + i * delta) : undefined;
  return [{ dtype, shape: [count], values }];
};

const oneHot: ShapeRule<"OneHot"> = (ask) => {
  const indices = ask.shape(0);
  const depth: Dim | undefined = ask.values(1)?.[0];
  const { axis } = ask.attributes;
  return [
    { dtype: ask.dtype(2), shape: indices && [...indices.slice(0, axis), depth, ...indices.slice(axis)] },
  ];
};

const nonZero: ShapeRule<"NonZero"> = (ask) => {
  const shape: Shape | undefined = ask.shape(0);
  const found: OpenShape = [shape && Math.max(1, shape.length), undefined];
  return [{ dtype: "int64", shape: found }];
};

export const indexing = {
  Gather: gather,
  GatherElements: (ask) => [{ dtype: ask.dtype(0), shape: ask.shape(1) }],
  GatherND: gatherND,
  ScatterElements: written,
  ScatterND: written,
  Trilu: written,
  Shape: shapeOf,
  Size: size,
  ConstantOfShape: constantOfShape,
  Constant: constant,
  Range: range,
  NonMaxSuppression: () => [{ dtype: "int64", shape: [undefined, 3] }],
  OneHot: oneHot,
  NonZero: nonZero,
  EyeLike: (ask) => {
    const { dtype } = ask.attributes;
    return [{ dtype: dtype === undefined ? ask.dtype(0) : dataTypeOf(dtype), shape: ask.shape(0) }];
  },
} satisfies { readonly [N in OpName]?: ShapeRule<N> };
