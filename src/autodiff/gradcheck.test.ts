import { expect, test } from "vitest";
import { GraphBuilder } from "../graph/builder.ts";
import { Graph } from "../graph/ir.ts";
import { interpret } from "../graph/kernels/interpret.ts";
import { float32 } from "../graph/tensor.ts";
import { gradcheck } from "./gradcheck.ts";

function graphOf(): Graph {
  const graph = new Graph("check");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", [2, 2]);
  const w = graph.addInitializer("w", float32([2, 2], [0.5, -1, 2, 0.3]));
  const loss = g.sum(g.op("Tanh", [g.matmul(x, w)]), [0, 1]);
  graph.rename(loss, "loss");
  graph.addOutput(loss);
  return graph;
}
const feeds = new Map([
  ["x", { dtype: "float32" as const, dims: [2, 2], data: Float64Array.of(1, 0.5, -0.7, 0.2) }],
]);
const options = { loss: "loss", parameters: ["w", "x"], feeds };

test("right gradients are called right, for initializers and inputs", async () => {
  const result = await gradcheck(graphOf(), options);
  expect(result.verdict).toBe("right");
  expect(result.parameters.map(({ name, samples }) => [name, samples])).toEqual([
    ["w", 4],
    ["x", 4],
  ]);
  expect(result.largestRelativeError).toBeLessThan(1e-8);
});

test("wrong gradients are called wrong", async () => {
  const result = await gradcheck(graphOf(), {
    ...options,
    evaluate(graph, given) {
      const outputs = interpret(graph, given);
      const gradient = outputs.get("w.grad");
      if (gradient) gradient.data[0]! *= 1.01;
      return outputs;
    },
  });
  expect(result.verdict).toBe("wrong");
  expect(result.parameters.find(({ name }) => name === "w")!.largestRelativeError).toBeCloseTo(0.01, 3);
  expect(result.parameters.find(({ name }) => name === "x")!.largestRelativeError).toBeLessThan(1e-8);
});

test("gradients that are not finite are wrong", async () => {
  const graph = graphOf();
  const result = await gradcheck(graph, {
    ...options,
    parameters: ["w"],
    evaluate(program, given) {
      const outputs = interpret(program, given);
      outputs.get("w.grad")?.data.fill(Number.NaN);
      return outputs;
    },
  });
  expect(result.verdict).toBe("wrong");
});

test("a step to where the loss has no value says nothing", async () => {
  const graph = new Graph("root");
  const g = new GraphBuilder(graph);
  // 1e-5 below it there is no root, 1e-7 below it there is
  const w = graph.addInitializer("w", float32([1], [5e-6]));
  const loss = g.sum(g.sqrt(w), [0]);
  graph.rename(loss, "loss");
  graph.addOutput(loss);
  const check = await gradcheck(graph, { loss: "loss", parameters: ["w"], feeds: new Map() });
  expect(check.largestRelativeError).toBeLessThan(1e-4);
  expect(check.verdict).toBe("right");
});

test("a gradient that no step can confirm is not right", async () => {
  const w = Float32Array.of(0.5, -1, 2, 0.3);
  const result = await gradcheck(graphOf(), {
    ...options,
    parameters: ["w"],
    evaluate(program, given) {
      const outputs = interpret(program, given);
      const isAbove = given.get("w")!.data.some((value, i) => value > w[i]!);
      if (isAbove) outputs.get("loss")!.data[0] = Number.POSITIVE_INFINITY;
      return outputs;
    },
  });
  expect(result.verdict).toBe("wrong");
});

test("single precision is judged by its own tolerance", async () => {
  const rounded = await gradcheck(graphOf(), {
    ...options,
    precision: "float32",
    evaluate(graph, given) {
      const outputs = interpret(graph, given);
      for (const { data } of outputs.values()) data.set(Float32Array.from(data));
      return outputs;
    },
  });
  expect(rounded.verdict).toBe("right");
});

test("a gradient far smaller than the parts of the loss is not blamed for their rounding", async () => {
  const graph = new Graph("check");
  const g = new GraphBuilder(graph);
  const numbers = (seed: number, scale: number) =>
    graph.addInitializer(
      `numbers${seed}`,
      float32(
        [256],
        Float32Array.from({ length: 256 }, (_, i) => scale * Math.sin(seed + i * i)),
      ),
    );
  const w = graph.addInitializer("w", float32([1], [0.5]));
  const large = numbers(3, 1);
  const loss = g.sum(g.sub(g.add(g.mul(g.op("Tanh", [w]), numbers(22, 1e-10)), large), large), [0]);
  graph.rename(loss, "loss");
  graph.addOutput(loss);
  const verdict = async (factor: number) => {
    const check = await gradcheck(graph, {
      loss: "loss",
      parameters: ["w"],
      feeds: new Map(),
      evaluate(program, given) {
        const outputs = interpret(program, given);
        const gradient = outputs.get("w.grad");
        if (gradient) gradient.data[0]! *= factor;
        return outputs;
      },
    });
    return check.verdict;
  };
  expect(await verdict(1)).toBe("right");
  expect(await verdict(1.05)).toBe("wrong");
});
