import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import { interpret } from "../../src/graph/kernels/interpret.ts";

/** Where ONNX's text or its reference says otherwise, what a graph is trained as is what ONNX Runtime computes of it. */
const cases: {
  readonly [title: string]: readonly [dims: readonly number[], (g: GraphBuilder, x: Value) => Value];
} = {
  "MaxUnpool counts its indices in the output that is asked for": [
    [1, 1, 2, 2],
    (g, x) =>
      g.op("MaxUnpool", [x, g.constant([0, 8, 11, 23], "int64", [1, 1, 2, 2]), g.ints([1, 1, 5, 5])], {
        kernel_shape: [2, 2],
        strides: [2, 2],
      }),
  ],
  "AffineGrid puts a single pixel at the end where corners are aligned": [
    [1, 2, 3],
    (g, theta) => g.op("AffineGrid", [theta, g.ints([1, 1, 1, 2])], { align_corners: 1 }),
  ],
  "QuantizeLinear without saturation has no number for what overflows a float8": [
    [4],
    (g, x) => {
      const zero = g.constant([0], "float8e4m3fn", []);
      const q = g.op("QuantizeLinear", [g.mul(x, 1000), g.scalar(1, x), zero], { saturate: 0 });
      return g.op("DequantizeLinear", [q, g.scalar(1, x), zero]);
    },
  ],
};

test.each(Object.entries(cases))("%s", async (_title, [dims, build]) => {
  const graph = new Graph("case", [["", 21]]);
  const x = graph.addInput("x", "float32", dims);
  const y = build(new GraphBuilder(graph), x);
  graph.rename(y, "y");
  graph.addOutput(y);
  const values = Float32Array.from(
    { length: dims.reduce((a, b) => a * b) },
    (_, i) => 0.75 * Math.cos(2 * i) - 0.1,
  );
  const session = await InferenceSession.create(writeOnnx(graph), { logSeverityLevel: 3 });
  const found = (await session.run({ x: new Tensor("float32", values, dims) }))["y"]!;
  await session.release();
  const expected = interpret(
    graph,
    new Map([["x", { dtype: "float32", dims, data: Float64Array.from(values) }]]),
  );
  const y64 = expected.get("y")!;
  expect(y64.dims).toEqual(found.dims);
  for (const [i, value] of [...(found.data as Float32Array)].entries())
    if (Number.isNaN(value)) expect(y64.data[i]).toBeNaN();
    else expect(y64.data[i]).toBeCloseTo(value, 4);
});
