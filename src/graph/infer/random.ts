import { dataTypeOf } from "../element-types.ts";
import type { OpName } from "../schemas.ts";
import type { ShapeRule } from "./rule.ts";

/** An output of the input's shape, and of its type where the attribute names none. */
const like: ShapeRule<"Bernoulli" | "RandomNormalLike" | "RandomUniformLike"> = (ask) => {
  const { dtype } = ask.attributes;
  return [{ dtype: dtype === undefined ? ask.dtype(0) : dataTypeOf(dtype), shape: ask.shape(0) }];
};

const ofShape: ShapeRule<"RandomNormal" | "RandomUniform"> = ({ attributes: { dtype, shape } }) => [
  { dtype: dataTypeOf(dtype ?? 1), shape },
];

export const random = {
  Bernoulli: like,
  Multinomial: (ask) => [
    { dtype: dataTypeOf(ask.attributes.dtype), shape: [ask.shape(0)?.[0], ask.attributes.sample_size] },
  ],
  RandomNormal: ofShape,
  RandomNormalLike: like,
  RandomUniform: ofShape,
  RandomUniformLike: like,
} satisfies { readonly [N in OpName]?: ShapeRule<N> };
