import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { gradcheck } from "../../src/autodiff/gradcheck.ts";
import { random } from "../../src/base/random.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { inferShapes } from "../../src/graph/infer.ts";
import { type Attribute, Graph } from "../../src/graph/ir.ts";
import { interpret } from "../../src/graph/kernels/interpret.ts";
import { normalize } from "../../src/graph/passes/normalize.ts";

const int = (value: number): Attribute => ({ type: "int", value });
const [batch, steps, width] = [3, 5, 2];

interface Form {
  readonly hasLengths: boolean;
  readonly directions: readonly number[];
}

/**
 * A Scan of opset 8: next = state · tanh(x) + w · y, which is also what each step gives. state [batch, width],
 * x and y [batch, steps, width], w [width] read from around the body.
 */
function graphOf({ hasLengths, directions }: Form): Graph {
  const graph = new Graph("scan", [["", 8]]);
  graph.metadata.set("onnx:ir_version", "4");
  const lengths = hasLengths ? graph.addInput("lengths", "int64", [batch]) : undefined;
  const state = graph.addInput("state", "float32", [batch, width]);
  const x = graph.addInput("x", "float32", [batch, steps, width]);
  const y = graph.addInput("y", "float32", [batch, steps, width]);
  const w = graph.addInput("w", "float32", [width]);
  const body = new Graph("step", graph.opsets, graph);
  const [before, a, b] = ["before", "a", "b"].map((name) => body.addInput(name, "float32", [width]));
  const part = body.addNode("Mul", [before, body.addNode("Tanh", [a]).outputs[0]]).outputs[0]!;
  const other = body.addNode("Mul", [w, b]).outputs[0]!;
  const next = body.addNode("Add", [part, other], { outputs: ["next"] }).outputs[0]!;
  const row = body.addNode("Identity", [next], { outputs: ["row"] }).outputs[0]!;
  for (const value of [next, row]) body.addOutput(Object.assign(value, { dtype: "float32", shape: [width] }));
  const made = graph.addNode("Scan", [lengths, state, x, y], {
    outputs: ["last", "rows"],
    attributes: [
      ["body", { type: "graph", value: body }],
      ["num_scan_inputs", int(2)],
      ["directions", { type: "ints", value: directions }],
    ],
  });
  made.outputs.forEach((output, i) => {
    Object.assign(output!, {
      dtype: "float32",
      shape: i === 0 ? [batch, width] : [batch, steps, width],
    });
    graph.addOutput(output!);
  });
  return graph;
}

const draws = (name: string, dims: readonly number[]) => {
  const draw = random(0, "scan", name);
  const size = dims.reduce((n, d) => n * d, 1);
  return { dims, data: Float32Array.from({ length: size }, () => draw.normal()) };
};
const lengths = [5, 2, 4];
const arrays = {
  state: draws("state", [batch, width]),
  x: draws("x", [batch, steps, width]),
  y: draws("y", [batch, steps, width]),
  w: draws("w", [width]),
};

async function run(graph: Graph): Promise<Record<string, number[]>> {
  const session = await ort.InferenceSession.create(writeOnnx(graph), { logSeverityLevel: 4 });
  const feeds: Record<string, ort.Tensor> = {};
  for (const [name, { dims, data }] of Object.entries(arrays))
    feeds[name] = new ort.Tensor("float32", data, dims);
  if (graph.find("lengths"))
    feeds["lengths"] = new ort.Tensor("int64", BigInt64Array.from(lengths, BigInt), [batch]);
  const outputs = await session.run(feeds);
  await session.release();
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { data }]) => [name, [...(data as Float32Array)]]),
  );
}

const forms: readonly (readonly [string, Form])[] = [
  ["forwards", { hasLengths: false, directions: [0, 0] }],
  ["one input backwards", { hasLengths: false, directions: [0, 1] }],
  ["with lengths", { hasLengths: true, directions: [0, 0] }],
  ["with lengths, one input backwards", { hasLengths: true, directions: [1, 0] }],
];

test.each(forms)("a Scan of opset 8, %s, gives the same after normalisation", async (_, form) => {
  const before = await run(graphOf(form));
  const graph = graphOf(form);
  normalize(graph);
  graph.metadata.delete("onnx:ir_version");
  expect(await run(graph)).toEqual(before);
  inferShapes(graph);
  expect(graph.get("rows").shape).toEqual([batch, steps, width]);
});

test.each(forms)("a Scan of opset 8, %s, has the gradients of its float64 differences", async (_, form) => {
  const graph = graphOf(form);
  normalize(graph);
  inferShapes(graph);
  const g = new GraphBuilder(graph);
  const total = graph.outputs.map((output) =>
    g.sum(
      g.op("Sin", [output]),
      output.shape!.map((_, i) => i),
    ),
  );
  const loss = g.add(total[0]!, total[1]!);
  graph.addOutput(loss);
  const feeds = new Map(
    Object.entries(arrays).map(([name, { dims, data }]) => [
      name,
      { dtype: "float32" as const, dims, data: Float64Array.from(data) },
    ]),
  );
  if (form.hasLengths)
    feeds.set("lengths", { dtype: "int64" as never, dims: [batch], data: Float64Array.from(lengths) });
  expect(
    interpret(graph, feeds)
      .get("rows")!
      .data.some((value) => value !== 0),
  ).toBe(true);
  const result = await gradcheck(graph, { loss: loss.name, parameters: ["state", "x", "y", "w"], feeds });
  expect(result.largestRelativeError).toBeLessThan(1e-6);
  for (const { largestGradient } of result.parameters) expect(largestGradient).toBeGreaterThan(0.01);
});
