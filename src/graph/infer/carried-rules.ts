import { intsOf } from "../attributes.ts";
import { dataTypeOf } from "../element-types.ts";
import { bodiesOf, type Node } from "../ir.ts";
import type { Found, OpenShape } from "./rule.ts";

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

/** Y: [tokens, directions, batch, hidden]; the last states: [directions, batch, hidden]; batch first with layout 1. */
const recurrent: CarriedRule = (node) => {
  const [x, , recurrence] = node.inputs;
  const directions = recurrence?.shape?.[0];
  const hidden = intsOf(node, "hidden_size")?.[0] ?? recurrence?.shape?.[2];
  const batchFirst = numberOf(node, "layout", 0) === 1;
  const [outer, inner] = x?.shape ?? [];
  const all: OpenShape = batchFirst ? [outer, inner, directions, hidden] : [outer, directions, inner, hidden];
  const last: OpenShape = batchFirst ? [outer, directions, hidden] : [directions, inner, hidden];
  return [all, last, last].map((shape) => ({ dtype: x?.dtype, shape }));
};

/** Both branches must agree on what is told. */
const either: CarriedRule = (node) => {
  const [first, ...others] = bodiesOf(node).map((body) => body.outputs);
  return (first ?? []).map((output, i): Found => {
    const same = others.every((outputs) => outputs[i]?.shape?.length === output.shape?.length);
    const shape = output.shape?.map((dim, axis) =>
      others.every((outputs) => outputs[i]?.shape?.[axis] === dim) ? dim : undefined,
    );
    return { dtype: output.dtype, shape: same ? shape : undefined };
  });
};

const multinomial: CarriedRule = (node) => [
  {
    dtype: dataTypeOf(numberOf(node, "dtype", 6)),
    shape: [node.inputs[0]?.shape?.[0], numberOf(node, "sample_size", 1)],
  },
];

export const carriedRules: { readonly [op: string]: CarriedRule } = {
  Bernoulli: random,
  GRU: recurrent,
  If: either,
  LSTM: recurrent,
  Multinomial: multinomial,
  RNN: recurrent,
  RandomNormal: randomOf,
  RandomNormalLike: random,
  RandomUniform: randomOf,
  RandomUniformLike: random,
};
