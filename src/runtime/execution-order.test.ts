import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { differentiate } from "../autodiff/differentiate.ts";
import { writeOnnx } from "../formats/onnx/writer.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { Graph } from "../graph/ir.ts";
import { pinOrder } from "./execution-order.ts";
import { openSession } from "./session-options.node.ts";

const channels = [2, 3, 4, 5];

/** Three convolutions with a weight of its own shape each, and their gradients. */
function network(): Graph {
  const graph = new Graph("convolutions");
  const g = new GraphBuilder(graph);
  let x = graph.addInput("x", "float32", [1, channels[0]!, 6, 6]);
  for (const [i, inner] of channels.slice(0, -1).entries()) {
    const weight = graph.addInput(`w${i}`, "float32", [channels[i + 1]!, inner, 3, 3]);
    x = g.op("Relu", [g.op("Conv", [x, weight], { pads: [1, 1, 1, 1] })]);
  }
  graph.addOutput(g.op("ReduceMean", [x], { keepdims: 0 }, ["loss"]));
  return differentiate(graph, { loss: "loss", parameters: ["w0", "w1", "w2"] }).graph;
}

/** What the runtime ran, in its order: operator and the sizes it gave. */
async function trace(graph: Graph): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "diapason-order-"));
  try {
    const request = { model: writeOnnx(graph), weights: [], isTraining: true };
    const session = await openSession(request, "cpu", 1, {
      enableProfiling: true,
      profileFilePrefix: join(folder, "trace"),
    });
    const feeds = graph.inputs.map(({ name, shape }) => {
      const dims = shape as readonly number[];
      return [name, new Tensor("float32", new Float32Array(dims.reduce((a, b) => a * b)).fill(0.1), dims)];
    });
    await session.run(Object.fromEntries(feeds));
    session.endProfiling();
    await session.release();
    const [file] = readdirSync(folder);
    const events = JSON.parse(readFileSync(join(folder, file!), "utf8")) as {
      readonly name: string;
      readonly ts: number;
      readonly args?: { readonly op_name?: string; readonly input_type_shape?: readonly object[] };
    }[];
    return events
      .filter(({ name }) => name.endsWith("_kernel_time"))
      .sort((a, b) => a.ts - b.ts)
      .map(({ args }) => `${args!.op_name} ${Object.values(args!.input_type_shape?.[0] ?? {})[0]}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the gradient of an upper weight is ready before the way back goes on below it", async () => {
  const ran = await trace(pinOrder(network()));
  const ready = [2, 1, 0].map((i) => ran.indexOf(`GatherND ${channels[i + 1]},${channels[i]},3,3`));
  expect(ready).not.toContain(-1);
  expect(ready).toEqual(ready.toSorted((a, b) => a - b));
  // the input gradient of the second convolution, the last one that is needed
  const below = ran.lastIndexOf("Conv 1,4,6,6");
  expect(ready[0]).toBeLessThan(below);
});

test("a graph keeps its outputs and gets one more; the source stays as it is", () => {
  const source = network();
  const names = source.outputs.map(({ name }) => name);
  const pinned = pinOrder(source);
  expect(source.outputs.map(({ name }) => name)).toEqual(names);
  expect(pinned.outputs.map(({ name }) => name)).toEqual([...names, "order"]);
});

test("ends without a first number to read stay ends", () => {
  const graph = new Graph("ends");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", [0, 2]);
  const open = graph.addInput("open", "float32", ["batch", 2]);
  const y = graph.addInput("y", "float32", [3, 2]);
  for (const end of [g.neg(x), g.neg(open), g.op("Shape", [open]), g.exp(y), g.abs(y)]) graph.addOutput(end);
  const pinned = pinOrder(graph);
  expect(
    pinned.nodes.filter(({ op }) => op === "GatherND").map(({ inputs }) => inputs[0]!.producer!.op),
  ).toEqual(["Exp", "Abs"]);
});
