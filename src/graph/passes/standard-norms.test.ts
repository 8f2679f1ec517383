import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";
import { loadOnnx } from "../../formats/onnx/file.node.ts";
import { writeOnnx } from "../../formats/onnx/writer.ts";
import { inFormat, type OnnxFormatName } from "../../models/export/formats.ts";
import { GraphBuilder } from "../builder.ts";
import { Graph, type Value } from "../ir.ts";
import { float32 } from "../tensor.ts";
import { standardNorms } from "./standard-norms.ts";

const root = mkdtempSync(join(tmpdir(), "diapason-norms-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const rows = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i) * (1 + i));

function normalised(): Graph {
  const graph = new Graph("norm", [["", 21]]);
  const g = new GraphBuilder(graph);
  const scale = graph.addInitializer("scale", float32([8], Float32Array.from(rows.subarray(0, 8))));
  const x = graph.addInput("x", "float32", ["batch", 8]);
  const bent = g.op("Tanh", [x]);
  const attributes = { axis: -1, epsilon: 1e-5 };
  graph.addOutput(g.op("SimplifiedLayerNormalization", [bent, scale], attributes, ["y"]));
  return graph;
}

const run = async (graph: Graph) => {
  const session = await InferenceSession.create(writeOnnx(graph), { logSeverityLevel: 3 });
  const { y } = await session.run({ x: new OrtTensor("float32", rows, [3, 8]) });
  return [...(y!.data as Float32Array)];
};

describe("a normalisation by the root of the mean square", () => {
  test.each<[OnnxFormatName, number]>([
    ["onnx", 1e-5],
    ["fp16", 0.02],
  ])("in %s is written in ONNX's operators, which ONNX Runtime makes one kernel of", async (form, near) => {
    const { graph } = inFormat(normalised(), form, { blocks: "symmetric" });
    const ops = graph.nodes.map(({ op }) => op).filter((op) => op !== "Cast");
    expect(ops).toEqual(["Tanh", "Pow", "ReduceMean", "Add", "Sqrt", "Div", "Mul"]);
    const expected = await run(normalised());
    for (const [i, value] of (await run(graph)).entries())
      expect(Math.abs(value - expected[i]!)).toBeLessThan(near);
    const path = join(root, `${form}.onnx`);
    await InferenceSession.create(writeOnnx(graph), { logSeverityLevel: 3, optimizedModelFilePath: path });
    const kernels = (await loadOnnx(path)).nodes.map(({ op }) => op);
    expect(kernels).toContain("SimplifiedLayerNormalization");
    expect(kernels).not.toContain("ReduceMean");
  });

  test.each<[string, (g: GraphBuilder, deviation: Value) => Value]>([
    ["read", (g, deviation) => g.op("Neg", [deviation])],
    ["given", (_, deviation) => deviation],
  ])("stays where its deviation is %s", (_, read) => {
    const graph = new Graph("norm", [["", 21]]);
    const g = new GraphBuilder(graph);
    const scale = graph.addInitializer("scale", float32([8], rows.slice(0, 8)));
    const x = graph.addInput("x", "float32", ["batch", 8]);
    const { outputs } = g.node("SimplifiedLayerNormalization", [x, scale], {}, ["y", "inverse"]);
    graph.addOutput(outputs[0]!);
    graph.addOutput(read(g, outputs[1]!));
    standardNorms(graph);
    expect(graph.nodes.map(({ op }) => op)).toContain("SimplifiedLayerNormalization");
  });
});
