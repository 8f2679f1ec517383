import { describe, expect, test } from "vitest";
import { gradcheck } from "../../src/autodiff/gradcheck.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import { interpret } from "../../src/graph/kernels/interpret.ts";
import {
  binaryCrossEntropy,
  huber,
  type LabelOptions,
  l1,
  labelCrossEntropy,
  mse,
  softmaxCrossEntropy,
} from "../../src/tasks/losses.ts";

const scores = [2, 1, 0, 0.5, -1, 0.3, 1, 2, 3, -0.2, 0.1, 0.4];
const labels = [0, 2, -100, 1];
const weights = [0.5, 2, 1.5];
const answers = [1, 0, 0.3, 0, 1, 1, 0.5, 0.5, 0, 1, 1, 0];

const array = (dims: readonly number[], values: readonly number[]) => ({
  dtype: "float32" as const,
  dims,
  data: Float64Array.from(values),
});

/** A graph of four examples and three classes whose output is a loss. */
function lossGraph(build: (g: GraphBuilder, logits: Value) => Value): Graph {
  const graph = new Graph("loss");
  const logits = graph.addInput("logits", "float32", [4, 3]);
  const loss = build(new GraphBuilder(graph), logits);
  graph.rename(loss, "loss");
  graph.addOutput(loss);
  return graph;
}

const feeds = new Map([["logits", array([4, 3], scores)]]);
const lossOf = (build: (g: GraphBuilder, logits: Value) => Value): number[] =>
  Array.from(interpret(lossGraph(build), feeds).get("loss")!.data);

const onLabels = (options: LabelOptions & { weighted?: boolean }) => (g: GraphBuilder, logits: Value) => {
  const { weighted, ...rest } = options;
  return labelCrossEntropy(g, logits, g.ints(labels), {
    ...rest,
    ...(weighted && { weights: g.constant(weights) }),
  });
};
const onAnswers =
  (loss: (g: GraphBuilder, predictions: Value, targets: Value) => Value) => (g: GraphBuilder, x: Value) =>
    loss(g, x, g.constant(answers, "float32", [4, 3]));

/** Values of torch.nn.functional 2.13 in float64 on the same numbers. */
const golden: readonly [string, (g: GraphBuilder, logits: Value) => Value, readonly number[]][] = [
  ["labels", onLabels({}), [0.8166192462532239]],
  ["labels, summed", onLabels({ reduction: "sum" }), [2.449857738759672]],
  [
    "labels, one by one",
    onLabels({ reduction: "none" }),
    [0.4076059644443804, 0.9138616044091668, 0, 1.1283901699061243],
  ],
  ["weighted labels", onLabels({ weighted: true }), [0.9578439321620472]],
  ["smoothed labels", onLabels({ smoothing: 0.1 }), [0.8621748018087795]],
  ["smoothed labels, summed", onLabels({ smoothing: 0.1, reduction: "sum" }), [2.5865244054263385]],
  ["smoothed and weighted labels", onLabels({ smoothing: 0.1, weighted: true }), [1.0037214635711649]],
  [
    "smoothed and weighted labels, one by one",
    onLabels({ smoothing: 0.1, weighted: true, reduction: "none" }),
    [0.40443681259255526, 1.4388947132069305, 0, 2.1715543284851737],
  ],
  ["yes or no", onAnswers(binaryCrossEntropy), [1.0266132189398374]],
  [
    "yes or no, weighted",
    onAnswers((g, x, t) => binaryCrossEntropy(g, x, t, { positiveWeight: g.constant(weights) })),
    [1.1817318181348124],
  ],
  ["mse", onAnswers(mse), [1.7283333333333333]],
  ["l1", onAnswers(l1), [1.0833333333333335]],
  ["huber", onAnswers(huber), [0.64375]],
  ["huber, delta 0.7", onAnswers((g, x, t) => huber(g, x, t, { delta: 0.7 })), [0.5270833333333332]],
];

describe.each(golden)("%s", (_title, build, expected) => {
  test("equals PyTorch", () => {
    const found = lossOf(build);
    expect(found).toHaveLength(expected.length);
    for (const [i, value] of found.entries()) expect(value).toBeCloseTo(expected[i]!, 6);
  });
});

test("soft targets that are a smoothed label equal smoothing", () => {
  const [loss] = lossOf((g, logits) => {
    const rows = labels.map((label) => [0, 1, 2].map((c) => 0.1 / 3 + (c === Math.max(label, 0) ? 0.9 : 0)));
    return softmaxCrossEntropy(g, logits, g.constant(rows.flat(), "float32", [4, 3]), { reduction: "none" });
  });
  expect(loss).toBeCloseTo(0.507606, 6);
});

test("extreme logits do not overflow", () => {
  const graph = lossGraph((g, x) => binaryCrossEntropy(g, g.mul(x, 1e4), g.mul(x, 0), { reduction: "sum" }));
  expect(interpret(graph, feeds).get("loss")!.data[0]).toBeCloseTo(1e4 * 10.3 + Math.LN2, 6);
});

test.each(golden.filter(([, , values]) => values.length === 1))(
  "the gradient of %s",
  async (_title, build) => {
    const result = await gradcheck(lossGraph(build), {
      loss: "loss",
      parameters: ["logits"],
      feeds,
      samples: 12,
    });
    expect(result.largestRelativeError).toBeLessThan(1e-5);
  },
);
