// Diapason's side of the step benchmark: node ours.mjs FOLDER REGIME THREADS STEPS
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cpuRuntime, loadModel } from "../../dist/index.js";
import { imageClassification } from "../../dist/tasks/image-classification.js";
import { planOf } from "../../dist/tune/plans.js";
import { compileStage } from "../../dist/tune/program.js";
import { trainStep } from "../../dist/tune/train-step.js";

const [folder, regime, threads, steps] = process.argv.slice(2);
const { input, dtype, dims, classes } = JSON.parse(readFileSync(join(folder, "facts.json"), "utf8"));
const bytes = (name) => new Uint8Array(readFileSync(join(folder, name))).buffer;
const data =
  dtype === "int64" ? new BigInt64Array(bytes("inputs.bin")) : new Float32Array(bytes("inputs.bin"));
const batch = dims[0];

const model = await loadModel(join(folder, "model.onnx"), { images: false });
const graph = model.graph.clone();
const { loss, targets, weights } = imageClassification.attachLoss(graph, graph.get(model.output.name));
const tunable = {
  graph,
  loss,
  outputs: [model.output.name],
  parameters: model.parameters,
  blocks: model.blocks,
};
const body = model.blocks.map((block) => block.name);
const blocks = { full: "all", head: "head", top: "top:2" }[regime];
const plan = planOf([{ name: regime, blocks, epochs: 1, batchNorm: "training" }], model.blocks);
const runtime = await cpuRuntime({ threads: Number(threads) });
const program = await compileStage(
  plan.stages[0],
  { model: tunable, plan, runtime, batchSize: batch, seed: 0, data: { size: batch } },
  new Map(),
);
const feeds = {
  ids: [],
  tensors: {
    [input]: { dtype, dims, data },
    [targets]: { dtype: "float32", dims: [batch, classes], data: new Float32Array(bytes("targets.bin")) },
    [weights]: { dtype: "float32", dims: [batch], data: new Float32Array(batch).fill(1) },
  },
};
const rates = Object.fromEntries(body.map((name) => [name, 1e-5]));
const optimizer = { kind: "adamw", beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
const times = [];
const losses = [];
for (let step = 1; step <= Number(steps); step++) {
  const start = performance.now();
  const outcome = await trainStep(program, [feeds], {
    optimizer,
    weightDecay: 0.01,
    clipNorm: 1,
    rates,
    step,
  });
  times.push(performance.now() - start);
  losses.push(outcome.loss);
}
const moving = program.movers.length;
const peakBytes = await runtime.peakMemoryBytes();
console.log(JSON.stringify({ times, losses, peakBytes, moving, blocks: plan.stages[0].blocks }));
await program.dispose();
await runtime.dispose();
