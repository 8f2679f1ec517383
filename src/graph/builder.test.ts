import { expect, test } from "vitest";
import { GraphBuilder } from "./builder.ts";
import { Graph } from "./ir.ts";
import { print } from "./print.ts";
import { float32 } from "./tensor.ts";

function builderOf(shape: readonly (number | string)[]) {
  const graph = new Graph("g");
  const x = graph.addInput("x", "float32", shape);
  return { graph, x, g: new GraphBuilder(graph) };
}

test("golden: what methods append", () => {
  const { graph, g, x } = builderOf(["batch", 3]);
  graph.addOutput(g.div(g.sum(g.mul(x, 2), [1]), g.count(x, x, [1])));
  expect(print(graph)).toMatchInlineSnapshot(`
    "graph "g" (onnx 21)
      input %x: float32[batch, 3]
      %mul: float32[batch, 3] = Mul(%x, 2)
      %reducesum: float32[batch] = ReduceSum(%mul, [1]) {keepdims: 0}
      %div: float32[batch] = Div(%reducesum, 3)
      output %div
    "
  `);
});

test("the same operator on the same values is one node, until it is removed", () => {
  const { graph, g, x } = builderOf([2, 3]);
  const first = g.exp(x);
  expect(g.exp(x)).toBe(first);
  expect(g.op("Softmax", [x], { axis: 0 })).not.toBe(g.op("Softmax", [x], { axis: 1 }));
  expect(g.op("Dropout", [x])).not.toBe(g.op("Dropout", [x]));
  graph.removeNodes(new Set([first.producer!]));
  expect(g.exp(x)).not.toBe(first);
  expect(graph.nodes).toHaveLength(5);
});

test("equal constants are one initializer; type and sizes count", () => {
  const { g } = builderOf([2]);
  expect(g.constant([1, 2])).toBe(g.constant([1, 2]));
  expect(g.constant([1, 2])).not.toBe(g.ints([1, 2]));
  expect(g.constant([1, 2])).not.toBe(g.constant([1, 2], "float32", [2, 1]));
});

test("what JSON writes alike is told apart", () => {
  const { graph, g } = builderOf([2]);
  const size = graph.addInput("size", "int64", [1]);
  const filled = (value: number) => g.op("ConstantOfShape", [size], { value: float32([1], [value]) });
  expect(filled(0)).toBe(filled(0));
  expect(filled(0)).not.toBe(filled(1));
  expect(g.constant([0])).not.toBe(g.constant([-0]));
  const steep = (alpha: number) => g.op("LeakyRelu", [graph.get("x")], { alpha });
  expect(steep(Number.NaN)).not.toBe(steep(Number.POSITIVE_INFINITY));
});

test("numbers take the type of what they meet", () => {
  const { graph, g } = builderOf([2]);
  const half = graph.addInput("half", "float16", [2]);
  expect(g.add(half, 1.5).dtype).toBe("float16");
  expect(g.sub(1, half).producer!.inputs[0]!.dtype).toBe("float16");
  expect(g.add(g.ints([1]), 1).dtype).toBe("int64");
});

test("what changes nothing is left out", () => {
  const { graph, g, x } = builderOf([2, 3]);
  expect(g.transpose(x, [0, 1])).toBe(x);
  expect(g.reshape(x, [2, 3])).toBe(x);
  expect(g.slice(x, [0], [0], [2])).toBe(x);
  expect(g.pad(x, [0, 0, 0, 0])).toBe(x);
  expect(g.sum(x, [])).toBe(x);
  expect(g.cast(x, "float32")).toBe(x);
  expect(g.expandLike(x, x)).toBe(x);
  expect(graph.nodes).toHaveLength(0);
});

test("shapes are constants where they are known, and taken at run time where not", () => {
  expect(builderOf([2, 3]).g.shapeOf(builderOf([2, 3]).x).constant).toBeDefined();
  const { g, x } = builderOf(["batch", 3]);
  expect(g.shapeOf(x).producer!.op).toBe("Shape");
  expect(g.sizeOf(x, 1).constant).toBeDefined();
  expect(g.reshapeLike(g.reshape(x, [-1]), x).shape).toEqual(["batch", 3]);
});

test("a name is given once, as an open size may be called after a value that is called otherwise by now", () => {
  const { graph, g, x } = builderOf(["batch"]);
  const found = g.op("NonZero", [x]);
  expect([found.name, found.shape]).toEqual(["nonzero", [1, "nonzero.1"]]);
  graph.rename(found, "places");
  expect(g.op("NonZero", [g.neg(x)]).shape).not.toEqual(found.shape);
  expect(graph.clone().freshName("nonzero")).not.toBe("nonzero");
});
