// Tunes a tiny network and keeps the run in the folder given as the argument; goes on where a killed run stopped.
// Prints one line for each step, and at the end the SHA-256 of the tuned weights. tests/tune/resume.test.ts kills it.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { random } from "../../dist/base/random.js";
import { inferShapes } from "../../dist/graph/infer.js";
import { Graph } from "../../dist/graph/ir.js";
import { float32 } from "../../dist/graph/tensor.js";
import { cpuRuntime } from "../../dist/runtime/cpu.node.js";
import { imageClassification } from "../../dist/tasks/image-classification.js";
import { tuneLoop } from "../../dist/tune/loop.js";
import { planOf } from "../../dist/tune/plans.js";
import { createRunFolder, openRunFolder } from "../../dist/tune/run-folder.node.js";

const [features, hidden, classes, examples] = [6, 16, 3, 40];
const seed = 11;

/** [batch, 6] -> two layers with dropout between them -> logits [batch, 3] -> loss. */
function model() {
  const graph = new Graph("resume");
  const draw = random(seed, "weights");
  const layer = (name, input, [rows, columns], output) => {
    const weights = Float32Array.from({ length: rows * columns }, () => draw.normal() / Math.sqrt(rows));
    const weight = graph.addInitializer(`${name}.weight`, float32([rows, columns], weights));
    const bias = graph.addInitializer(`${name}.bias`, float32([columns], new Float32Array(columns)));
    const product = graph.addNode("MatMul", [input, weight]).outputs[0];
    return graph.addNode("Add", [product, bias], { outputs: [output] }).outputs[0];
  };
  const x = graph.addInput("x", "float32", ["batch", features]);
  const bodyOut = graph.addNode("Tanh", [layer("body", x, [features, hidden], "body")]).outputs[0];
  const mask = graph.addInput("dropout:0.25:head", "float32", ["batch", hidden]);
  const dropped = graph.addNode("Mul", [bodyOut, mask]).outputs[0];
  const logits = layer("head", dropped, [hidden, classes], "logits");
  graph.addOutput(logits);
  inferShapes(graph);
  const { loss } = imageClassification.attachLoss(graph, logits);
  const blocks = ["body", "head"].map((name) => ({
    name,
    parameters: [`${name}.weight`, `${name}.bias`],
    buffers: [],
  }));
  const parameters = blocks.flatMap((block) =>
    block.parameters.map((name) => ({
      name,
      value: graph.get(name),
      elements: graph.get(name).constant.dims.reduce((n, d) => n * d, 1),
      decays: name.endsWith("weight"),
    })),
  );
  return { graph, loss, outputs: ["logits"], parameters, blocks };
}

/** Points in a shuffled order and with noise anew in every epoch; slow enough to be killed while they are read. */
const data = {
  size: examples,
  async *batches({ epoch, batchSize, skip }) {
    const order = random(seed, "order", epoch).permutation(examples);
    for (let from = skip * batchSize; from < examples; from += batchSize) {
      await sleep(4);
      const chosen = [...order.subarray(from, from + batchSize)];
      const x = chosen.flatMap((i) => {
        const noise = random(seed, "noise", epoch, i);
        return Array.from({ length: features }, (_, f) => Math.sin(i * (f + 1)) + 0.1 * noise.normal());
      });
      const targets = chosen.flatMap((i) =>
        Array.from({ length: classes }, (_, c) => Number(c === i % classes)),
      );
      const tensor = (width, values) => ({
        dtype: "float32",
        dims: [chosen.length, width],
        data: Float32Array.from(values),
      });
      yield {
        ids: chosen.map(String),
        inputs: { x: tensor(features, x), targets: tensor(classes, targets) },
      };
    }
  },
};

const folder = process.argv[2];
const tunable = model();
const record = existsSync(join(folder, "run.json"))
  ? await openRunFolder(folder, tunable.graph)
  : await createRunFolder(folder, {
      base: tunable.graph,
      recipe: { plan: "lp-ft" },
      about: { seed },
      force: true,
    });
const runtime = await cpuRuntime({ threads: 1 });
const run = tuneLoop({
  model: tunable,
  plan: planOf("lp-ft", tunable.blocks, { epochs: 6, learningRate: 0.01 }),
  data,
  runtime,
  seed,
  batchSize: 6,
  weightDecay: 0.01,
  clipNorm: 1,
  evaluate: async (executable) => {
    const x = {
      dtype: "float32",
      dims: [1, features],
      data: Float32Array.from({ length: features }, Math.sin),
    };
    const { logits } = await executable.run({ x });
    return { score: logits.data[0] };
  },
  checkpointEvery: 2,
  record,
});
let next = await run.next();
for (; !next.done; next = await run.next())
  if (next.value.type === "step") console.log(`step ${next.value.step}`);
const hash = createHash("sha256");
for (const [name, value] of [...next.value.values].sort()) hash.update(name).update(value);
await record.close();
await runtime.dispose();
console.log(`weights ${hash.digest("hex")}`);
