// Pretrains the embedded model on the letters that render.mjs made, with Diapason's own loop, and writes models/letters.
// From the repository root, after `npm run build`:  node tools/demo/pretrain.mjs [epochs]
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tunableOf, withTuned } from "../../dist/app/image/training.js";
import { random } from "../../dist/base/random.js";
import { saveOnnx } from "../../dist/formats/onnx/file.node.js";
import { describeModel } from "../../dist/models/describe.js";
import { cpuRuntime } from "../../dist/runtime/cpu.node.js";
import { tuneLoop } from "../../dist/tune/loop.js";
import { planOf } from "../../dist/tune/plans.js";
import { letterNetwork } from "./network.mjs";

const seed = 1;
const batchSize = 128;
const epochs = Number(process.argv[2] ?? 10);
/** Of the letters' pixels, 0 … 1. */
const mean = 0.31;
const deviation = 0.37;
const classes = JSON.parse(readFileSync("temp/letters/classes.json", "utf8"));

/** Images as render.mjs wrote them: 65 bytes each, the class and 8 × 8 counts of ink of 0 … 16. */
function read(name) {
  const bytes = readFileSync(`temp/letters/${name}.bin`);
  const size = bytes.length / 65;
  const label = (i) => bytes[i * 65];
  return {
    size,
    label,
    batch(indices) {
      const pixels = new Float32Array(indices.length * 64);
      const targets = new Float32Array(indices.length * classes.length);
      indices.forEach((index, i) => {
        for (let p = 0; p < 64; p++) pixels[i * 64 + p] = (bytes[index * 65 + 1 + p] / 16 - mean) / deviation;
        targets[i * classes.length + label(index)] = 1;
      });
      return {
        pixels: { dtype: "float32", dims: [indices.length, 1, 8, 8], data: pixels },
        targets: { dtype: "float32", dims: [indices.length, classes.length], data: targets },
      };
    },
  };
}

/** Share of the held-out letters, from fonts that training never sees, that the model tells. */
async function accuracyOn(images, executable) {
  let right = 0;
  for (let from = 0; from < images.size; from += 256) {
    const indices = Array.from({ length: Math.min(256, images.size - from) }, (_, i) => from + i);
    const { logits } = await executable.run(
      { pixel_values: images.batch(indices).pixels },
      { outputs: ["logits"] },
    );
    indices.forEach((index, i) => {
      const row = logits.data.subarray(i * classes.length, (i + 1) * classes.length);
      if (row.indexOf(Math.max(...row)) === images.label(index)) right++;
    });
  }
  return { accuracy: right / images.size };
}

const [train, validation] = [read("train"), read("validation")];
const model = describeModel({
  graph: letterNetwork(classes.length, seed),
  inputName: "pixel_values",
  labels: classes,
  notes: [],
  config: {},
  source: "tools/demo/network.mjs",
  transposed: new Set(),
});
const { tunable, targets } = tunableOf(model);
const runtime = await cpuRuntime();
const run = tuneLoop({
  model: tunable,
  plan: planOf("full", model.blocks, {
    epochs,
    learningRate: 4e-3,
    batchNorm: "training",
    schedule: { kind: "cosine", warmupShare: 0.1 },
  }),
  data: {
    size: train.size,
    async *batches({ epoch, skip }) {
      const order = random(seed, "order", epoch).permutation(train.size);
      for (let from = skip * batchSize; from < train.size; from += batchSize) {
        const indices = [...order.subarray(from, from + batchSize)];
        const batch = train.batch(indices);
        yield { ids: indices.map(String), inputs: { pixel_values: batch.pixels, [targets]: batch.targets } };
      }
    },
  },
  runtime,
  seed,
  batchSize,
  weightDecay: 0.05,
  clipNorm: 1,
  evaluate: (executable) => accuracyOn(validation, executable),
  restoreBest: false,
});
let next = await run.next();
let last;
for (; !next.done; next = await run.next()) {
  if (next.value.type !== "evaluation") continue;
  last = next.value;
  const { epoch, trainLoss, metrics, seconds } = last;
  console.log(
    `epoch ${epoch}: loss ${trainLoss?.toFixed(3)}, accuracy ${metrics.accuracy.toFixed(4)}, ${seconds.toFixed(0)} s`,
  );
}
await runtime.dispose();

const folder = "models/letters";
rmSync(`${folder}/onnx`, { recursive: true, force: true });
mkdirSync(`${folder}/onnx`, { recursive: true });
await saveOnnx(withTuned(model, classes, next.value.values).graph, `${folder}/onnx/model.onnx`);
const writeJson = (name, value) => writeFileSync(`${folder}/${name}`, `${JSON.stringify(value, null, 2)}\n`);
writeJson("config.json", {
  architectures: ["LettersForImageClassification"],
  model_type: "letters",
  id2label: Object.fromEntries(classes.map((name, i) => [i, name])),
  label2id: Object.fromEntries(classes.map((name, i) => [name, i])),
});
writeJson("preprocessor_config.json", {
  do_resize: true,
  size: { height: 8, width: 8 },
  resample: 2,
  do_convert_grayscale: true,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [mean],
  image_std: [deviation],
});
writeJson("training.json", {
  images: train.size,
  classes: classes.length,
  epochs,
  steps: next.value.steps,
  seconds: Math.round(next.value.seconds),
  accuracyOnUnseenFonts: last.metrics.accuracy,
  examples: validation.size,
});
