import { afterAll, beforeAll, expect, test } from "vitest";
import { GraphBuilder } from "../graph/builder.ts";
import type { Shape } from "../graph/dim.ts";
import { Graph } from "../graph/ir.ts";
import { cpuRuntime } from "./cpu.node.ts";
import { exactScatter } from "./exact-scatter.ts";
import type { HostTensor, Runtime } from "./runtime.ts";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await cpuRuntime({ threads: 2 });
});
afterAll(() => runtime.dispose());

function scatter(shapes: readonly [Shape, Shape, Shape], reduction: string): Graph {
  const graph = new Graph("scatter");
  const [data, indices, updates] = [
    graph.addInput("data", "float32", shapes[0]),
    graph.addInput("indices", "int64", shapes[1]),
    graph.addInput("updates", "float32", shapes[2]),
  ];
  graph.addOutput(new GraphBuilder(graph).op("ScatterND", [data, indices, updates], { reduction }, ["y"]));
  return graph;
}
const floats = (dims: readonly number[], at: (i: number) => number): HostTensor => ({
  dtype: "float32",
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => at(i)),
});
const places = (dims: readonly number[], at: readonly number[]): HostTensor => ({
  dtype: "int64",
  dims,
  data: BigInt64Array.from(at, BigInt),
});
async function computed(graph: Graph, feeds: Readonly<Record<string, HostTensor>>): Promise<number[]> {
  const executable = await runtime.compile(graph);
  const { y } = await executable.run(feeds);
  await executable.dispose();
  return [...(y!.data as Float32Array)];
}

test("every one of many rows that meet in one place counts, with threads", async () => {
  const [rows, width] = [4096, 384];
  const graph = scatter(
    [
      ["v", width],
      ["n", 1],
      ["n", width],
    ],
    "add",
  );
  const y = await computed(graph, {
    data: floats([2, width], () => 0),
    indices: places([rows, 1], new Array(rows).fill(1)),
    updates: floats([rows, width], () => 1),
  });
  expect(new Set(y.slice(width))).toEqual(new Set([rows]));
  expect(new Set(y.slice(0, width))).toEqual(new Set([0]));
});

test.each([
  [
    "sizes that are known",
    [
      [2, 3, 2],
      [4, 2],
      [4, 2],
    ],
  ],
  [
    "sizes that are not",
    [
      ["a", "b", "c"],
      ["n", 2],
      ["n", "c"],
    ],
  ],
] as const)("places of two axes, counted from either end, are the same ones: %s", async (_, shapes) => {
  const feeds = {
    data: floats([2, 3, 2], () => 1),
    indices: places([4, 2], [1, 2, -1, -1, 0, 1, 0, -2]),
    updates: floats([4, 2], (i) => i + 2),
  };
  const y = (reduction: string) =>
    computed(
      exactScatter(scatter(shapes as unknown as [Shape, Shape, Shape], reduction), { inOrder: true }),
      feeds,
    );
  expect(await y("add")).toEqual([1, 1, 15, 17, 1, 1, 1, 1, 1, 1, 7, 9]);
  expect(await y("mul")).toEqual([1, 1, 48, 63, 1, 1, 1, 1, 1, 1, 8, 15]);
  expect(await y("none")).toEqual([1, 1, 8, 9, 1, 1, 1, 1, 1, 1, 4, 5]);
  expect(await y("max")).toEqual([1, 1, 8, 9, 1, 1, 1, 1, 1, 1, 4, 5]);
});

test.each([
  ["known", 0],
  ["not known", "width"],
] as const)("rows of no width are scattered to nothing: a width that is %s", async (_, width) => {
  const shapes = [
    [3, width],
    ["n", 1],
    ["n", width],
  ] as const;
  const graph = exactScatter(scatter(shapes as unknown as [Shape, Shape, Shape], "add"));
  const feeds = {
    data: floats([3, 0], () => 1),
    indices: places([4, 1], [1, 2, 1, 0]),
    updates: floats([4, 0], () => 1),
  };
  expect(await computed(graph, feeds)).toEqual([]);
});

test("constant places that differ, and a scatter that replaces in any order, stay as they are", () => {
  const kept = (indices: readonly number[], reduction: string, inOrder = false) => {
    const graph = new Graph("constant");
    const g = new GraphBuilder(graph);
    const data = graph.addInput("data", "float32", [4, 2]);
    const updates = graph.addInput("updates", "float32", [2, 2]);
    graph.addOutput(g.op("ScatterND", [data, g.constant(indices, "int64", [2, 1]), updates], { reduction }));
    return exactScatter(graph, { inOrder }) === graph;
  };
  expect(kept([0, 3], "add")).toBe(true);
  expect(kept([3, 3], "none")).toBe(true);
  expect(kept([3, 3], "add")).toBe(false);
  expect(kept([3, -1], "add")).toBe(false);
  expect(kept([0, 3], "none", true)).toBe(true);
  expect(kept([3, 3], "none", true)).toBe(false);
});
