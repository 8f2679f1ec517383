import { describe, expect, test } from "vitest";
import { inferShapes } from "../graph/infer.ts";
import { Graph } from "../graph/ir.ts";
import { interpret } from "../graph/kernels/interpret.ts";
import { imageClassification } from "./image-classification.ts";

/** The attached loss on given logits, in float64. */
function lossOf(logits: number[][], targets: number[][], weights: number[]): number {
  const graph = new Graph("g");
  const value = graph.addInput("logits", "float32", ["batch", 3]);
  const names = imageClassification.attachLoss(graph, value);
  inferShapes(graph);
  expect(graph.get(names.loss).shape).toEqual([]);
  const array = (rows: number[][]) => ({
    dtype: "float32" as const,
    dims: [rows.length, 3],
    data: Float64Array.from(rows.flat()),
  });
  const feeds = new Map([
    ["logits", array(logits)],
    [names.targets, array(targets)],
    [names.weights, { dtype: "float32" as const, dims: [weights.length], data: Float64Array.from(weights) }],
  ]);
  return interpret(graph, feeds).get(names.loss)!.data[0]!;
}

describe("the loss", () => {
  test("one hard target", () => expect(lossOf([[2, 1, 0]], [[1, 0, 0]], [1])).toBeCloseTo(0.407606, 6));
  test("label smoothing 0.1", () => {
    const smooth = [0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3];
    expect(lossOf([[2, 1, 0]], [smooth], [1])).toBeCloseTo(0.507606, 6);
  });
  test("padding of any value does not count", () => {
    const rows = [
      [2, 1, 0],
      [0, 0, 3],
    ];
    const targets = [
      [1, 0, 0],
      [0, 1, 0],
    ];
    const alone = lossOf(rows, targets, [1, 1]);
    const padded = lossOf([...rows, [50, -50, 0]], [...targets, [0, 1, 0]], [1, 1, 0]);
    expect(padded).toBeCloseTo(alone, 12);
  });
  test("weights are shares of the mean", () => {
    const single = (row: number[]) => lossOf([row], [[1, 0, 0]], [1]);
    const both = lossOf(
      [
        [2, 1, 0],
        [0, 1, 0],
      ],
      [
        [1, 0, 0],
        [1, 0, 0],
      ],
      [3, 1],
    );
    expect(both).toBeCloseTo((3 * single([2, 1, 0]) + single([0, 1, 0])) / 4, 12);
  });
});

test("decoding gives the most probable labels of each row", () => {
  const rows = imageClassification.decode(Float32Array.of(0, 2, 1, 5, 0, 0), ["a", "b", "c"], 2);
  expect(rows.map((row) => row.map(({ label }) => label))).toEqual([
    ["b", "c"],
    ["a", "b"],
  ]);
  expect(rows[0]![0]!.probability).toBeCloseTo(0.665241, 6);
  expect(imageClassification.decode(new Float32Array(0), [])).toEqual([]);
});

test("metrics from logits and labels", () => {
  const metrics = imageClassification.metrics(Float32Array.of(2, 1, 0, 0, 1, 0), [0, 2], 3);
  expect([metrics.examples, metrics.accuracy]).toEqual([2, 0.5]);
});
