import { random } from "../../src/base/random.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import { float32, int64, type Tensor, tensorOf } from "../../src/graph/tensor.ts";

export const normals = (key: string, n: number): Float32Array => {
  const draw = random(5, key);
  return Float32Array.from({ length: n }, () => draw.normal());
};

/** A policy with a body, three heads, a constant output and an input that nothing reads, as game engines export them. */
export function tinyPolicy(): Graph {
  const graph = new Graph("policy");
  const g = new GraphBuilder(graph);
  const weight = (name: string, dims: readonly [number, number]) => {
    const values = normals(name, dims[0] * dims[1]).map((x) => x / Math.sqrt(dims[0]));
    return graph.addInitializer(name, float32(dims, values));
  };
  const obs = graph.addInput("obs", "float32", ["n", 4]);
  graph.addInput("memory", "float32", ["n", 7]);
  const dense = (x: Value, name: string, dims: readonly [number, number], output?: string) => {
    const bias = graph.addInitializer(`${name}.bias`, float32([dims[1]], new Float32Array(dims[1])));
    return g.op("Gemm", [x, weight(`${name}.weight`, dims), bias], {}, output ? [output] : undefined);
  };
  const hidden = g.op("Tanh", [dense(obs, "body.0", [4, 16])]);
  const features = g.op("Tanh", [dense(hidden, "body.1", [16, 16])]);
  graph.addOutput(dense(features, "actor", [16, 2], "action"));
  graph.addOutput(dense(features, "critic", [16, 1], "value"));
  graph.addOutput(g.op("Softmax", [dense(features, "gait", [16, 3])], { axis: 1 }, ["gait"]));
  const version = graph.addInitializer("three", float32([1], [3]));
  graph.addOutput(g.op("Identity", [version], {}, ["version"]));
  return graph;
}

/** Observations with actions that a linear rule gives, a return, and the range of the first number as a class. */
export function policyExamples(n: number, key = "train"): Map<string, Tensor> {
  const obs = normals(`${key}.obs`, 4 * n);
  const row = (i: number) => obs.subarray(4 * i, 4 * i + 4);
  const each = Array.from({ length: n }, (_, i) => i);
  const wanted = each.flatMap((i) => [row(i)[0]! - row(i)[1]!, row(i)[2]! / 2]);
  const label = each.map((i) => (row(i)[0]! > 0.5 ? 2 : row(i)[0]! > -0.5 ? 1 : 0));
  return new Map<string, Tensor>([
    ["obs", float32([n, 4], obs)],
    ["wanted", tensorOf("float64", [n, 2], Float64Array.from(wanted))],
    [
      "return",
      float32(
        [n],
        each.map((i) => row(i)[3]!),
      ),
    ],
    ["label", int64([n], label)],
  ]);
}
