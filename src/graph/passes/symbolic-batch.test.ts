import { expect, test } from "vitest";
import { inferShapes } from "../infer.ts";
import { Graph, type Value } from "../ir.ts";
import { print } from "../print.ts";
import { float32, int64 } from "../tensor.ts";
import { makeBatchSymbolic } from "./symbolic-batch.ts";

/** A vision transformer's start as exported for one image: patches, class token, heads. */
function oneImage(): Graph {
  const g = new Graph("vit");
  const add = (op: string, inputs: Value[], name: string, ints: { [key: string]: number | number[] } = {}) =>
    g.addNode(op, inputs, {
      outputs: [name],
      attributes: Object.entries(ints).map(([key, value]) =>
        typeof value === "number"
          ? ([key, { type: "int", value }] as const)
          : ([key, { type: "ints", value }] as const),
      ),
    }).outputs[0]!;
  const shape = (name: string, ...sizes: number[]) => g.addInitializer(name, int64([sizes.length], sizes));
  const x = g.addInput("x", "float32", [1, 3, 8, 8]);
  const weight = g.addInitializer("weight", float32([6, 3, 4, 4], new Float32Array(288)));
  const patches = add("Conv", [x, weight], "patches", { strides: [4, 4] });
  const flat = add("Reshape", [patches, shape("flat_shape", 1, 6, -1)], "flat");
  const tokens = add("Transpose", [flat], "tokens", { perm: [0, 2, 1] });
  const token = g.addInitializer("class_token", float32([1, 1, 6], new Float32Array(6)));
  const all = add("Concat", [token, tokens], "all", { axis: 1 });
  const timeFirst = add("Transpose", [all], "time_first", { perm: [1, 0, 2] });
  const heads = add("Reshape", [timeFirst, shape("heads_shape", 5, 2, 3)], "heads");
  g.addOutput(heads);
  return g;
}

test("constants that carry the batch are opened and the class token is repeated", () => {
  const graph = oneImage();
  expect(makeBatchSymbolic(graph, "x")).toEqual([]);
  const text = print(graph);
  expect(text).toContain("%flat: float32[batch, 6, 4] = Reshape(%patches, %flat_shape_batched)");
  expect(text).toContain("%all: float32[batch, 5, 6]");
  expect(text).toContain("%heads: float32[5, 2*batch, 3] = Reshape(%time_first, %heads_shape_batched)");
});

test("a graph that drops the batch is left as it was, with the reason", () => {
  const graph = oneImage();
  const axes = graph.addInitializer("axes", int64([1], [1]));
  const squeezed = graph.addNode("Squeeze", [
    graph.get("all"),
    graph.addInitializer("first", int64([1], [0])),
  ]);
  graph.addOutput(squeezed.outputs[0]!);
  graph.addOutput(graph.addNode("ReduceMean", [graph.get("all"), axes]).outputs[0]!);
  inferShapes(graph);
  const before = print(graph);
  expect(makeBatchSymbolic(graph, "x")).toEqual(["Squeeze gives [5,6], which does not depend on the batch"]);
  expect(print(graph)).toBe(before);
});

test("an input whose batch is free needs nothing", () => {
  const graph = new Graph("free");
  graph.addInput("x", "float32", ["n", 3]);
  expect(makeBatchSymbolic(graph, "x")).toEqual([]);
});

test("a grid whose sizes are constants is made for every transformation of the batch", () => {
  const g = new Graph("grid");
  const x = g.addInput("x", "float32", [2, 1, 8, 8]);
  const theta = g.addInput("theta", "float32", [2, 2, 3]);
  const sizes = g.addInitializer("sizes", int64([4], [2, 1, 8, 8]));
  const grid = g.addNode("AffineGrid", [theta, sizes], { outputs: ["grid"] }).outputs[0]!;
  g.addOutput(g.addNode("GridSample", [x, grid], { outputs: ["y"] }).outputs[0]!);
  expect(makeBatchSymbolic(g, "x", "theta")).toEqual([]);
  const text = print(g);
  expect(text).toContain("%grid: float32[batch, 8, 8, 2] = AffineGrid(%theta, %concat)");
  expect(text).toContain("%y: float32[batch, 1, 8, 8]");
});

test("states of recurrent operators have their batch on axis 1, and constant ones are repeated", () => {
  const g = new Graph("gru");
  const x = g.addInput("x", "float32", [1, 5, 3]);
  const zeros = (name: string, ...dims: number[]) =>
    g.addInitializer(name, float32(dims, new Float32Array(dims.reduce((a, b) => a * b, 1))));
  const steps = g.addNode("Transpose", [x], {
    attributes: [["perm", { type: "ints", value: [1, 0, 2] }]],
  }).outputs[0]!;
  const gru = (state: Value, name: string) =>
    g.addOutput(
      g.addNode(
        "GRU",
        [steps, zeros(`${name}.w`, 1, 6, 3), zeros(`${name}.r`, 1, 6, 2), undefined, undefined, state],
        {
          attributes: [["hidden_size", { type: "int", value: 2 }]],
          outputs: [`${name}.y`, `${name}.state`],
        },
      ).outputs[1]!,
    );
  gru(g.addInput("state", "float32", [1, 1, 2]), "fed");
  gru(zeros("zero", 1, 1, 2), "constant");
  expect(makeBatchSymbolic(g, "x", ["state", 1])).toEqual([]);
  const text = print(g);
  expect(text).toContain("%fed.state: float32[1, batch, 2]");
  expect(text).toContain("Expand(%zero");
  expect(g.get("state").shape).toEqual([1, "batch", 2]);
});
