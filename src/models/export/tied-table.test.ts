import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { writeOnnx } from "../../formats/onnx/writer.ts";
import { GraphBuilder } from "../../graph/builder.ts";
import { Graph } from "../../graph/ir.ts";
import { plainProducts } from "../../graph/passes/plain-products.ts";
import { float32 } from "../../graph/tensor.ts";
import { openNetwork } from "../open-network.node.ts";
import { matrixOf, productsOf } from "./products.ts";

const folder = fileURLToPath(new URL("../../../tests/fixtures/architectures/llama-tied", import.meta.url));

test("a table that is looked up and multiplied with is written once, and computes the same", async () => {
  const { graph } = await openNetwork(folder, { seed: 0 });
  const run = async () => {
    const session = await InferenceSession.create(writeOnnx(graph), { logSeverityLevel: 3 });
    const words = (values: number[]) => new OrtTensor("int64", BigInt64Array.from(values, BigInt), [1, 4]);
    const found = await session.run({ input_ids: words([5, 9, 3, 17]), attention_mask: words([1, 1, 1, 1]) });
    return [...(found["logits"]!.data as Float32Array)];
  };
  const fused = await run();
  const table = graph.get("model.embed_tokens.weight");
  plainProducts(graph);
  expect(graph.find("model.embed_tokens.weight_transposed")).toBeUndefined();
  expect(table.consumers.map(({ op }) => op).sort()).toEqual(["Gather", "Transpose"]);
  for (const [i, value] of (await run()).entries()) expect(Math.abs(value - fused[i]!)).toBeLessThan(1e-5);
});

test("a product with a swapped table has few bits as others do", () => {
  const graph = new Graph("tied", [["", 21]]);
  const g = new GraphBuilder(graph);
  const table = graph.addInitializer("table", float32([64, 32], new Float32Array(64 * 32).fill(1)));
  const rows = g.op("Gather", [table, graph.addInput("ids", "int64", ["batch"])], { axis: 0 });
  graph.addOutput(g.op("MatMul", [rows, g.swap(table)], {}, ["logits"]));
  const [product, ...others] = productsOf(graph);
  expect(others).toEqual([]);
  expect([product?.weight, product?.isTransposed]).toEqual([table, true]);
  expect(matrixOf(product!).dims).toEqual([32, 64]);
});
