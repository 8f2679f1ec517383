// Predicted against reached memory of a training step, each in a process of its own:
//   npm run build && node bench/memory.mjs [--batch 32] MODEL.onnx…
// Reached is the largest resident set of the process after two steps; predicted is what it holds once the model is open
// and what the step is predicted to add. Works for models with one input of pixels.
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { cpuRuntime, loadModel } from "../dist/index.js";
import { residentBytes, stepMemory } from "../dist/models/cost.js";
import { assumedSizes } from "../dist/models/sizes.js";
import { imageClassification } from "../dist/tasks/image-classification.js";
import { planOf } from "../dist/tune/plans.js";
import { compileStage } from "../dist/tune/program.js";
import { trainStep } from "../dist/tune/train-step.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { batch: { type: "string", default: "32" }, blocks: { type: "string" } },
});
const batch = Number(values.batch);
const MB = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

if (values.blocks === undefined) {
  for (const model of positionals)
    for (const blocks of ["head", "all"]) {
      const words = [import.meta.filename, "--batch", values.batch, "--blocks", blocks, model];
      const { predicted, reached } = JSON.parse(execFileSync(process.execPath, words, { encoding: "utf8" }));
      const ratio = (predicted / reached).toFixed(2);
      console.log(`${model} ${blocks}: predicted ${MB(predicted)}, reached ${MB(reached)} (× ${ratio})`);
    }
} else console.log(JSON.stringify(await measure(positionals[0], values.blocks)));

async function measure(path, blocks) {
  const runtime = await cpuRuntime();
  const model = await loadModel(path);
  const sizes = assumedSizes(model);
  const plan = planOf([{ name: blocks, blocks, epochs: 1, batchNorm: "training" }], model.blocks);
  const [stage] = plan.stages;
  const moving = model.blocks.filter(({ name }) => stage.blocks.includes(name)).flatMap((b) => b.parameters);
  const held = process.memoryUsage.rss();
  const predicted = held + residentBytes([stepMemory(model, new Set(moving), batch)]);
  const graph = model.graph.clone();
  const output = graph.get(model.output.name);
  const { loss, targets, weights } = imageClassification.attachLoss(graph, output);
  const { parameters } = model;
  const tunable = { graph, loss, outputs: [output.name], parameters, blocks: model.blocks };
  const options = { model: tunable, plan, runtime, batchSize: batch, seed: 0, data: { size: batch } };
  const program = await compileStage(stage, options, new Map());
  const fed = (dims, value) => ({
    dtype: "float32",
    dims,
    data: new Float32Array(dims.reduce((n, d) => n * d, 1)).fill(value),
  });
  const tensors = {
    [model.input.name]: fed([batch, ...model.input.shape.slice(1).map((dim) => sizes.get(dim) ?? dim)], 0.5),
    [targets]: fed([batch, output.shape.at(-1)], 1 / output.shape.at(-1)),
    [weights]: fed([batch], 1),
  };
  const rates = Object.fromEntries(stage.blocks.map((name) => [name, 1e-6]));
  const optimizer = { kind: "adamw", beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
  for (let step = 1; step <= 2; step++)
    await trainStep(program, [{ ids: [], tensors }], { optimizer, weightDecay: 0, rates, step });
  const reached = await runtime.peakMemoryBytes();
  await program.dispose();
  await runtime.dispose();
  return { predicted, reached };
}
