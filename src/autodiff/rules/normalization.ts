import { type GraphBuilder, range, rankOf } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { sumOver } from "../reduce.ts";
import { type Backward, type GradRules, noGradient } from "../rule.ts";

/**
 * The gradient through x̂ = (x − mean)·inverse over some axes, from that of x̂.
 *
 * dx = inverse ⊙ (d − mean(d) − x̂ ⊙ mean(d ⊙ x̂)), means over the axes that were normalised.
 */
function throughStandardized(
  g: GraphBuilder,
  d: Value,
  standardized: Value,
  inverse: Value,
  axes: readonly number[],
): Value {
  const centred = g.sub(d, g.mean(d, axes, true));
  const along = g.mul(standardized, g.mean(g.mul(d, standardized), axes, true));
  return g.mul(g.sub(centred, along), inverse);
}

/** What an inverse deviation that is read adds to the gradient: −x̂ ⊙ inverse² ⊙ d / n, of n elements each. */
export function throughInverse(
  g: GraphBuilder,
  d: Value,
  standardized: Value,
  inverse: Value,
  axes: readonly number[],
): Value {
  const each = g.div(g.mul(g.cast(d, inverse), g.square(inverse)), g.count(standardized, inverse, axes));
  return g.neg(g.mul(standardized, each));
}

/** (x − mean) / √(variance + ε) over axes, with the inverse deviation. */
function standardize(g: GraphBuilder, x: Value, axes: readonly number[], epsilon: number) {
  const centred = g.sub(x, g.mean(x, axes, true));
  const variance = g.mean(g.square(centred), axes, true);
  const inverse = g.div(1, g.sqrt(g.add(variance, epsilon)));
  return { standardized: g.mul(centred, inverse), inverse };
}

/** x̂ of a LayerNormalization, from the statistics it gives. */
function layerStandardized(b: Backward<"LayerNormalization">) {
  const { g, x } = b;
  const mean = g.cast(b.output(1), x[0]);
  const inverse = g.cast(b.output(2), x[0]);
  return { standardized: g.mul(g.sub(x[0], mean), inverse), inverse };
}

/** Through what is normalised, and through its mean and inverse deviation where those are read. */
function layerInput(b: Backward<"LayerNormalization">): Value {
  const { g, x, dys } = b;
  const { standardized, inverse } = layerStandardized(b);
  const axes = range(b.attrs.axis, rankOf(x[0]));
  const [, mean, deviation] = dys;
  const parts = [
    dys[0] && throughStandardized(g, g.mul(dys[0], x[1]), standardized, inverse, axes),
    deviation && throughInverse(g, deviation, standardized, inverse, axes),
    mean && g.expandLike(g.div(g.cast(mean, x[0]), g.count(x[0], x[0], axes)), x[0]),
  ];
  return parts.filter((part) => part !== undefined).reduce((sum, part) => g.add(sum, part));
}

/** A vector over channels in a shape that broadcasts over [batch, channels, ...]. */
const overChannels = (g: GraphBuilder, vector: Value, rank: number): Value =>
  g.unsqueeze(vector, range(1, rank - 1));

/** Axes of an image but its channels. */
const allButChannels = (rank: number): number[] => [0, ...range(2, rank)];

/** Sums over everything but the channels: a vector. */
const perChannel = (g: GraphBuilder, x: Value): Value => sumOver(g, x, allButChannels(rankOf(x)));

/** Statistics that a BatchNormalization normalised with, as vectors. */
function batchStatistics(b: Backward<"BatchNormalization">): { mean: Value; inverse: Value } {
  const { g, x, attrs } = b;
  const invert = (variance: Value) => g.div(1, g.sqrt(g.add(variance, attrs.epsilon)));
  if (!attrs.training_mode) return { mean: x[3], inverse: invert((x as readonly Value[])[4]!) };
  const rank = rankOf(x[0]);
  const count = g.count(x[0], x[0], allButChannels(rank));
  const mean = g.div(perChannel(g, x[0]), count);
  const centred = g.sub(x[0], overChannels(g, mean, rank));
  return { mean, inverse: invert(g.div(perChannel(g, g.square(centred)), count)) };
}

/** Σ dy ⊙ x̂ over everything but the channels, from Σ dy ⊙ x and Σ dy: one pass over the images less. */
function alongStandardized(b: Backward<"BatchNormalization">): Value {
  const { g, dy, x } = b;
  const { mean, inverse } = batchStatistics(b);
  const product = perChannel(g, g.mul(dy, x[0]));
  return g.mul(g.sub(product, g.mul(mean, perChannel(g, dy))), inverse);
}

/**
 * With frozen statistics dx = dy·scale·inverse. With those of the batch the same minus its mean and minus its part along
 * x̂; written as a·dy + b·x + c with one number each per channel, so that few passes over the images are made.
 */
function batchInput(b: Backward<"BatchNormalization">): Value {
  const { g, dy, x, attrs } = b;
  const rank = rankOf(x[0]);
  const { mean, inverse } = batchStatistics(b);
  const a = g.mul(g.cast(x[1], dy), inverse);
  const direct = g.mul(dy, overChannels(g, a, rank));
  if (!attrs.training_mode) return direct;
  const share = g.div(1, g.count(x[0], dy, allButChannels(rank)));
  const slope = g.neg(g.mul(g.mul(a, inverse), g.mul(share, alongStandardized(b))));
  const offset = g.neg(g.add(g.mul(g.mul(a, share), perChannel(g, dy)), g.mul(slope, mean)));
  const shifted = g.add(g.mul(x[0], overChannels(g, slope, rank)), overChannels(g, offset, rank));
  return g.add(direct, shifted);
}

/** scale·inverse: what a BatchNormalization multiplies each channel by. */
const batchSlope = (b: Backward<"BatchNormalization">): Value =>
  b.g.mul(b.g.cast(b.x[1], b.dy), batchStatistics(b).inverse);

/** x̂ of a GroupNormalization with channels in groups: [batch, groups, rest]. */
function groupStandardized(b: Backward<"GroupNormalization">) {
  const { g, x, attrs } = b;
  const grouped = g.op("Reshape", [x[0], g.ints([0, attrs.num_groups, -1])]);
  return standardize(g, grouped, [2], attrs.epsilon);
}

/** x̂ of an InstanceNormalization, over each channel of each image. */
function instanceStandardized(b: Backward<"InstanceNormalization">) {
  const { g, x, attrs } = b;
  return standardize(g, x[0], range(2, rankOf(x[0])), attrs.epsilon);
}

export const normalization = {
  // y = softmax(x)   dx = y ⊙ (dy − Σ dy⊙y)
  Softmax: [({ g, dy, y, attrs: { axis } }) => g.mul(y, g.sub(dy, g.sum(g.mul(dy, y), [axis], true)))],
  // y = log softmax(x)   dx = dy − eʸ·Σ dy
  LogSoftmax: [({ g, dy, y, attrs: { axis } }) => g.sub(dy, g.mul(g.exp(y), g.sum(dy, [axis], true)))],
  LayerNormalization: {
    inputs: [layerInput, (b) => b.g.mul(b.dy, layerStandardized(b).standardized), ({ dy }) => dy],
    outputs: "all",
  },
  // frozen statistics may be computed: exporters write a LayerNormalization so
  BatchNormalization: [
    batchInput,
    alongStandardized,
    ({ g, dy }) => perChannel(g, dy),
    (b) => (b.attrs.training_mode ? undefined : b.g.neg(b.g.mul(batchSlope(b), perChannel(b.g, b.dy)))),
    (b) => {
      if (b.attrs.training_mode) return undefined;
      const { inverse } = batchStatistics(b);
      return b.g.mul(b.g.mul(batchSlope(b), inverse), b.g.mul(-0.5, alongStandardized(b)));
    },
  ],
  InstanceNormalization: [
    (b) => {
      const { g, dy, x } = b;
      const rank = rankOf(x[0]);
      const { standardized, inverse } = instanceStandardized(b);
      const d = g.mul(dy, overChannels(g, x[1], rank));
      return throughStandardized(g, d, standardized, inverse, range(2, rank));
    },
    (b) => perChannel(b.g, b.g.mul(b.dy, instanceStandardized(b).standardized)),
    ({ g, dy }) => perChannel(g, dy),
  ],
  GroupNormalization: [
    (b) => {
      const { g, dy, x, node } = b;
      const [scales, channels] = [x[1].shape?.[0], x[0].shape?.[1]];
      const isOne = scales === channels || typeof scales === "string" || typeof channels === "string";
      if (!isOne) noGradient(node, "its scale is not one number per channel");
      const { standardized, inverse } = groupStandardized(b);
      const d = g.mul(dy, overChannels(g, x[1], rankOf(x[0])));
      const grouped = g.reshapeLike(d, standardized);
      return g.reshapeLike(throughStandardized(g, grouped, standardized, inverse, [2]), x[0]);
    },
    (b) => perChannel(b.g, b.g.mul(b.dy, b.g.reshapeLike(groupStandardized(b).standardized, b.x[0]))),
    ({ g, dy }) => perChannel(g, dy),
  ],
  LRN: "expansion",
  LpNormalization: "expansion",
  MeanVarianceNormalization: "expansion",
  RMSNormalization: "expansion",
} satisfies Partial<GradRules>;
