import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph } from "../../src/graph/ir.ts";
import { interpret } from "../../src/graph/kernels/interpret.ts";
import { sizeOf } from "../../src/graph/tensor.ts";

const [tokens, batch, width] = [2, 3, 2];

test.each([
  ["RNN", 1],
  ["GRU", 3],
  ["LSTM", 4],
] as const)(
  "a sequence without a token ends as in ONNX Runtime, whatever state is given: %s",
  async (op, gates) => {
    const graph = new Graph("layer", [["", 22]]);
    const g = new GraphBuilder(graph);
    const weights = (dims: readonly number[], step: number) =>
      g.constant(
        Array.from({ length: sizeOf(dims) }, (_, i) => Math.sin(step * (i + 1))),
        "float32",
        dims,
      );
    const x = graph.addInput("x", "float32", [tokens, batch, width]);
    const state = weights([2, batch, 1], 0.9);
    const layer = g.node(
      op,
      [
        x,
        weights([2, gates, width], 1.1),
        weights([2, gates, 1], 1.3),
        undefined,
        g.constant([1, 2, 0], "int32"),
        state,
        ...(op === "LSTM" ? [state] : []),
      ],
      { hidden_size: 1, direction: "bidirectional" },
      op === "LSTM" ? ["y", "h", "c"] : ["y", "h"],
    );
    for (const output of layer.outputs) graph.addOutput(output!);
    const dims = [tokens, batch, width];
    const data = Float32Array.from({ length: sizeOf(dims) }, (_, i) => Math.cos(i));
    const computed = interpret(
      graph,
      new Map([["x", { dtype: "float32", dims, data: Float64Array.from(data) }]]),
    );
    const session = await InferenceSession.create(writeOnnx(graph), { logSeverityLevel: 3 });
    const found = await session.run({ x: new Tensor("float32", data, dims) });
    await session.release();
    for (const { name } of graph.outputs)
      for (const [i, value] of computed.get(name)!.data.entries())
        expect(found[name]!.data[i], `${name}[${i}]`).toBeCloseTo(value, 5);
  },
);
