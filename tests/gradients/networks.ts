import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import { type CaseOptions, type GradCase, grad } from "./grad-case.ts";

type Attributes = { readonly [key: string]: number | string | readonly number[] };

const conv =
  (attributes: Attributes = {}) =>
  (g: GraphBuilder, ...inputs: Value[]) =>
    g.op("Conv", inputs, attributes);
const transposed =
  (attributes: Attributes = {}) =>
  (g: GraphBuilder, ...inputs: Value[]) =>
    g.op("ConvTranspose", inputs, attributes);
const pool = (
  name: "MaxPool" | "AveragePool",
  shape: string,
  attributes: Attributes,
  options: CaseOptions = {},
) => grad(shape, (g, x) => g.op(name, [x], attributes), options);

/** Statistics of three channels that nobody moves. */
const running = (g: GraphBuilder) => [g.constant([0.2, -0.1, 0.4]), g.constant([0.6, 1.2, 0.9])];

const labels = (g: GraphBuilder) => g.ints([2, -100, 0, 1]);
const weights = (g: GraphBuilder) => g.constant([0.5, 2, 1.5]);

export const networks: { readonly [title: string]: GradCase } = {
  "Conv 2-D, padded": grad("2x3x5x4, 4x3x3x3, 4", conv({ pads: [1, 1, 1, 1] })),
  "Conv 2-D, uneven pads": grad("2x2x5x4, 3x2x3x2", conv({ pads: [0, 1, 2, 0] })),
  "Conv 2-D, pads wider than the kernel": grad("1x2x3x3, 2x2x2x2", conv({ pads: [2, 2, 2, 2] })),
  "Conv 2-D, stride 2 with a rest": grad("2x3x6x6, 4x3x3x3", conv({ strides: [2, 2], pads: [1, 1, 1, 1] })),
  "Conv 2-D, stride 2 without a rest": grad(
    "1x2x7x7, 2x2x3x3",
    conv({ strides: [2, 2], pads: [1, 1, 1, 1] }),
  ),
  "Conv 2-D, dilated": grad("1x2x7x6, 2x2x3x2", conv({ dilations: [2, 3], pads: [1, 0, 1, 0] })),
  "Conv 2-D, dilated and strided": grad("1x2x8x7, 2x2x3x2", conv({ dilations: [2, 3], strides: [2, 2] })),
  "Conv 2-D, 1×1": grad("2x3x4x4, 5x3x1x1, 5", conv()),
  "Conv 2-D, 1×1 on a large image": grad("2x2x28x28, 3x2x1x1", conv(), { float32Tolerance: 1e-3 }),
  "Conv 2-D, 1×1 with stride 2": grad("2x3x5x5, 4x3x1x1", conv({ strides: [2, 2] })),
  "Conv 2-D, 3×3 on a large image": grad("1x2x30x28, 2x2x3x3", conv({ pads: [1, 1, 1, 1] }), {
    float32Tolerance: 1e-3,
  }),
  "Conv 2-D, two groups, dilated, on a large image": grad(
    "2x4x30x29, 6x2x3x2",
    conv({ group: 2, dilations: [2, 3], pads: [2, 0, 1, 3] }),
    { float32Tolerance: 1e-3 },
  ),
  "Conv 2-D, a kernel that reaches past the image": grad("1x2x2x3, 2x2x5x3", conv({ pads: [2, 1, 2, 1] })),
  "Conv 2-D, two groups": grad("2x4x5x5, 6x2x3x3", conv({ group: 2 })),
  "Conv 2-D, two groups and stride 2": grad("2x4x5x5, 6x2x3x3", conv({ group: 2, strides: [2, 2] })),
  "Conv 2-D, two groups, 1×1": grad("2x4x3x3, 6x2x1x1", conv({ group: 2 })),
  "Conv 2-D, depthwise": grad("2x3x5x5, 3x1x3x3, 3", conv({ group: 3, pads: [1, 1, 1, 1] })),
  "Conv 2-D, depthwise, stride 2": grad(
    "2x3x6x6, 3x1x3x3",
    conv({ group: 3, strides: [2, 2], pads: [1, 1, 1, 1] }),
  ),
  "Conv 2-D, depthwise, two filters a channel": grad(
    "2x3x5x5, 6x1x3x3",
    conv({ group: 3, dilations: [2, 2] }),
  ),
  "Conv 2-D, depthwise, batch unknown": grad(
    "2x3x5x5, 3x1x3x3",
    (g, x, w) => {
      const batch = g.op("Shape", [x], { start: 0, end: 1 });
      const fixed = g.reshape(x, g.concat([batch, g.ints([3, 5, 5])], 0));
      return g.op("Conv", [fixed, g.reshape(w, [3, 1, 3, 3])], { group: 3, strides: [2, 2] });
    },
    { symbolic: true },
  ),
  "Conv 2-D, pixels unknown": grad("2x3x5x6, 4x3x3x2, 4", conv({ pads: [1, 0, 1, 1] }), {
    symbolic: "pixels",
  }),
  "Conv 2-D, pixels unknown, stride 2 with a rest": grad(
    "2x3x6x7, 4x3x3x3",
    conv({ strides: [2, 3], pads: [1, 1, 1, 0] }),
    { symbolic: "pixels" },
  ),
  "Conv 2-D, pixels unknown, two groups, dilated": grad(
    "2x4x8x7, 6x2x3x2",
    conv({ group: 2, strides: [2, 1], dilations: [1, 2], pads: [0, 2, 1, 1] }),
    { symbolic: "pixels" },
  ),
  "Conv 2-D, pixels unknown, depthwise, stride 2": grad(
    "2x3x6x5, 3x1x3x3",
    conv({ group: 3, strides: [2, 2], pads: [1, 1, 1, 1] }),
    { symbolic: "pixels" },
  ),
  "Conv 2-D, pixels unknown, pads wider than the kernel": grad(
    "1x2x3x3, 2x2x2x2",
    conv({ pads: [2, 2, 3, 2] }),
    { symbolic: "pixels" },
  ),
  "Conv 1-D, samples unknown, stride 3": grad("2x3x10, 4x3x4", conv({ strides: [3] }), {
    symbolic: "pixels",
  }),
  "ConvTranspose 2-D, pixels unknown, stride 2": grad(
    "2x4x4x3, 4x2x3x3, 4",
    transposed({ strides: [2, 2], pads: [1, 0, 1, 1], output_padding: [1, 0], group: 2 }),
    { symbolic: "pixels" },
  ),
  "Conv 2-D, SAME_UPPER with stride 2": grad(
    "1x2x5x6, 2x2x2x3",
    conv({ auto_pad: "SAME_UPPER", strides: [2, 2] }),
  ),
  "Conv 2-D, pixels unknown, SAME_UPPER with stride 2": grad(
    "1x2x5x6, 2x2x2x3",
    conv({ auto_pad: "SAME_UPPER", strides: [2, 2] }),
    { symbolic: "pixels" },
  ),
  "Conv 2-D, pixels unknown, SAME_LOWER with strides 3 and 1, depthwise": grad(
    "2x2x7x5, 2x1x3x2",
    conv({ auto_pad: "SAME_LOWER", strides: [3, 1], group: 2 }),
    { symbolic: "pixels" },
  ),
  "Conv 2-D, SAME_LOWER": grad("1x2x5x6, 2x2x2x3", conv({ auto_pad: "SAME_LOWER" })),
  "Conv 2-D, VALID": grad("1x2x5x6, 2x2x2x3", conv({ auto_pad: "VALID" })),
  "Conv 1-D": grad("2x3x7, 4x3x3, 4", conv({ pads: [1, 1] })),
  "Conv 1-D, depthwise, stride 3": grad("2x3x9, 3x1x4", conv({ group: 3, strides: [3], pads: [1, 2] })),
  "Conv 3-D": grad("1x2x4x3x3, 2x2x2x2x2, 2", conv({ pads: [1, 0, 0, 0, 1, 0] })),
  "Conv 3-D, stride 2, two groups": grad("1x2x5x4x3, 2x1x2x2x2", conv({ strides: [2, 2, 1], group: 2 })),

  "ConvTranspose 2-D": grad("2x3x4x3, 3x2x3x3, 2", transposed()),
  "ConvTranspose 2-D, stride 2": grad(
    "1x3x4x3, 3x2x3x3",
    transposed({ strides: [2, 2], pads: [1, 0, 0, 1], output_padding: [1, 1] }),
  ),
  "ConvTranspose 2-D, dilated": grad("1x2x4x3, 2x2x2x3", transposed({ dilations: [2, 2] })),
  "ConvTranspose 2-D, two groups": grad("1x4x4x3, 4x3x2x2", transposed({ group: 2, strides: [2, 1] })),
  "ConvTranspose 2-D, depthwise": grad("2x3x4x4, 3x1x3x3", transposed({ group: 3, strides: [2, 2] })),
  "ConvTranspose 2-D, SAME_UPPER": grad(
    "1x2x3x3, 2x2x3x3",
    transposed({ auto_pad: "SAME_UPPER", strides: [2, 2] }),
  ),
  "ConvTranspose 2-D, output_shape": grad(
    "1x2x3x3, 2x2x3x3",
    transposed({ output_shape: [6, 6], strides: [2, 2] }),
  ),
  "ConvTranspose 1-D": grad("2x3x5, 3x2x3", transposed({ strides: [2] })),
  "ConvTranspose 3-D": grad("1x2x3x2x2, 2x2x2x2x2", transposed({ strides: [1, 2, 1] })),

  "MaxPool 2-D, windows overlap": pool("MaxPool", "2x3x7x7", {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
  }),
  "MaxPool 2-D, sizes unknown": pool(
    "MaxPool",
    "1x2x6x6",
    { kernel_shape: [2, 2], strides: [2, 2] },
    { symbolic: true },
  ),
  "MaxPool 2-D, ceil": pool("MaxPool", "1x2x6x5", { kernel_shape: [3, 2], strides: [2, 2], ceil_mode: 1 }),
  "MaxPool 2-D, indices column by column": pool("MaxPool", "1x2x5x6", {
    kernel_shape: [2, 3],
    strides: [1, 2],
    storage_order: 1,
  }),
  "MaxPool 2-D, dilated": pool("MaxPool", "1x2x7x7", { kernel_shape: [2, 3], dilations: [2, 2] }),
  "MaxPool 1-D, SAME_UPPER": pool("MaxPool", "2x2x7", {
    kernel_shape: [2],
    strides: [2],
    auto_pad: "SAME_UPPER",
  }),
  "MaxPool 3-D": pool("MaxPool", "1x2x4x4x4", { kernel_shape: [2, 2, 2], strides: [2, 2, 2] }),
  "AveragePool 2-D": pool("AveragePool", "2x3x6x6", { kernel_shape: [2, 2], strides: [2, 2] }),
  "AveragePool 2-D, padded, pads not counted": pool("AveragePool", "1x2x5x5", {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
  }),
  "AveragePool 2-D, padded, pads counted": pool("AveragePool", "1x2x5x6", {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    count_include_pad: 1,
  }),
  "AveragePool 2-D, ceil, where a window more would begin in the padding": pool("AveragePool", "1x2x4x5", {
    kernel_shape: [1, 3],
    strides: [2, 2],
    pads: [0, 0, 0, 2],
    ceil_mode: 1,
    count_include_pad: 1,
  }),
  "AveragePool 2-D, ceil": pool("AveragePool", "1x2x6x5", {
    kernel_shape: [3, 2],
    strides: [2, 2],
    ceil_mode: 1,
  }),
  "AveragePool 2-D, a rest unread": pool("AveragePool", "1x2x6x6", { kernel_shape: [2, 2], strides: [3, 3] }),
  "AveragePool 1-D, SAME_LOWER": pool("AveragePool", "2x2x7", {
    kernel_shape: [2],
    strides: [2],
    auto_pad: "SAME_LOWER",
  }),
  "MaxPool 2-D, pixels unknown, SAME_UPPER": pool(
    "MaxPool",
    "1x2x5x7",
    { kernel_shape: [3, 3], strides: [2, 2], auto_pad: "SAME_UPPER" },
    { symbolic: "pixels" },
  ),
  "AveragePool 2-D, pixels unknown, SAME_LOWER": pool(
    "AveragePool",
    "1x2x5x7",
    { kernel_shape: [3, 2], strides: [2, 2], auto_pad: "SAME_LOWER" },
    { symbolic: "pixels" },
  ),
  "AveragePool 2-D, pixels unknown, SAME_UPPER, pads counted": pool(
    "AveragePool",
    "1x2x5x7",
    { kernel_shape: [3, 2], strides: [2, 2], auto_pad: "SAME_UPPER", count_include_pad: 1 },
    { symbolic: "pixels" },
  ),
  "AveragePool 2-D, pixels unknown": pool(
    "AveragePool",
    "1x2x6x7",
    { kernel_shape: [3, 2], strides: [2, 3], dilations: [1, 2] },
    { symbolic: "pixels" },
  ),
  "AveragePool 2-D, pixels unknown, pads not counted": pool(
    "AveragePool",
    "1x2x5x6",
    { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 0] },
    { symbolic: "pixels" },
  ),
  "AveragePool 2-D, pixels unknown, ceil, pads counted": pool(
    "AveragePool",
    "1x2x6x5",
    { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 0, 0], ceil_mode: 1, count_include_pad: 1 },
    { symbolic: "pixels" },
  ),
  "AveragePool 2-D, pixels unknown, ceil": pool(
    "AveragePool",
    "1x2x6x5",
    { kernel_shape: [3, 2], strides: [2, 2], ceil_mode: 1 },
    { symbolic: "pixels" },
  ),
  "AveragePool 3-D": pool("AveragePool", "1x2x4x3x3", { kernel_shape: [2, 2, 2] }),
  GlobalAveragePool: grad("2x3x4x2", (g, x) => g.op("GlobalAveragePool", [x])),
  "GlobalAveragePool, sizes unknown": grad("2x3x4x2", (g, x) => g.op("GlobalAveragePool", [x]), {
    symbolic: true,
  }),
  GlobalMaxPool: grad("2x3x4x2", (g, x) => g.op("GlobalMaxPool", [x])),
  GlobalLpPool: grad("2x3x4x2", (g, x) => g.op("GlobalLpPool", [x])),
  "GlobalLpPool, p = 3": grad("2x3x4x2", (g, x) => g.op("GlobalLpPool", [x], { p: 3 })),
  "GlobalLpPool, p = 1": grad("2x3x4x2", (g, x) => g.op("GlobalLpPool", [x], { p: 1 })),

  LayerNormalization: grad("2x3x4, 4, 4", (g, ...all) => g.op("LayerNormalization", all)),
  "LayerNormalization, two axes, no bias": grad("2x3x4, 3x4", (g, ...all) =>
    g.op("LayerNormalization", all, { axis: 1 }),
  ),
  "LayerNormalization, its statistics read": grad("2x3x4, 3x4", (g, ...all) => {
    const names = ["normal", "mean", "deviation"];
    return g.node("LayerNormalization", all, { axis: 1, epsilon: 0.1 }, names).outputs as Value[];
  }),
  "LayerNormalization, its mean alone read": grad(
    "2x3x4",
    (g, x) => g.node("LayerNormalization", [x, g.constant([1, 2, 1, 2])], {}, ["normal", "mean"]).outputs[1]!,
  ),
  "LayerNormalization, batch unknown": grad("2x3x4, 4, 4", (g, ...all) => g.op("LayerNormalization", all), {
    symbolic: true,
  }),
  "BatchNormalization, frozen statistics": grad("2x3x4x4, 3, 3", (g, ...all) =>
    g.op("BatchNormalization", [...all, ...running(g)]),
  ),
  "BatchNormalization, frozen statistics, no image": grad("4x3, 3, 3", (g, ...all) =>
    g.op("BatchNormalization", [...all, ...running(g)]),
  ),
  "BatchNormalization, statistics that are computed": grad(
    "2x3x4x4, 3, 3, 3, 3",
    (g, ...all) => g.op("BatchNormalization", all),
    {
      within: [
        [-2, 2],
        [-2, 2],
        [-2, 2],
        [-1, 1],
        [0.5, 2],
      ],
    },
  ),
  "BatchNormalization, statistics of the batch": grad("4x3x2x2, 3, 3", (g, ...all) =>
    g.op("BatchNormalization", [...all, ...running(g)], { training_mode: 1 }, ["y", "mean", "variance"]),
  ),
  "BatchNormalization, statistics of an unknown batch": grad(
    "4x3x2x2, 3, 3",
    (g, ...all) =>
      g.op("BatchNormalization", [...all, ...running(g)], { training_mode: 1 }, ["y", "mean", "variance"]),
    { symbolic: true },
  ),
  InstanceNormalization: grad("2x3x4x4, 3, 3", (g, ...all) => g.op("InstanceNormalization", all)),
  GroupNormalization: grad("2x4x3x3, 4, 4", (g, ...all) =>
    g.op("GroupNormalization", all, { num_groups: 2 }),
  ),

  "GroupNormalization, channels unknown": grad(
    "2x4x3x3, 4, 4",
    (g, ...all) => g.op("GroupNormalization", all, { num_groups: 2 }),
    { symbolic: true },
  ),
  "Dropout out of training": grad("2x3", (g, x) => g.op("Dropout", [x, g.constant([0.3], "float32", [])])),
  "Dropout that keeps everything": grad("2x3", (g, x) =>
    g.op("Dropout", [x, g.constant([0], "float32", []), g.constant([1], "bool", [])]),
  ),
  "SoftmaxCrossEntropyLoss, mean": grad("4x3", (g, x) =>
    g.op("SoftmaxCrossEntropyLoss", [x, labels(g), weights(g)], { ignore_index: -100 }),
  ),
  "SoftmaxCrossEntropyLoss, sum": grad("4x3", (g, x) =>
    g.op("SoftmaxCrossEntropyLoss", [x, labels(g)], { ignore_index: -100, reduction: "sum" }),
  ),
  "SoftmaxCrossEntropyLoss, plain": grad("2x3", (g, x) =>
    g.op("SoftmaxCrossEntropyLoss", [x, g.ints([2, 0])]),
  ),
  "SoftmaxCrossEntropyLoss, a loss for each pixel, log-probabilities read": grad("2x3x2", (g, x) => {
    const target = g.constant([2, 0, 1, 1], "int64", [2, 2]);
    return g.node("SoftmaxCrossEntropyLoss", [x, target], { reduction: "none" }, ["each", "log"])
      .outputs as Value[];
  }),
  "SoftmaxCrossEntropyLoss, only log-probabilities read": grad("2x3", (g, x) => {
    const { outputs } = g.node("SoftmaxCrossEntropyLoss", [x, g.ints([2, 0])], {}, ["mean", "log"]);
    return outputs[1]!;
  }),
  "NegativeLogLikelihoodLoss, mean": grad("4x3", (g, x) =>
    g.op("NegativeLogLikelihoodLoss", [x, labels(g), weights(g)], { ignore_index: -100 }),
  ),
  "NegativeLogLikelihoodLoss, a loss for each": grad("2x3x2", (g, x) => {
    const target = g.constant([2, 0, 1, 1], "int64", [2, 2]);
    return g.op("NegativeLogLikelihoodLoss", [x, target], { reduction: "none" });
  }),
};
