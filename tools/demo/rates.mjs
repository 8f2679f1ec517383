// How the learning rates of the demo were chosen: each candidate over five draws of the digits, by accuracy
// on 600 validation images.
// Test images are not even unpacked. After `npm run build`:  node tools/demo/rates.mjs [pretrained|scratch]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lettersModel, unpackDigits } from "../../dist/app/demo/data.node.js";
import { demoSettings, demoTraining } from "../../dist/app/demo/plan.js";
import { untrained } from "../../dist/app/demo/weights.js";
import { parseOptions } from "../../dist/app/options/parse.js";
import { tuneOptions } from "../../dist/app/options/tune.js";
import { prepareTuning } from "../../dist/app/tune/prepare.node.js";
import { runTuning } from "../../dist/app/tune/run.node.js";

const seeds = [100, 101, 102, 103, 104];
const arms = process.argv[2] ? [process.argv[2]] : ["pretrained", "scratch"];

/** Stages with a candidate's settings; `head`: the rate while the head moves alone, `rate`: of everything after that. */
const withSettings =
  ({ head, rate, ...rest }) =>
  (stages) =>
    stages.map((stage) => ({ ...stage, ...rest, learningRate: stage.blocks === "head" ? head : rate }));

const candidates = {
  pretrained: [3e-4, 1e-3, 3e-3].flatMap((rate) => [
    { head: 1e-2, rate, decay: 1, batchNorm: "frozen" },
    { head: 1e-2, rate, decay: 1.5, batchNorm: "frozen" },
    { head: 1e-2, rate, decay: 1.5, batchNorm: "training" },
  ]),
  scratch: [1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2].map((rate) => ({ rate, batchNorm: "training" })),
};

async function validate(arm, stages, seed) {
  const folder = mkdtempSync(join(tmpdir(), "diapason-rates-"));
  try {
    await unpackDigits(join(folder, "digits"), { perClass: 10, validationPerClass: 60, seed });
    rmSync(join(folder, "digits", "test"), { recursive: true });
    const paths = { model: lettersModel, data: join(folder, "digits"), out: join(folder, "out") };
    const options = parseOptions(tuneOptions, { ...demoSettings, ...paths, stages, seed });
    const tuning = await prepareTuning({ ...options, run: join(folder, "run") }, { resume: false });
    const given = arm === "scratch" ? { ...tuning, model: untrained(tuning.model, seed) } : tuning;
    let scores;
    for await (const event of runTuning(given, {})) if (event.type === "saved") scores = event.after;
    return scores;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const meanOf = (values) => values.reduce((a, b) => a + b) / values.length;

for (const arm of arms) {
  for (const candidate of candidates[arm]) {
    const stages = withSettings(candidate)(demoTraining[arm]);
    const found = [];
    for (const seed of seeds) found.push(await validate(arm, stages, seed));
    const accuracy = meanOf(found.map((scores) => scores.accuracy)).toFixed(4);
    const nll = meanOf(found.map((scores) => scores.nll)).toFixed(4);
    console.log(`${arm} ${JSON.stringify(candidate)}: accuracy ${accuracy}, loss ${nll}`);
  }
}
