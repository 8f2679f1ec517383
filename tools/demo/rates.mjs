// How the learning rates of the demo were chosen: each candidate over five draws of the digits, by validation accuracy.
// Test images are not even unpacked. After `npm run build`:  node tools/demo/rates.mjs [pretrained|scratch]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lettersModel, unpackDigits } from "../../dist/app/demo-data.node.js";
import { demoSettings, demoTraining } from "../../dist/app/demo-plan.js";
import { untrained } from "../../dist/app/demo-weights.js";
import { parseOptions, tuneOptions } from "../../dist/app/options.js";
import { prepareTuning } from "../../dist/app/tune-prepare.node.js";
import { runTuning } from "../../dist/app/tune-run.node.js";

const seeds = [100, 101, 102, 103, 104];
const arms = process.argv[2] ? [process.argv[2]] : ["pretrained", "scratch"];

/** Stages with the rates of a candidate: of the head alone, of what is thawed, and what divides it block by block. */
const withRates =
  ({ head, rate, decay }) =>
  (stages) =>
    stages.map((stage) => ({ ...stage, learningRate: stage.blocks === "head" ? head : rate, decay }));

const candidates = {
  pretrained: [1e-3, 3e-3, 6e-3].flatMap((rate) => [1, 1.5].map((decay) => ({ head: 1e-2, rate, decay }))),
  scratch: [1e-3, 2e-3, 4e-3, 8e-3].map((rate) => ({ rate, decay: 1 })),
};

async function validate(arm, stages, seed) {
  const folder = mkdtempSync(join(tmpdir(), "diapason-rates-"));
  try {
    await unpackDigits(join(folder, "digits"), { perClass: 10, validationPerClass: 20, seed });
    rmSync(join(folder, "digits", "test"), { recursive: true });
    const paths = { model: lettersModel, data: join(folder, "digits"), out: join(folder, "out") };
    const options = parseOptions(tuneOptions, { ...demoSettings, ...paths, stages, seed });
    const tuning = await prepareTuning({ ...options, run: join(folder, "run") }, { resume: false });
    const given = arm === "scratch" ? { ...tuning, model: untrained(tuning.model, seed) } : tuning;
    let accuracy;
    for await (const event of runTuning(given, {}))
      if (event.type === "saved") accuracy = event.after.accuracy;
    return accuracy;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const arm of arms) {
  for (const candidate of candidates[arm]) {
    const stages = withRates(candidate)(demoTraining[arm]);
    const found = [];
    for (const seed of seeds) found.push(await validate(arm, stages, seed));
    const mean = found.reduce((a, b) => a + b) / found.length;
    console.log(
      `${arm} ${JSON.stringify(candidate)}: mean ${mean.toFixed(4)} of ${found.map((v) => v.toFixed(3)).join(" ")}`,
    );
  }
}
