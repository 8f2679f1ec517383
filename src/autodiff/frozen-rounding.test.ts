import { expect, test } from "vitest";
import { GraphBuilder } from "../graph/builder.ts";
import { inferShapes } from "../graph/infer.ts";
import { Graph, type Value } from "../graph/ir.ts";
import { interpret, type NdArray } from "../graph/kernels/interpret.ts";
import { float32, tensorOf } from "../graph/tensor.ts";
import { withFrozenRounding } from "./frozen-rounding.ts";
import { gradcheck } from "./gradcheck.ts";

const at = (...data: number[]): ReadonlyMap<string, NdArray> =>
  new Map([["x", { dtype: "float32", dims: [data.length], data: Float64Array.from(data) }]]);

function graphOf(size: number, make: (g: GraphBuilder, x: Value) => Value): Graph {
  const graph = new Graph("rounding");
  const x = graph.addInput("x", "float32", [size]);
  const y = make(new GraphBuilder(graph), x);
  graph.rename(y, "y");
  graph.addOutput(y);
  inferShapes(graph);
  return graph;
}
const valuesOf = (graph: Graph, feeds: ReadonlyMap<string, NdArray>) => [
  ...interpret(graph, feeds).get("y")!.data,
];

/** x rounded to multiples of 0.5, as bytes. */
const rounded = (g: GraphBuilder, x: Value): Value => {
  const scale = g.tensor(float32([], [0.5]), "scale");
  const zero = g.tensor(tensorOf("uint8", [], Uint8Array.of(10)), "zero");
  return g.op("DequantizeLinear", [g.op("QuantizeLinear", [x, scale, zero]), scale, zero]);
};

test("a graph that rounds nothing is itself", () => {
  const graph = graphOf(2, (g, x) => g.op("Tanh", [x]));
  expect(withFrozenRounding(graph, at(1, 2))).toBe(graph);
});

test("at the point the values are those of rounding; beside it they move with slope 1", () => {
  const graph = graphOf(3, rounded);
  const frozen = withFrozenRounding(graph, at(0.6, 1.3, -2.1));
  expect(valuesOf(frozen, at(0.6, 1.3, -2.1))).toEqual(valuesOf(graph, at(0.6, 1.3, -2.1)));
  const moved = valuesOf(frozen, at(0.61, 1.28, -2.1));
  expect(moved.map((value) => Number(value.toFixed(9)))).toEqual([0.51, 1.48, -2]);
  expect(valuesOf(graph, at(0.61, 1.28, -2.1))).toEqual([0.5, 1.5, -2]);
});

test("what is cut off does not move", () => {
  const graph = graphOf(2, rounded);
  const frozen = withFrozenRounding(graph, at(-9, 200));
  expect(valuesOf(frozen, at(-8, 210))).toEqual([-5, 122.5]);
});

test.each(["Relu", "LeakyRelu", "PRelu"] as const)(
  "a rounded 0 on the bend of %s is judged to the left of it",
  async (op) => {
    const graph = graphOf(3, (g, x) => {
      const slope = op === "PRelu" ? [g.tensor(float32([], [0.25]), "slope")] : [];
      return g.op("ReduceSum", [g.op(op, [rounded(g, x), ...slope] as never)], { keepdims: 0 });
    });
    const checked = await gradcheck(graph, { loss: "y", parameters: ["x"], feeds: at(0.1, 1.3, -2.1) });
    expect(checked.verdict).toBe("right");
  },
);

/** The greatest of two numbers that round to the same, weighted by something that a gradient may be blind to. */
const tied = (isBlind: boolean) =>
  graphOf(2, (g, x) => {
    const greatest = g.op("MaxPool", [g.reshape(rounded(g, x), [1, 1, 2])], { kernel_shape: [2] });
    const weight = g.op("Exp", [g.sum(x, [0])]);
    weight.detached = isBlind;
    return g.mul(g.reshape(greatest, []), weight);
  });

test("a maximum of what rounding has made equal is judged beside the tie", async () => {
  const options = { loss: "y", parameters: ["x"], feeds: at(0.6, 0.4) };
  const { verdict, besideTies } = await gradcheck(tied(false), options);
  expect([verdict, besideTies]).toEqual(["right", true]);
  const apart = await gradcheck(tied(false), { ...options, feeds: at(0.6, 1.4) });
  expect([apart.verdict, apart.besideTies]).toEqual(["right", false]);
});

test("a gradient that is wrong is so beside the tie, too", async () => {
  const { verdict } = await gradcheck(tied(true), { loss: "y", parameters: ["x"], feeds: at(0.6, 0.4) });
  expect(verdict).toBe("wrong");
});

test("a step is seen beside a scale that dwarfs it, as a mask of the least float leaves one", async () => {
  const graph = graphOf(3, (g, x) => {
    const [scale, zero] = [float32([], [1.3e36]), tensorOf("uint8", [], Uint8Array.of(255))];
    const parameters = [g.tensor(scale, "scale"), g.tensor(zero, "zero")];
    const scores = g.op("QuantizeLinear", [x, ...parameters]);
    return g.op("Softmax", [g.op("DequantizeLinear", [scores, ...parameters])], { axis: 0 });
  });
  const g = new GraphBuilder(graph);
  const loss = g.sum(g.mul(graph.get("y"), g.constant([1, 2, -1])), [0]);
  graph.addOutput(loss);
  const point = at(0.4, -1, -3.4e38);
  const { verdict, parameters } = await gradcheck(graph, {
    loss: loss.name,
    parameters: ["x"],
    feeds: point,
  });
  expect(parameters[0]!.largestGradient).toBeCloseTo(0.25, 5);
  expect(verdict).toBe("right");
});

test("a scale that is measured is held, and a product of whole numbers is one of reals", () => {
  const graph = graphOf(3, (g, x) => {
    const rows = g.reshape(x, [1, 3]);
    const { outputs } = g.node("DynamicQuantizeLinear", [rows], {}, ["q", "scale", "zero"]);
    const weights = g.tensor(tensorOf("uint8", [3, 1], Uint8Array.of(3, 1, 2)), "weights");
    const product = g.op("MatMulInteger", [outputs[0]!, weights, outputs[2]!]);
    return g.mul(g.cast(product, "float32"), outputs[1]!);
  });
  const point = at(0.2, -1, 0.7);
  const frozen = withFrozenRounding(graph, point);
  const [before, after] = [valuesOf(frozen, point)[0]!, valuesOf(frozen, at(0.201, -1, 0.7))[0]!];
  expect(before).toBeCloseTo(valuesOf(graph, point)[0]!, 6);
  expect(after - before).toBeCloseTo(0.003, 6);
});

test("regions of a RoiAlign that are computed stay where they are, as its gradient takes them", async () => {
  const pixels = Array.from({ length: 36 }, (_, i) => Math.sin(i));
  const graph = graphOf(4, (g, x) => {
    const image = g.mul(g.constant(pixels, "float32", [1, 1, 6, 6]), g.sum(x, [0]));
    const regions = g.reshape(x, [1, 4]);
    return g.op("RoiAlign", [image, regions, g.ints([0])], {
      output_height: 2,
      output_width: 2,
      sampling_ratio: 2,
    });
  });
  const g = new GraphBuilder(graph);
  const loss = g.sum(g.square(graph.get("y")), [0, 1, 2, 3]);
  graph.addOutput(loss);
  const feeds = at(1.2, 1.4, 3.7, 4.1);
  const frozen = withFrozenRounding(graph, feeds);
  expect(valuesOf(frozen, feeds)).toEqual(valuesOf(graph, feeds));
  const result = await gradcheck(graph, { loss: loss.name, parameters: ["x"], feeds });
  expect(result.parameters[0]!.largestGradient).toBeGreaterThan(0.01);
  expect(result.verdict).toBe("right");
});
