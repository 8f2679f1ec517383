import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gradcheck } from "../../autodiff/gradcheck.ts";
import { GraphBuilder } from "../../graph/builder.ts";
import { inferShapes } from "../../graph/infer.ts";
import { Graph } from "../../graph/ir.ts";
import { float32, int64 } from "../../graph/tensor.ts";
import { nodesReaching } from "../../models/parameters.ts";
import { cpuRuntime } from "../../runtime/cpu.node.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { outputOf } from "../../tasks/target.ts";
import { attachTestLoss, gradcheckWhereFinite, randomFeeds, runnableSizes } from "./inputs.ts";
import { runtimeEvaluator, toHost } from "./runtime.ts";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await cpuRuntime({ threads: 1 });
});
afterAll(() => runtime.dispose());

/** A decoder's mask over the keys of what came before and of the new tokens: mask · [past, new]. */
function withPast(): Graph {
  const graph = new Graph("past");
  const g = new GraphBuilder(graph);
  const tokens = graph.addInput("input_ids", "int64", ["batch", "sequence"]);
  const mask = graph.addInput("attention_mask", "int64", ["mask_batch", "total"]);
  const past = graph.addInput("past.key", "float32", ["batch", 1, "past", 1]);
  const keys = g.op("Concat", [g.squeeze(past, [1, 3]), g.cast(tokens, "float32")], { axis: 1 });
  graph.addOutput(g.mul(keys, g.cast(mask, "float32")));
  inferShapes(graph);
  return graph;
}

describe("runnableSizes", () => {
  test("a mask is as long as the past and the new tokens together", async () => {
    expect(await runnableSizes(withPast(), runtime, {})).toMatchObject({ past: 2, sequence: 2, total: 4 });
    expect(await runnableSizes(withPast(), runtime, { past: 5, mask_batch: 2 })).toMatchObject({ total: 7 });
  });

  test("the one length that an unrolled loop takes is found", async () => {
    const graph = new Graph("unrolled");
    const x = graph.addInput("x", "float32", ["batch", "time"]);
    const g = new GraphBuilder(graph);
    const steps = Array.from({ length: 6 }, (_, i) =>
      g.op("Gather", [x, g.tensor(int64([1], [i]), `step${i}`)], { axis: 1 }),
    );
    graph.addOutput(g.add(g.op("Concat", steps, { axis: 1 }), x));
    inferShapes(graph);
    expect(await runnableSizes(graph, runtime, {})).toEqual({ batch: 2, time: 6 });
  });

  test("the first dim may be time, and too short at two", async () => {
    const graph = new Graph("frames");
    const frames = graph.addInput("x", "float32", ["frames", 3]);
    const g = new GraphBuilder(graph);
    const kernel = g.tensor(float32([1, 3, 4], new Float32Array(12).fill(1)), "kernel");
    const valid = g.op("Conv", [g.unsqueeze(g.transpose(frames, [1, 0]), [0]), kernel]);
    graph.addOutput(valid);
    inferShapes(graph);
    expect(await runnableSizes(graph, runtime, {})).toEqual({ frames: 4 });
  });

  test("sizes at which nothing runs are an error that says how to give others", async () => {
    const graph = withPast();
    await expect(runnableSizes(graph, runtime, { total: 3, past: 9, mask_batch: 2 })).rejects.toMatchObject({
      code: "app/no-sizes",
      fix: "Give sizes at which it runs: --sizes batch=… sequence=….",
    });
  });
});

test("outputs that depend on no weight do not count, unless what they depend on is asked for", () => {
  const made = (asked?: readonly string[]) => {
    const graph = new Graph("two outputs");
    const g = new GraphBuilder(graph);
    const x = graph.addInput("x", "float32", [4]);
    const weight = graph.addInitializer("weight", float32([4], Float32Array.of(1, -2, 3, 4)));
    graph.addOutput(g.op("Acosh", [x]));
    graph.addOutput(g.mul(graph.addInput("y", "float32", [4]), weight));
    inferShapes(graph);
    const loss = graph.get(attachTestLoss(graph, 0, asked));
    return [...nodesReaching(loss)].map(({ op }) => op);
  };
  expect(made()).not.toContain("Acosh");
  expect(made(["x"])).toContain("Acosh");
});

test("what a logarithm is taken of is fed with magnitudes; a loss that is no number anywhere is an error", async () => {
  const scaled = (sign: number) => {
    const graph = new Graph("logarithm");
    const g = new GraphBuilder(graph);
    const x = graph.addInput("x", "float32", [4]);
    const weight = graph.addInitializer("weight", float32([4], Float32Array.of(1, -2, 3, 4)));
    graph.addOutput(g.mul(g.op("Log", [g.mul(sign, x)]), weight));
    inferShapes(graph);
    const loss = attachTestLoss(graph, 0);
    const { feeds } = randomFeeds(graph, {}, 0);
    return gradcheckWhereFinite(graph, { loss, parameters: ["weight"], feeds });
  };
  expect((await scaled(1)).verdict).toBe("right");
  await expect(scaled(-1)).rejects.toMatchObject({
    code: "autodiff/loss-not-finite",
    message: '"gradcheck.loss" is NaN at the inputs of the check, so that it has no slope there.',
  });
});

test("inputs of half precision are fed as such, and read back as numbers", async () => {
  const graph = new Graph("half");
  const x = graph.addInput("x", "float16", ["batch", 3]);
  graph.addOutput(graph.addNode("Identity", [x], { outputs: ["y"] }).outputs[0]!);
  inferShapes(graph);
  const { feeds } = randomFeeds(graph, { batch: 2 }, 0);
  expect(toHost(feeds.get("x")!).data).toBeInstanceOf(Uint16Array);
  const evaluator = runtimeEvaluator(runtime);
  const y = (await evaluator.evaluate(graph, feeds)).get("y")!;
  await evaluator.dispose();
  y.data.forEach((value, i) => {
    expect(value).toBeCloseTo(feeds.get("x")!.data[i]!, 2);
  });
});

test("an input for which nothing can be made up is named", () => {
  expect(() => toHost({ dtype: "string", dims: [2], data: Float64Array.of(0, 0) })).toThrow(/string \[2\]/);
});

test("the scores that ZipMap names are what is checked, and what a loss is told to name", () => {
  const graph = new Graph("zip");
  const x = graph.addInput("x", "float32", ["batch", 3]);
  const scores = graph.addNode("Softmax", [x], { outputs: ["scores"] }).outputs[0]!;
  const zip = graph.addNode("ZipMap", [scores], { domain: "ai.onnx.ml", outputs: ["zip"] }).outputs[0]!;
  zip.opaqueType = Uint8Array.of(0x22, 0);
  graph.addOutput(zip);
  inferShapes(graph);
  const loss = graph.get(attachTestLoss(graph, 0));
  expect([...nodesReaching(loss)]).toContain(scores.producer);
  const named = { text: "mse:zip=wanted", output: "zip" };
  expect(() => outputOf(graph, named)).toThrowError(
    expect.objectContaining({ code: "tasks/bad-output", fix: 'Name "scores", which it is made of.' }),
  );
});

test("an output of float64 counts as one of float32 does", async () => {
  const graph = new Graph("double");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float64", ["batch", 2]);
  const w = graph.addInitializer("w", float32([2, 1], [0.5, -2]));
  graph.addOutput(g.op("Tanh", [g.matmul(x, g.cast(w, "float64"))]));
  inferShapes(graph);
  const loss = attachTestLoss(graph, 0);
  const { feeds, symbols } = randomFeeds(graph, { batch: 3 }, 0);
  const { verdict, parameters } = await gradcheck(graph, { loss, parameters: ["w"], feeds, symbols });
  expect([verdict, parameters[0]!.largestGradient > 0]).toEqual(["right", true]);
});
