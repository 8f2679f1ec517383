// Diapason's side of the benchmark of checkpoints: node ours.mjs FOLDER REGIME FROZEN THREADS STEPS
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { shifted } from "../../dist/app/text/language-job.js";
import { tokenLoss } from "../../dist/app/text/token-loss-job.js";
import { cpuRuntime } from "../../dist/index.js";
import { freezeWeights } from "../../dist/models/adapters/freeze-weights.js";
import { loadPeftAdapter } from "../../dist/models/adapters/peft.node.js";
import { openNetwork } from "../../dist/models/open-network.node.js";
import { attachLabelLoss } from "../../dist/tasks/label-loss.js";
import { planOf } from "../../dist/tune/plans.js";
import { compileStage } from "../../dist/tune/program.js";
import { trainStep } from "../../dist/tune/train-step.js";

const [folder, regime, frozen, threads, steps] = process.argv.slice(2);
const { head, batch, tokens, classes } = JSON.parse(readFileSync(join(folder, "facts.json"), "utf8"));
const numbers = (name) => new BigInt64Array(new Uint8Array(readFileSync(join(folder, name))).buffer);
const isClassifier = head === "sequence-classification";

const labels = Array.from({ length: classes }, (_, i) => `LABEL_${i}`);
const network = await openNetwork(join(folder, "model"), {
  head,
  seed: 0,
  ...(isClassifier ? { labels } : { positions: "given", segments: true }),
});
const model =
  regime === "lora"
    ? freezeWeights(await loadPeftAdapter(join(folder, "adapter"), network), frozen)
    : network;
const graph = model.graph.clone();
const attached = isClassifier
  ? attachLabelLoss(graph, graph.get(model.output.name), "class")
  : tokenLoss(0).attach(graph, model);
const tunable = {
  graph,
  ...attached,
  outputs: attached.outputs ?? [model.output.name],
  parameters: model.parameters,
  blocks: model.blocks,
};
const plan = planOf([{ name: regime, blocks: "all", epochs: 1 }], model.blocks);
const runtime = await cpuRuntime({ threads: Number(threads) });
const program = await compileStage(
  plan.stages[0],
  { model: tunable, plan, runtime, batchSize: batch, seed: 0, data: { size: batch } },
  new Map(),
);

const dims = [batch, tokens];
const whole = (data) => ({ dtype: "int64", dims, data });
const ids = numbers("ids.bin");
const shares = new Float32Array(batch * classes);
for (const [row, label] of numbers("labels.bin").entries()) shares[row * classes + Number(label)] = 1;
const every = {
  input_ids: whole(ids),
  attention_mask: whole(new BigInt64Array(batch * tokens).fill(1n)),
  token_type_ids: whole(new BigInt64Array(batch * tokens)),
  position_ids: whole(BigInt64Array.from(ids, (_, i) => BigInt(i % tokens))),
  segment_ids: whole(new BigInt64Array(batch * tokens).fill(1n)),
  labels: shifted(whole(ids)),
  [attached.targets]: { dtype: "float32", dims: [batch, classes], data: shares },
  [attached.weights]: { dtype: "float32", dims: [batch], data: new Float32Array(batch).fill(1) },
  [attached.scale]: {
    dtype: "float32",
    dims: [],
    data: Float32Array.of(1 / (isClassifier ? batch : batch * (tokens - 1))),
  },
};
const inputs = new Set(program.graph.inputs.map(({ name }) => name));
const tensors = Object.fromEntries(Object.entries(every).filter(([name]) => inputs.has(name)));
const rates = Object.fromEntries(model.blocks.map(({ name }) => [name, 1e-5]));
const optimizer = { kind: "adamw", beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
const times = [];
const cpu = [];
const losses = [];
for (let step = 1; step <= Number(steps); step++) {
  const start = performance.now();
  const used = process.cpuUsage();
  const { loss } = await trainStep(program, [{ ids: [], tensors }], {
    optimizer,
    weightDecay: 0,
    clipNorm: 1,
    rates,
    step,
  });
  times.push(performance.now() - start);
  const { user, system } = process.cpuUsage(used);
  cpu.push((user + system) / 1000);
  losses.push(loss);
}
const peakBytes = await runtime.peakMemoryBytes();
const moving = program.movers.reduce((sum, { parameter }) => sum + parameter.elements, 0);
console.log(JSON.stringify({ times, cpu, losses, peakBytes, moving }));
await program.dispose();
await runtime.dispose();
