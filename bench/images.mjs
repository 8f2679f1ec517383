// The accuracy that `tune` reaches with a ResNet-20 beside PyTorch's, with the same images and settings, for the same seeds:
//   npm run build && DIAPASON_PYTHON=path/to/python node bench/images.mjs --model RESNET20_FOLDER --data IMAGE_FOLDER [--plan full] [--learning-rate 1e-3] [--flip 0.5] [--batch-norm auto] [--seeds 3] [--threads 1]
// The folder has splits to train and to test; where it has one for validation the best epoch of that is tested, where not the
// last, and every other image trains. AdamW, a warm-up of a tenth of the steps, cosine, batches of 32, 8 epochs. PyTorch's
// BatchNormalization does what `tune` chose to do.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { tune } from "../dist/index.js";

const python = process.env.DIAPASON_PYTHON;
if (!python) throw new Error("Set DIAPASON_PYTHON to a Python that has PyTorch, safetensors and Pillow.");
const { values } = parseArgs({
  options: {
    model: { type: "string" },
    data: { type: "string" },
    plan: { type: "string", default: "full" },
    "learning-rate": { type: "string", default: "1e-3" },
    flip: { type: "string", default: "0" },
    "batch-norm": { type: "string", default: "auto" },
    seeds: { type: "string", default: "3" },
    threads: { type: "string", default: "1" },
  },
});
const { model, data, plan, flip, threads } = values;
if (!model || !data) throw new Error("Give --model, the folder of a ResNet-20, and --data, one of images.");
const rate = Number(values["learning-rate"]);

const found = { ours: [], peer: [] };
for (let seed = 0; seed < Number(values.seeds); seed++) {
  const { accuracy, batchNorm } = await ours(seed);
  found.ours.push(accuracy);
  const words = [model, data, plan, rate, flip, batchNorm, seed, threads].map(String);
  const said = execFileSync(python, [join(import.meta.dirname, "images-peer.py"), ...words], {
    encoding: "utf8",
  });
  found.peer.push(Number(said));
  console.error(`seed ${seed}, statistics ${batchNorm}: Diapason ${accuracy}, PyTorch ${said.trim()}`);
}
const text = (list) => `${list.map((one) => (100 * one).toFixed(1)).join(", ")} %`;
console.log(`Diapason ${text(found.ours)}; PyTorch ${text(found.peer)}`);

async function ours(seed) {
  const folder = mkdtempSync(join(tmpdir(), "diapason-bench-"));
  try {
    const options = {
      task: "image-classification",
      model,
      data,
      plan,
      learningRate: rate,
      epochs: 8,
      batchSize: 32,
      augment: flip === "0" ? "none" : { flip: Number(flip) },
      batchNorm: values["batch-norm"],
      seed,
      threads: Number(threads),
      out: join(folder, "out"),
      run: join(folder, "run"),
      ...(existsSync(join(data, "validation")) ? {} : { validationShare: 0 }),
    };
    let accuracy;
    for await (const event of tune(options))
      if (event.type === "saved") accuracy = event.after.metrics.accuracy;
    const { batchNorm } = parse(readFileSync(join(folder, "run/recipe.yaml"), "utf8"));
    return { accuracy, batchNorm };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
