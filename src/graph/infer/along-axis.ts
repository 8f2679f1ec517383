import { fromFront } from "../attributes.ts";
import { product } from "../dim.ts";
import type { OpName } from "../schemas.ts";
import { knownNumbers } from "./known-dims.ts";
import type { OpenShape, ShapeRule } from "./rule.ts";

const likeFirst: ShapeRule<OpName> = (ask) => [{ dtype: ask.dtype(0), shape: ask.shape(0) }];

const topK: ShapeRule<"TopK"> = (ask) => {
  const count = ask.ints(1, "k")?.[0] ?? ask.values(1)?.[0];
  const shape: OpenShape | undefined = ask
    .shape(0)
    ?.map((dim, i) => (i === ask.attributes.axis ? count : dim));
  return [
    { dtype: ask.dtype(0), shape },
    { dtype: "int64", shape },
  ];
};

/** As many as the condition holds for, where it is constant and no longer than the axis. */
const compress: ShapeRule<"Compress"> = (ask) => {
  const shape = ask.shape(0);
  const { axis } = ask.attributes;
  const length = shape && (axis === undefined ? product(shape) : shape[axis]);
  const condition = knownNumbers(ask.inputs[1]);
  const fits = condition && typeof length === "number" && condition.length <= length;
  const count = fits ? condition.filter((chosen) => chosen !== 0).length : undefined;
  const compressed = axis === undefined ? [count] : shape?.map((dim, i) => (i === axis ? count : dim));
  return [{ dtype: ask.dtype(0), shape: compressed }];
};

const unique: ShapeRule<"Unique"> = (ask) => {
  const shape = ask.shape(0);
  const { axis } = ask.attributes;
  const at = axis === undefined ? undefined : fromFront(axis, shape?.length ?? 0);
  const found: OpenShape | undefined =
    at === undefined ? [undefined] : shape?.map((dim, i) => (i === at ? undefined : dim));
  const each = at === undefined ? shape && product(shape) : shape?.[at];
  return [
    { dtype: ask.dtype(0), shape: found },
    { dtype: "int64", shape: [undefined] },
    { dtype: "int64", shape: [each] },
    { dtype: "int64", shape: [undefined] },
  ];
};

export const alongAxis = {
  Compress: compress,
  CumProd: likeFirst,
  CumSum: likeFirst,
  Hardmax: likeFirst,
  ReverseSequence: likeFirst,
  TopK: topK,
  Unique: unique,
} satisfies { readonly [N in OpName]?: ShapeRule<N> };
