import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { saveNpz } from "../../src/formats/npz.node.ts";
import { saveOnnx } from "../../src/formats/onnx/file.node.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Dim } from "../../src/graph/dim.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import { float32, int64, tensorOf } from "../../src/graph/tensor.ts";
import { type DiapasonError, predict } from "../../src/index.ts";
import { normals } from "./tiny-policy.ts";
import { policyFolder, savedOf } from "./tools.ts";

const width = 6;

/** A GRU over sequences with a state that goes in and out, with the steps or the batch in front. */
function recurrent(shapes: Readonly<Record<"obs" | "state", readonly Dim[]>>, isTimeMajor: boolean): Graph {
  const graph = new Graph("recurrent");
  const g = new GraphBuilder(graph);
  const weight = (name: string, ...dims: number[]) =>
    graph.addInitializer(
      name,
      float32(
        dims,
        normals(
          name,
          dims.reduce((a, b) => a * b, 1),
        ).map((x) => x / 3),
      ),
    );
  const obs = graph.addInput("obs", "float32", shapes.obs);
  const state = graph.addInput("state", "float32", shapes.state);
  const laid = (value: Value) => (isTimeMajor ? value : g.op("Transpose", [value], { perm: [1, 0, 2] }));
  const [w, r, b] = [
    weight("gru.w", 1, 3 * width, 3),
    weight("gru.r", 1, 3 * width, width),
    weight("gru.b", 1, 6 * width),
  ];
  const [y] = graph.addNode("GRU", [laid(obs), w, r, b, undefined, state], {
    outputs: ["y", "state_out"],
    attributes: [["hidden_size", { type: "int", value: width }]],
  }).outputs;
  const rows = g.op("Squeeze", [y!, g.ints([1])]);
  const scores = g.op("MatMul", [laid(rows), weight("actor", width, 4)]);
  graph.addOutput(g.op("Identity", [scores], {}, ["logits"]));
  graph.addOutput(graph.get("state_out"));
  graph.opsets.set("", 17);
  return graph;
}

const forms = {
  "the batch in front": { obs: ["n", "steps", 3], state: [1, "n", width] },
  "steps in front": { obs: ["steps", "batch", 3], state: [1, "batch", width] },
  "a batch of another name in the state": { obs: ["n", "steps", 3], state: [1, "others", width] },
  "one example at a time": { obs: [1, 5, 3], state: [1, 1, width] },
} as const;

describe("a policy with a state", () => {
  const { at, base } = policyFolder();
  const examples = 20;
  const given = async () => {
    const arrays = new Map([
      ["obs", float32([examples, 5, 3], normals("obs", examples * 15))],
      ["state", float32([examples, 1, width], normals("state", examples * width))],
      [
        "act",
        int64(
          [examples, 5],
          Array.from({ length: examples * 5 }, (_, i) => i % 4),
        ),
      ],
    ]);
    await saveNpz(at("steps.npz"), arrays);
    return at("steps.npz");
  };

  test("its batch may lie on another axis; states go in and come out as [examples, layers, width]", async () => {
    const data = await given();
    const told: { losses: Readonly<Record<string, number>>; outputs: string }[] = [];
    for (const [name, shapes] of Object.entries(forms)) {
      const model = at(`${name}.onnx`);
      await saveOnnx(recurrent(shapes, name === "steps in front"), model);
      const loss = "cross-entropy(axis=2):logits=act";
      const saved = await savedOf(base(name, { model, data, loss, epochs: 2 }));
      const out = at(`${name}.jsonl`);
      for await (const _ of predict({ model: at(name), inputs: [data], out }));
      told.push({ losses: saved.after.metrics, outputs: readFileSync(out, "utf8") });
    }
    const [first, ...others] = told;
    const row = JSON.parse(first!.outputs.split("\n")[3]!) as { logits: number[][]; state_out: number[][] };
    expect([row.logits.length, row.logits[0]!.length]).toEqual([5, 4]);
    expect([row.state_out.length, row.state_out[0]!.length]).toEqual([1, width]);
    const numbers = (text: string) => text.match(/-?\d+\.\d+(e-?\d+)?/g)!.map(Number);
    const expected = numbers(first!.outputs);
    for (const { losses, outputs } of others) {
      expect(losses["loss"]).toBeCloseTo(first!.losses["loss"]!, 5);
      const found = numbers(outputs);
      expect(found).toHaveLength(expected.length);
      expect(Math.max(...found.map((x, i) => Math.abs(x - expected[i]!)))).toBeLessThan(1e-4);
    }
  });

  test("what takes one example at a time says so", async () => {
    const data = await given();
    const model = at("lengths.onnx");
    const graph = recurrent(forms["one example at a time"], false);
    const gru = graph.nodes.find(({ op }) => op === "GRU")!;
    graph.setNodeInput(gru, 4, graph.addInitializer("lengths", tensorOf("int32", [1], Int32Array.of(5))));
    await saveOnnx(graph, model);
    const loss = "cross-entropy(axis=2):logits=act";
    const error = await savedOf(base("lengths", { model, data, loss, batchSize: 4 })).catch(
      (thrown: unknown) => thrown,
    );
    expect((error as DiapasonError).fix).toContain("--batch-size 1");
  });

  test("its state may be fixed wherever the batch lies", async () => {
    const data = await given();
    const model = at("fixed.onnx");
    await saveOnnx(recurrent(forms["steps in front"], true), model);
    const loss = "cross-entropy(axis=2):logits=act";
    const saved = await savedOf(base("fixed", { model, data, loss, fix: ["state=0"], epochs: 2 }));
    expect(saved.after.metrics["loss"]).toBeLessThan(saved.before.metrics["loss"]!);
  });
});
