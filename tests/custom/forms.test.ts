import { existsSync, rmSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/file.node.ts";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph } from "../../src/graph/ir.ts";
import { float32 } from "../../src/graph/tensor.ts";
import { inspect, type Saved, type TuneVerbEvent } from "../../src/index.ts";
import { normals, tinyPolicy } from "./tiny-policy.ts";
import { eventsOf, policyFolder, savedOf, scoresOf } from "./tools.ts";

const { at, base } = policyFolder();

describe("a loss that is a graph", () => {
  /** mean(w · mean((action − wanted)²)), as a user would export it. */
  async function lossFile(name: string, hasWeights: boolean): Promise<string> {
    const graph = new Graph("loss");
    const g = new GraphBuilder(graph);
    const action = graph.addInput("action", "float32", ["N", 2]);
    const wanted = graph.addInput("wanted", "float32", ["N", 2]);
    const w = hasWeights ? graph.addInput("weights", "float32", ["N"]) : undefined;
    const each = g.mean(g.square(g.sub(action, wanted)), [1]);
    graph.addOutput(w ? g.div(g.sum(g.mul(w, each), [0]), g.sum(w, [0])) : g.mean(each, [0]));
    await saveOnnx(graph, at(name));
    return at(name);
  }

  test("with weights it is the declared loss", async () => {
    const options = { plan: "full", epochs: 3, seed: 1 } as const;
    const declared = await savedOf(base("declared", options));
    const graph = await savedOf(
      base("by-graph", { ...options, loss: await lossFile("weighted.onnx", true) }),
    );
    expect(graph.after.metrics["loss"]).toBeCloseTo(declared.after.metrics["loss"]!, 5);
    expect(graph.pValue).toBeUndefined();
  });

  test("without weights short batches are left out, which is said; the folder keeps the loss", async () => {
    const all = await eventsOf(base("no-weights", { loss: await lossFile("plain.onnx", false) }));
    const [found] = all;
    expect((found as { notes: readonly string[] }).notes.join(" ")).toContain(
      "1 of 225 training examples are left out",
    );
    expect(all.filter(({ type }) => type === "step")).toHaveLength(4 * 7);
    rmSync(at("plain.onnx"));
    expect(existsSync(at("no-weights/loss/loss.onnx"))).toBe(true);
    const again = await scoresOf({ model: at("no-weights"), data: at("train.npz"), batchSize: 250 });
    expect(again.metrics["loss"]).toBeLessThan(0.5);
    await expect(
      scoresOf({ model: at("no-weights"), data: at("train.npz"), predictions: at("none.jsonl") }),
    ).rejects.toThrow("does not tell examples apart");
  });
});

test("inputs may be fixed to a number, with sizes that count examples or not", async () => {
  const graph = tinyPolicy();
  const g = new GraphBuilder(graph);
  const gain = graph.addInput("gain", "float32", []);
  const state = graph.addInput("state", "float32", [2, "n", 2]);
  const action = graph.get("action");
  graph.removeOutput(action);
  const scaled = g.add(g.mul(action, gain), g.mean(state, [0]));
  graph.addOutput(scaled);
  graph.rename(scaled, "scaled");
  await saveOnnx(graph, at("stateful.onnx"));
  const options = { model: at("stateful.onnx"), loss: "mse:scaled=wanted" };
  await expect(savedOf(base("free", options))).rejects.toThrow('reads "gain" float32 []');
  const saved = await savedOf(base("fixed", { ...options, fix: ["gain=0.5", "state=0.25"] }));
  expect(saved.after.metrics["loss"]).toBeLessThan(saved.before.metrics["loss"]! / 4);
  expect((await loadOnnx(at("fixed/onnx/model.onnx"))).inputs.map(({ name }) => name)).toContain("state");
  expect((await scoresOf({ model: at("fixed"), data: at("train.npz") })).examples).toBe(250);
});

test("a fixed input decides an If, and the weights of its branch move", async () => {
  const graph = new Graph("rates");
  const g = new GraphBuilder(graph);
  const obs = graph.addInput("obs", "float32", ["n", 4]);
  const rate = graph.addInput("rate", "int64", []);
  const branch = (name: string) => {
    const body = new Graph(name, graph.opsets, graph);
    const weight = body.addInitializer(`${name}.weight`, float32([4, 2], normals(name, 8)));
    const product = body.addNode("MatMul", [obs, weight], { outputs: [`${name}.action`] }).outputs[0]!;
    body.addOutput(Object.assign(product, { dtype: "float32", shape: ["n", 2] }));
    return { type: "graph", value: body } as const;
  };
  const node = graph.addNode("If", [g.equal(rate, 16000)], {
    outputs: ["action"],
    attributes: [
      ["then_branch", branch("fast")],
      ["else_branch", branch("slow")],
    ],
  });
  graph.addOutput(Object.assign(node.outputs[0]!, { dtype: "float32", shape: ["n", 2] }));
  await saveOnnx(graph, at("rates.onnx"));
  const options = { model: at("rates.onnx"), learningRate: 0.1, epochs: 10 };
  const all = await eventsOf(base("rated", { ...options, fix: ["rate=16000"] }));
  expect((all[0] as { notes: readonly string[] }).notes.join(" ")).toContain("no input rate");
  const saved = all.at(-1) as Saved;
  expect(saved.after.metrics["loss"]).toBeLessThan(saved.before.metrics["loss"]! / 10);
  expect(
    Object.keys(Object.fromEntries((await loadSafetensors(at("rated/model.safetensors"))).tensors)),
  ).toEqual(["fast.weight"]);
  expect((await scoresOf({ model: at("rated"), data: at("train.npz") })).metrics["loss"]).toBeLessThan(1);
});

test("probabilities that the graph does not show are not taken for logits", async () => {
  const graph = tinyPolicy();
  const g = new GraphBuilder(graph);
  // The square root of the squares hides the Softmax.
  const hidden = g.sqrt(g.square(graph.get("gait")));
  graph.addOutput(g.op("Identity", [hidden], {}, ["odds"]));
  await saveOnnx(graph, at("odds.onnx"));
  const options = { model: at("odds.onnx"), loss: "cross-entropy:odds=label" };
  await expect(eventsOf(base("odds", options))).rejects.toThrow(
    "its 3 classes lie between 0 and 1 and sum to 1",
  );
  const told = await eventsOf(
    base("told", { ...options, loss: "cross-entropy(from=probabilities):odds=label" }),
  );
  const open = await eventsOf(base("open", { loss: "cross-entropy:gait=label" }));
  const loss = (list: readonly TuneVerbEvent[]) => (list.at(-1) as Saved).before.metrics["loss"]!;
  expect(loss(told)).toBeCloseTo(loss(open), 4);
});

test("inspect shows every input and output", async () => {
  for await (const event of inspect({ model: at("policy.onnx") })) {
    if (event.type !== "model") continue;
    const { inputs, outputs, parameters } = event;
    expect(inputs.map(({ name, shape }) => [name, shape])).toEqual([
      ["obs", ["batch", 4]],
      ["memory", ["batch", 7]],
    ]);
    expect(outputs.map(({ name, isConstant }) => [name, isConstant])).toEqual([
      ["action", undefined],
      ["value", undefined],
      ["gait", undefined],
      ["version", true],
    ]);
    expect(parameters).toBe(4 * 16 + 16 + 16 * 16 + 16 + 16 * 6 + 6);
  }
});

test("a graph that gives nothing but its choice: inspect names the value inside that a loss may read", async () => {
  const graph = tinyPolicy();
  const choice = graph.addNode("ArgMax", [graph.get("gait")], { outputs: ["choice"] }).outputs[0]!;
  for (const output of [...graph.outputs]) graph.removeOutput(output);
  graph.addOutput(choice);
  await saveOnnx(graph, at("chooses.onnx"));
  for await (const event of inspect({ model: at("chooses.onnx") }))
    if (event.type === "model")
      expect(event.notes.join(" ")).toContain('may name a value inside: "gait" [batch, 3]');
  const saved = await savedOf(
    base("chosen", { model: at("chooses.onnx"), loss: "cross-entropy:gait=label" }),
  );
  expect(saved.after.metrics["loss"]).toBeLessThan(saved.before.metrics["loss"]!);
});

test("a value inside the graph may be compared, and stays inside", async () => {
  const graph = tinyPolicy();
  const choice = new GraphBuilder(graph).op("ArgMax", [graph.get("gait")], { axis: 1, keepdims: 0 }, [
    "choice",
  ]);
  graph.addOutput(choice);
  for (const name of ["action", "value", "gait", "version"]) graph.removeOutput(graph.get(name));
  await saveOnnx(graph, at("choice.onnx"));
  const options = {
    model: at("choice.onnx"),
    loss: "cross-entropy:gait=label",
    metric: ["accuracy:gait=label"],
  };
  const saved = await savedOf(base("choice", { ...options, epochs: 10 }));
  expect(saved.after.metrics["accuracy"]).toBeGreaterThan(saved.before.metrics["accuracy"]!);
  expect((await loadOnnx(at("choice/onnx/model.onnx"))).outputs.map(({ name }) => name)).toEqual(["choice"]);
  expect(
    (await scoresOf({ model: at("choice"), data: at("train.npz") })).metrics["accuracy"],
  ).toBeGreaterThan(0.5);
});
