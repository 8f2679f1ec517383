import { range, rankOf } from "../builder.ts";
import type { Value } from "../ir.ts";
import { activated } from "./activation.ts";
import { aliases } from "./aliases.ts";
import type { Composite, Expansions } from "./expansion.ts";

/** Attributes for an operator of the same ones, but for lists that are absent. */
const present = <T extends object>(attributes: T): T =>
  Object.fromEntries(Object.entries(attributes).filter(([, value]) => value?.length !== 0)) as T;

/** Rows of a table of embeddings for whole numbers of [batch, tokens]. */
const rowsOf = ({ g }: Composite, table: Value, ids: Value): Value => g.op("Gather", [table, ids]);

/** The first rows of a table, one for each token of [batch, tokens]. */
const firstRows = ({ g }: Composite, table: Value, ids: Value): Value =>
  g.op("Slice", [table, g.ints([0]), g.sizeOf(ids, 1), g.ints([0])]);

function embedded(c: Composite<"com.microsoft.EmbedLayerNormalization">): readonly Value[] {
  const { g, x, attrs } = c;
  const [ids, segments, words, positions, segmentTable, gamma, beta, mask] = x;
  const places = c.has(8) ? rowsOf(c, positions, x[8]!) : firstRows(c, positions, ids);
  const placed = g.add(rowsOf(c, words, ids), places);
  const sum = c.has(1) ? g.add(placed, rowsOf(c, segmentTable, segments)) : placed;
  // how many tokens of each example are unmasked, and 0 where nothing says so
  const counted = c.has(7)
    ? g.sum(g.cast(g.equal(mask, 1), "int32"), [1])
    : g.cast(g.op("Expand", [g.ints([0]), g.sizeOf(ids, 0)]), "int32");
  const y = g.op("LayerNormalization", [sum, gamma, beta], { epsilon: attrs.epsilon });
  return [y, counted, sum];
}

/** Softmax over all axes from one on together. */
function softmaxFrom({ g }: Composite, x: Value, axis: number): Value {
  if (axis === rankOf(x) - 1) return g.op("Softmax", [x], { axis });
  const flat = g.op("Reshape", [x, g.ints([...range(axis).map(() => 0), -1])]);
  return g.reshapeLike(g.op("Softmax", [flat], { axis }), x);
}

function convolved(c: Composite<"com.microsoft.FusedConv">): Value {
  const { g, node, x, attrs } = c;
  const { activation, activation_params, ...windows } = attrs;
  const made = g.op("Conv", [x[0], x[1], c.has(2) ? x[2] : undefined], present(windows));
  const sum = c.has(3) ? g.add(made, x[3]) : made;
  return activated(g, node, sum, activation, activation_params);
}

/** Channels moved from the last axis to the second, and back. */
const channelsFirst = ({ g }: Composite, x: Value): Value =>
  g.transpose(x, [0, rankOf(x) - 1, ...range(1, rankOf(x) - 1)]);
const channelsLast = ({ g }: Composite, x: Value): Value => g.transpose(x, [0, ...range(2, rankOf(x)), 1]);

function groupNormalized(
  c: Composite<"com.microsoft.GroupNorm" | "com.microsoft.SkipGroupNorm">,
  x: Value,
): Value {
  const { g, attrs } = c;
  const images = attrs.channels_last ? channelsFirst(c, x) : x;
  const norm = g.op("GroupNormalization", [images, c.x[1], c.x[2]], {
    epsilon: attrs.epsilon,
    num_groups: attrs.groups,
  });
  const y = attrs.channels_last ? channelsLast(c, norm) : norm;
  return attrs.activation === 1 ? g.mul(y, g.op("Sigmoid", [y])) : y;
}

/** What is normalised is the sum of images, other images or one vector for each of them, and a vector over channels. */
function skipGroupNormalized(c: Composite<"com.microsoft.SkipGroupNorm">): readonly Value[] {
  const { g, x, attrs } = c;
  const wide = (channels: Value, from: number) =>
    attrs.channels_last ? g.unsqueeze(channels, range(from, 3)) : g.unsqueeze(channels, range(from + 1, 4));
  const skip = rankOf(x[3]) === 2 ? wide(x[3], 1) : x[3];
  const sum = g.add(x[0], skip);
  const bias = c.has(4) && (attrs.channels_last ? x[4] : g.unsqueeze(x[4], [1, 2]));
  const total = bias ? g.add(sum, bias) : sum;
  return [groupNormalized(c, total), total];
}

export const fused = {
  ...aliases,
  // y = x / √(mean(x²) + ε) · scale, over the axes from `axis` on
  SimplifiedLayerNormalization: ({ g, x: [x, scale], attrs: { axis, epsilon, stash_type } }) => {
    const wide = stash_type === 1 ? g.cast(x, "float32") : x;
    const axes = range(axis, rankOf(x));
    const inverse = g.div(1, g.sqrt(g.add(g.mean(g.square(wide), axes, true), epsilon)));
    return [g.mul(g.cast(g.mul(wide, inverse), scale), scale), inverse];
  },
  // the statistics are outputs in name only: no kernel of ONNX Runtime for the CPU writes them
  "com.microsoft.SkipLayerNormalization": (c) => {
    const { g, x, attrs } = c;
    const added = g.add(x[0], x[1]);
    const sum = c.has(4) ? g.add(added, x[4]) : added;
    const beta = c.has(3) ? x[3] : undefined;
    const y = g.op("LayerNormalization", [sum, x[2], beta], { epsilon: attrs.epsilon });
    return [y, undefined, undefined, sum];
  },
  "com.microsoft.SkipSimplifiedLayerNormalization": (c) => {
    const { g, x, attrs } = c;
    const added = g.add(x[0], x[1]);
    const sum = c.has(3) ? g.add(added, x[3]) : added;
    const y = g.op("SimplifiedLayerNormalization", [sum, x[2]], { epsilon: attrs.epsilon });
    return [y, undefined, undefined, sum];
  },
  "com.microsoft.EmbedLayerNormalization": embedded,
  "com.microsoft.BiasGelu": ({ g, x: [a, b] }) => g.op("com.microsoft.Gelu", [g.add(a, b)]),
  "com.microsoft.FastGelu": (c) => {
    const sum = c.has(1) ? c.g.add(c.x[0], c.x[1]) : c.x[0];
    return c.g.op("Gelu", [sum], { approximate: "tanh" });
  },
  "com.microsoft.QuickGelu": ({ g, x: [x], attrs: { alpha } }) =>
    g.mul(x, g.op("Sigmoid", [g.mul(x, alpha)])),
  // one half, times the Gelu of the other
  "com.microsoft.BiasSplitGelu": ({ g, x: [x, bias] }) => {
    const axis = rankOf(x) - 1;
    const halves = [g.graph.freshName("left"), g.graph.freshName("right")];
    const [left, right] = g.node("Split", [g.add(x, bias)], { axis, num_outputs: 2 }, halves).outputs;
    return g.mul(left!, g.op("com.microsoft.Gelu", [right]));
  },
  "com.microsoft.BiasAdd": ({ g, x: [x, bias, skip] }) => g.add(g.add(x, bias), skip),
  // where the bias is repeated follows from its sizes, which are 1 there
  "com.microsoft.BiasSoftmax": (c) => softmaxFrom(c, c.g.add(c.x[0], c.x[1]), c.attrs.axis),
  "com.microsoft.FusedGemm": (c) => {
    const { g, node, x, attrs } = c;
    const { activation, activation_alpha, activation_beta, activation_gamma, ...gemm } = attrs;
    const y = g.op("Gemm", [x[0], x[1], c.has(2) ? x[2] : undefined], gemm);
    return activated(g, node, y, activation, [activation_alpha, activation_beta, activation_gamma]);
  },
  "com.microsoft.FusedConv": convolved,
  // the weight's channels are last too, as ONNX Runtime's optimiser writes it
  "com.microsoft.NhwcConv": (c) => {
    const { g, x, attrs } = c;
    const inputs = [channelsFirst(c, x[0]), channelsFirst(c, x[1]), c.has(2) ? x[2] : undefined];
    return channelsLast(c, g.op("Conv", inputs, present(attrs)));
  },
  "com.microsoft.GroupNorm": (c) => groupNormalized(c, c.x[0]),
  "com.microsoft.SkipGroupNorm": skipGroupNormalized,
} as const satisfies Expansions;
