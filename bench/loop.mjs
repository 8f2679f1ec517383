// What the loop (data, optimizer, events, checkpoints) adds to the bare step, in one run:
//   npm run build && node bench/loop.mjs MODEL.onnx [head|full]
// The images are 224 × 224 JPEGs made for the purpose. The bare step is the same program run on one batch again and again.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { parseOptions } from "../dist/app/options/parse.js";
import { tuneOptions } from "../dist/app/options/tune.js";
import { prepareTuning } from "../dist/app/tune/prepare.node.js";
import { random } from "../dist/base/random.js";
import { tune } from "../dist/index.js";
import { compileStage } from "../dist/tune/program.js";
import { trainStep } from "../dist/tune/train-step.js";

const [model, plan = "full"] = process.argv.slice(2);
const [batchSize, perClass, steps] = [32, 128, 8];
const folder = mkdtempSync(join(tmpdir(), "diapason-loop-"));
for (const name of ["a", "b"]) {
  mkdirSync(join(folder, "images", name), { recursive: true });
  for (let i = 0; i < perClass; i++) {
    const draws = random(0, name, String(i));
    const pixels = Uint8Array.from({ length: 48 * 48 * 3 }, () => draws.integer(256));
    const image = sharp(pixels, { raw: { width: 48, height: 48, channels: 3 } }).resize(256, 256);
    await image.jpeg({ quality: 90 }).toFile(join(folder, "images", name, `${i}.jpg`));
  }
}
const median = (list) => [...list].sort((x, y) => x - y)[Math.floor(list.length / 2)];
const given = {
  model,
  data: join(folder, "images"),
  out: join(folder, "out"),
  plan,
  batchSize,
  epochs: 2,
  batchNorm: "training",
};

async function bareStep() {
  const options = { ...parseOptions(tuneOptions, given), run: join(folder, "bare") };
  const tuning = await prepareTuning(options, { resume: false });
  const { tunable, data } = tuning.task.training(tuning.model);
  const stage = tuning.plan.stages[0];
  const program = await compileStage(
    stage,
    { model: tunable, plan: tuning.plan, data, runtime: tuning.runtime, batchSize, seed: 0 },
    new Map(),
  );
  const [batch] = await firstOf(data.batches({ epoch: 0, batchSize, skip: 0 }));
  const weights = { dtype: "float32", dims: [batchSize], data: new Float32Array(batchSize).fill(1) };
  const feeds = { ids: batch.ids, tensors: { ...batch.inputs, weights } };
  const rates = Object.fromEntries(stage.blocks.map((name) => [name, 1e-5]));
  const optimizer = { kind: "adamw", beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
  const times = [];
  for (let step = 1; step <= steps; step++) {
    const start = performance.now();
    await trainStep(program, [feeds], { optimizer, weightDecay: 0.01, clipNorm: 1, rates, step });
    times.push(performance.now() - start);
  }
  await program.dispose();
  await tuning.task.close();
  await tuning.runtime.dispose();
  return median(times.slice(2));
}

async function firstOf(batches) {
  for await (const batch of batches) return [batch];
  return [];
}

/** Milliseconds from one step of the loop to the next, by epoch: the first decodes, the second reads what is kept. */
async function loopSteps() {
  const times = {};
  let last;
  for await (const event of tune({ ...given, run: join(folder, "run") })) {
    if (event.type !== "step") continue;
    times[event.epoch] ??= [];
    if (last?.epoch === event.epoch) times[event.epoch].push((event.seconds - last.seconds) * 1000);
    last = event;
  }
  return Object.values(times).map(median);
}

const bare = await bareStep();
const epochs = await loopSteps();
const again = epochs.map((ms) => `${ms.toFixed(0)} ms (+ ${((ms / bare - 1) * 100).toFixed(1)} %)`);
console.log(
  `bare step ${bare.toFixed(0)} ms; in the loop ${again.join(" in the first epoch, ")} in the second`,
);
rmSync(folder, { recursive: true });
