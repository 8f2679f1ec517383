import { intsOf } from "../attributes.ts";
import { dataTypeOf } from "../element-types.ts";
import type { Node } from "../ir.ts";
import type { Found } from "./rule.ts";

/** What can be told of the outputs of an operator that is carried as it is. */
type CarriedRule = (node: Node) => readonly Found[];

const numberOf = (node: Node, key: string, fallback: number): number => intsOf(node, key)?.[0] ?? fallback;

/** An output of the first input's shape and of a type that an attribute may say. */
const random: CarriedRule = (node) => {
  const dtype = intsOf(node, "dtype")?.[0];
  return [
    { dtype: dtype === undefined ? node.inputs[0]?.dtype : dataTypeOf(dtype), shape: node.inputs[0]?.shape },
  ];
};

const randomOf: CarriedRule = (node) => [
  { dtype: dataTypeOf(numberOf(node, "dtype", 1)), shape: intsOf(node, "shape") },
];

const multinomial: CarriedRule = (node) => [
  {
    dtype: dataTypeOf(numberOf(node, "dtype", 6)),
    shape: [node.inputs[0]?.shape?.[0], numberOf(node, "sample_size", 1)],
  },
];

export const carriedRules: { readonly [op: string]: CarriedRule } = {
  Bernoulli: random,
  Multinomial: multinomial,
  RandomNormal: randomOf,
  RandomNormalLike: random,
  RandomUniform: randomOf,
  RandomUniformLike: random,
};
