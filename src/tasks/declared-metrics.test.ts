import { expect, test } from "vitest";
import { Graph } from "../graph/ir.ts";
import type { DataType } from "../graph/tensor.ts";
import { parseMetrics, resolveMetrics } from "./declared-metrics.ts";

function graphWith(shape: readonly number[]): Graph {
  const graph = new Graph("outputs");
  graph.addOutput(graph.addInput("y", "float32", ["batch", ...shape]));
  return graph;
}

/** A metric over batches of two examples. */
function measure(
  text: string,
  row: readonly number[],
  output: readonly number[],
  target: readonly number[],
  dims: readonly number[] = row,
  dtype: DataType = "float32",
): number | undefined {
  const [metric] = resolveMetrics(graphWith(row), parseMetrics([text]), new Map([["t", { dtype, dims }]]));
  const tally = metric!.start();
  const size = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);
  const examples = output.length / size(row);
  for (let at = 0; at < examples; at += 2) {
    const part = (list: readonly number[], each: number) => list.slice(at * each, (at + 2) * each);
    const fed = part(output, size(row));
    tally.add(fed, part(target, target.length / examples), fed.length / size(row));
  }
  return tally.value();
}

const y = [1, 2, 3, 4, 5, 6];
const t = [1, 0, 3, 1, 5, 9];

test("errors", () => {
  expect(measure("mae:y=t", [2], y, t)).toBeCloseTo(8 / 6, 12);
  expect(measure("rmse:y=t", [2], y, t)).toBeCloseTo(Math.sqrt(22 / 6), 12);
  expect(measure("mae:y=t", [2], [], [])).toBeUndefined();
});

test("r2 is scikit-learn's, also far from zero", () => {
  // The definition of scikit-learn's r2_score with its uniform average, by hand.
  expect(measure("r2:y=t", [2], y, t)).toBeCloseTo((1 + (1 - 22 / (82 - 100 / 3))) / 2, 12);
  const far = (list: readonly number[]) => list.map((x) => x + 1e8);
  expect(measure("r2:y=t", [2], far(y), far(t))).toBeCloseTo((1 + (1 - 22 / (82 - 100 / 3))) / 2, 6);
  expect(measure("r2:y=t", [1], [1, 2, 3], [2, 2, 2])).toBe(0);
});

test("accuracy of classes, along either axis, without ignored ones, and of distributions", () => {
  const scores = [3, 1, 0, 0, 2, 1, 1, 0, 5];
  expect(measure("accuracy:y=t", [3], scores, [0, 1, 0], [], "int64")).toBeCloseTo(2 / 3, 12);
  expect(measure("accuracy:y=t", [3], scores, [0, -100, 0], [], "int64")).toBeCloseTo(1 / 2, 12);
  expect(measure("accuracy:y=t", [3], scores, [1, 0, 0, 0, 1, 0, 1, 0, 0])).toBeCloseTo(2 / 3, 12);
  // [batch, 2 tokens, 3 classes] and [batch, 3 classes, 2 places]
  expect(measure("accuracy:y=t", [2, 3], [...scores.slice(0, 6)], [0, 2], [2], "int64")).toBe(1 / 2);
  expect(measure("accuracy:y=t", [3, 2], [3, 0, 1, 2, 0, 1], [0, 1], [2], "int64")).toBe(1);
});

test("accuracy of yes and no", () => {
  expect(measure("accuracy(threshold=0.5):y=t", [2], [0.9, 0.1, 0.5, 0.4], [1, 0, 0, 1])).toBe(0.5);
});

test("a mask says how much each element counts", () => {
  const masked = (
    text: string,
    row: number[],
    output: number[],
    target: number[],
    mask: number[],
    dims: number[],
  ) => {
    const arrays = new Map([
      [
        "t",
        { dtype: text.startsWith("acc") ? ("int64" as const) : ("float32" as const), dims: row.slice(-1) },
      ],
      ["m", { dtype: "bool" as const, dims }],
    ]);
    const [metric] = resolveMetrics(graphWith(row), parseMetrics([text]), arrays);
    expect(metric!.mask).toMatchObject({ array: "m", dtype: "float32" });
    const tally = metric!.start();
    tally.add(output, target, 2, mask);
    return tally.value();
  };
  expect(masked("mae(mask=m):y=t", [2], [1, 2, 3, 4], [2, 2, 9, Number.NaN], [1, 1, 0.5, 0], [2])).toBe(
    4 / 2.5,
  );
  // one number an example, and one a place of [classes, places]
  expect(masked("rmse(mask=m):y=t", [2], [1, 2, 3, 4], [1, 4, 0, 0], [1, 0], [])).toBeCloseTo(Math.SQRT2, 12);
  const scores = [3, 0, 1, 2, 0, 1, 0, 3, 2, 1, 0, 1];
  expect(masked("accuracy(mask=m):y=t", [3, 2], scores, [0, 2, 0, 0], [1, 0, 1, 1], [1, 2])).toBeCloseTo(
    2 / 3,
    12,
  );
});

test("names tell metrics apart", () => {
  const names = (...texts: string[]) => {
    const graph = graphWith([2]);
    const second = graph.addInput("z", "float32", ["batch", 2]);
    graph.addOutput(second);
    const arrays = new Map([
      ["t", { dtype: "float32" as const, dims: [2] }],
      ["u", { dtype: "float32" as const, dims: [2] }],
    ]);
    return resolveMetrics(graph, parseMetrics(texts), arrays).map(({ name, mode }) => `${name} ${mode}`);
  };
  expect(names("mae:y=t", "r2:y=t")).toEqual(["mae min", "r2 max"]);
  expect(names("mae:y=t", "mae:z=t")).toEqual(["mae:y min", "mae:z min"]);
  expect(names("mae:y=t", "mae:y=u")).toEqual(["mae:y=t min", "mae:y=u min"]);
});
