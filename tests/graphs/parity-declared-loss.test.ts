import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { saveOnnx } from "../../src/formats/onnx/file.node.ts";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import { float32 } from "../../src/graph/tensor.ts";
import { type TuneVerbEvent, tune } from "../../src/index.ts";

interface Fixture {
  readonly steps: number;
  readonly rate: number;
  readonly weights: Readonly<Record<string, readonly (number | readonly number[])[]>>;
  readonly tuned: Fixture["weights"];
  readonly data: Readonly<Record<string, readonly unknown[]>>;
  /** Before each step, and after the last. */
  readonly losses: readonly number[];
}
const fixture = JSON.parse(
  readFileSync(join(import.meta.dirname, "../fixtures/declared-loss.json"), "utf8"),
) as Fixture;

const folder = mkdtempSync(join(tmpdir(), "diapason-declared-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The network of the fixture with its weights before tuning, as PyTorch lays them down. */
function network(): Graph {
  const graph = new Graph("network");
  const g = new GraphBuilder(graph);
  const dense = (x: Value, name: string, outputs?: readonly string[]) => {
    const [weight, bias] = (["weight", "bias"] as const).map((key) => {
      const rows = fixture.weights[`${name}.${key}`]!;
      const dims = Array.isArray(rows[0]) ? [rows.length, rows[0].length] : [rows.length];
      return graph.addInitializer(`${name}.${key}`, float32(dims, rows.flat() as number[]));
    });
    return g.op("Gemm", [x, weight, bias], { transB: 1 }, outputs);
  };
  const features = g.op("Tanh", [dense(graph.addInput("obs", "float32", ["n", 4]), "body")]);
  graph.addOutput(dense(features, "actor", ["action"]));
  graph.addOutput(dense(features, "gait", ["gait"]));
  return graph;
}

test("a weighted, masked sum of declared losses tunes as PyTorch does", async () => {
  await saveOnnx(network(), join(folder, "network.onnx"));
  const { data, steps, rate, losses } = fixture;
  const count = data["obs"]!.length;
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify(Object.fromEntries(Object.entries(data).map(([name, rows]) => [name, rows[i]]))),
  );
  mkdirSync(join(folder, "data"));
  for (const split of ["train", "validation"])
    writeFileSync(join(folder, `data/${split}.jsonl`), lines.join("\n"));
  const events: TuneVerbEvent[] = [];
  const run = tune({
    task: "custom",
    model: join(folder, "network.onnx"),
    data: join(folder, "data"),
    out: join(folder, "tuned"),
    run: join(folder, "run"),
    loss: "2*huber(delta=0.5,mask=mask):action=wanted + 0.5*cross-entropy(smoothing=0.1):gait=label",
    plan: "full",
    schedule: "constant",
    warmup: 0,
    learningRate: rate,
    weightDecay: 0,
    clipNorm: 1,
    epochs: steps,
    batchSize: count,
  });
  for await (const event of run) events.push(event);
  const stepLosses = events.flatMap((event) => (event.type === "step" ? [event.loss] : []));
  expect(stepLosses).toHaveLength(steps);
  for (const [i, loss] of stepLosses.entries()) expect(loss).toBeCloseTo(losses[i]!, 5);
  const evaluated = events.flatMap((event) => (event.type === "evaluation" ? [event.metrics["loss"]!] : []));
  for (const [i, loss] of evaluated.entries()) expect(loss).toBeCloseTo(losses[i + 1]!, 5);
  const { tensors } = await loadSafetensors(join(folder, "tuned/model.safetensors"));
  for (const [name, rows] of Object.entries(fixture.tuned)) {
    const found = new Float32Array(new Uint8Array(tensors.get(name)!.data.read()).buffer);
    for (const [i, value] of (rows.flat() as number[]).entries()) expect(found[i]).toBeCloseTo(value, 4);
  }
});
