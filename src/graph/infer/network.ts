import { product } from "../dim.ts";
import type { OpName } from "../schemas.ts";
import { windowOf } from "../window.ts";
import { same } from "./elementwise.ts";
import type { Ask, Found, OpenShape, ShapeRule } from "./rule.ts";

/** Mean and deviation have size 1 on the normalised axes. */
const layerNormalization: ShapeRule<"LayerNormalization"> = (ask) => {
  const shape = ask.shape(0);
  const { axis, stash_type } = ask.attributes;
  const statistic: Found = {
    dtype: stash_type === 1 ? "float32" : ask.dtype(0),
    shape: shape?.map((dim, i) => (i < axis ? dim : 1)),
  };
  return [{ dtype: ask.dtype(0), shape }, statistic, statistic];
};

const batchNormalization: ShapeRule<"BatchNormalization"> = (ask) => {
  const [, channels] = ask.shape(0) ?? [];
  for (const [i, name] of [
    [1, "scale"],
    [3, "mean"],
  ] as const) {
    const size = ask.shape(i)?.[0];
    if (typeof size === "number" && typeof channels === "number" && size !== channels)
      ask.mismatch(
        `the input has ${channels} channels, the ${name} has ${size}`,
        "Normalise with as many statistics as the input has channels.",
      );
  }
  const statistic: Found = { dtype: ask.dtype(3), shape: ask.shape(3) };
  return [{ dtype: ask.dtype(0), shape: ask.shape(0) }, statistic, statistic];
};

/** [batch, channels, ...sizes after the window]; sizes that the window does not tell are unknown. */
function windowed(
  ask: Ask<"Conv" | "ConvInteger" | "ConvTranspose" | "MaxPool" | "AveragePool">,
  channels: OpenShape[number],
): OpenShape | undefined {
  const shape = ask.shape(0);
  if (!shape) return undefined;
  return [shape[0], channels, ...(windowOf(ask.node)?.output ?? shape.slice(2).map(() => undefined))];
}

/** The shape of what a convolution gives. @throws graph/shape-mismatch */
export function convolved(ask: Ask<"Conv" | "ConvInteger">): OpenShape | undefined {
  const channels = ask.shape(0)?.[1];
  const weight = ask.shape(1);
  const reads = weight?.[1];
  const { group } = ask.attributes;
  if (typeof channels === "number" && typeof reads === "number" && channels !== reads * group)
    ask.mismatch(
      `the input has ${channels} channels, the weight reads ${reads * group}`,
      "Check that the weight was made for this input, and the group count.",
    );
  return windowed(ask, weight?.[0]);
}

const convTranspose: ShapeRule<"ConvTranspose"> = (ask) => {
  const weight = ask.shape(1);
  const channels = ask.shape(0)?.[1];
  if (typeof channels === "number" && typeof weight?.[0] === "number" && channels !== weight[0])
    ask.mismatch(
      `the input has ${channels} channels, the weight reads ${weight[0]}`,
      "Check that the weight was made for this input.",
    );
  const made = weight?.[1] === undefined ? undefined : product([weight[1], ask.attributes.group]);
  return [{ dtype: ask.dtype(0), shape: windowed(ask, made) }];
};

const maxPool: ShapeRule<"MaxPool"> = (ask) => {
  const shape = windowed(ask, ask.shape(0)?.[1]);
  return [
    { dtype: ask.dtype(0), shape },
    { dtype: "int64", shape },
  ];
};

const globalPool: ShapeRule<"GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool"> = (ask) => [
  { dtype: ask.dtype(0), shape: ask.shape(0)?.map((dim, axis) => (axis < 2 ? dim : 1)) },
];

/** A loss of one number, or of the shape of the labels with reduction "none". */
const loss: ShapeRule<"SoftmaxCrossEntropyLoss" | "NegativeLogLikelihoodLoss"> = (ask) => {
  const scores = ask.shape(0);
  const labels = ask.shape(1);
  const [batch, rows] = [scores?.[0], labels?.[0]];
  if (typeof batch === "number" && typeof rows === "number" && batch !== rows)
    ask.mismatch(
      `there are scores for ${batch} examples and labels for ${rows}`,
      "Give one label an example.",
    );
  const shape = ask.attributes.reduction === "none" ? labels : [];
  return [
    { dtype: ask.dtype(0), shape },
    { dtype: ask.dtype(0), shape: scores },
  ];
};

export const network = {
  Softmax: same,
  LogSoftmax: same,
  LayerNormalization: layerNormalization,
  BatchNormalization: batchNormalization,
  InstanceNormalization: same,
  GroupNormalization: same,
  LRN: same,
  LpNormalization: same,
  MeanVarianceNormalization: same,
  RMSNormalization: same,
  Conv: (ask) => [{ dtype: ask.dtype(0), shape: convolved(ask) }],
  ConvTranspose: convTranspose,
  MaxPool: maxPool,
  AveragePool: (ask) => [{ dtype: ask.dtype(0), shape: windowed(ask, ask.shape(0)?.[1]) }],
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  GlobalLpPool: globalPool,
  Dropout: (ask) => [
    { dtype: ask.dtype(0), shape: ask.shape(0) },
    { dtype: "bool", shape: ask.shape(0) },
  ],
  SoftmaxCrossEntropyLoss: loss,
  NegativeLogLikelihoodLoss: loss,
} satisfies { readonly [N in OpName]?: ShapeRule<N> };
