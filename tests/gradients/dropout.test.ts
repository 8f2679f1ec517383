import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph } from "../../src/graph/ir.ts";

test("the gradient of Dropout goes where its mask let values through, scaled alike", async () => {
  const graph = new Graph("dropout");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", [400]);
  const y = g.op("Dropout", [x, g.constant([0.25], "float32", []), g.constant([1], "bool", [])], { seed: 5 });
  const loss = g.sum(g.mul(y, y), [0]);
  graph.addOutput(y);
  graph.addOutput(loss);
  const backward = differentiate(graph, { loss: loss.name, parameters: ["x"] });
  const session = await InferenceSession.create(writeOnnx(backward.graph), { logSeverityLevel: 3 });
  const values = Float32Array.from({ length: 400 }, (_, i) => 1 + i / 400);
  const found = await session.run({ x: new Tensor("float32", values, [400]) });
  const dropped = found[y.name]!.data as Float32Array;
  const gradient = found["x.grad"]!.data as Float32Array;
  const kept = dropped.filter((value) => value !== 0).length;
  expect(kept).toBeGreaterThan(250);
  expect(kept).toBeLessThan(350);
  // loss = Σ y², y = x·mask / 0.75
  for (const [i, value] of dropped.entries()) {
    expect(value).toBeCloseTo(value === 0 ? 0 : values[i]! / 0.75, 5);
    expect(gradient[i]).toBeCloseTo((2 * value) / (value === 0 ? 1 : 0.75), 4);
  }
});
