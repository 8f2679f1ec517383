// Recurrent layers beside PyTorch's, forward and backward, in one run, on one thread each:
//   npm run build && DIAPASON_PYTHON=path/to/python node bench/recurrent.mjs [--rounds 5]
// [64 tokens, 16 sequences, 128] to 256 hidden; the loss is the mean of squares, gradients go to the input and all weights.
// The sides take turns, each in a process of its own. Times are of the processor, which other work on the machine disturbs
// little; medians, and the least. Norms of gradients must agree.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as ort from "onnxruntime-node";
import { differentiate } from "../dist/autodiff/differentiate.js";
import { writeOnnx } from "../dist/formats/onnx/writer.js";
import { GraphBuilder } from "../dist/graph/builder.js";
import { Graph } from "../dist/graph/ir.js";

const python = process.env.DIAPASON_PYTHON;
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    steps: { type: "string", default: "20" },
    side: { type: "string" },
  },
});
const [tokens, batch, width, hidden] = [64, 16, 128, 256];
const gates = { LSTM: 4, GRU: 3, RNN: 1 };
const kinds = Object.keys(gates);
const wave = (size, scale) =>
  Float32Array.from({ length: size }, (_, i) => scale * Math.sin(1.7 * (i % 9973)));

if (values.side) console.log(JSON.stringify(await measure(values.side)));
else compare();

/** One process of ours: the times of some steps. */
async function measure(kind) {
  const graph = new Graph(kind);
  const rows = gates[kind] * hidden;
  const shapes = { x: [tokens, batch, width], W: [1, rows, width], R: [1, rows, hidden], B: [1, 2 * rows] };
  const inputs = Object.entries(shapes).map(([name, dims]) => graph.addInput(name, "float32", dims));
  const g = new GraphBuilder(graph);
  const attributes = { hidden_size: hidden, ...(kind === "GRU" && { linear_before_reset: 1 }) };
  const [y] = g.node(kind, inputs, attributes, ["y"]).outputs;
  const loss = g.op("ReduceMean", [g.mul(y, y)], { keepdims: 0 });
  graph.rename(loss, "loss");
  graph.addOutput(loss);
  const backward = differentiate(graph, { loss: "loss", parameters: Object.keys(shapes) });
  const session = await ort.InferenceSession.create(writeOnnx(backward.graph), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const size = (dims) => dims.reduce((n, d) => n * d, 1);
  const feeds = {};
  for (const [name, dims] of Object.entries(shapes)) {
    // the biases are two of PyTorch's, each a wave of its own
    const data = name === "B" ? wave(rows, 0.06) : wave(size(dims), name === "x" ? 1 : 0.06);
    feeds[name] = new ort.Tensor("float32", name === "B" ? Float32Array.of(...data, ...data) : data, dims);
  }
  const times = [];
  let outputs;
  for (let i = 0; i < Number(values.steps); i++) {
    const started = process.cpuUsage();
    outputs = await session.run(feeds);
    const { user, system } = process.cpuUsage(started);
    times.push((user + system) / 1000);
  }
  const norm = (name) => Math.hypot(...chunks(outputs[backward.gradients.get(name)].data));
  return { times, norms: { x: norm("x"), R: norm("R") } };
}

/** Norms of parts, as a call takes no more arguments. */
function chunks(data) {
  return Array.from({ length: Math.ceil(data.length / 10_000) }, (_, i) =>
    Math.hypot(...data.subarray(10_000 * i, 10_000 * (i + 1))),
  );
}

function compare() {
  if (!python) throw new Error("Set DIAPASON_PYTHON to a Python that has PyTorch.");
  const run = (command, words) =>
    JSON.parse(execFileSync(command, words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  const peer = join(import.meta.dirname, "recurrent-peer.py");
  for (const kind of kinds) {
    const found = { ours: { times: [] }, peer: { times: [] } };
    for (let round = 0; round < Number(values.rounds); round++) {
      const { steps } = values;
      const sides = {
        ours: () => run(process.execPath, [process.argv[1], "--side", kind, "--steps", steps]),
        peer: () => run(python, [peer, kind, steps]),
      };
      for (const [side, once] of Object.entries(sides)) {
        const { times, norms } = once();
        found[side].times.push(...times.slice(3));
        found[side].norms = norms;
      }
    }
    for (const name of ["x", "R"]) {
      const [a, b] = [found.ours.norms[name], found.peer.norms[name]];
      if (!(Math.abs(a - b) < 1e-3 * b))
        throw new Error(`${kind}: the gradient of ${name} is ${a}, not ${b}`);
    }
    const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
    const text = ({ times }) => `${median(times).toFixed(1)} (least ${Math.min(...times).toFixed(1)})`;
    const ratio = median(found.ours.times) / median(found.peer.times);
    const least = Math.min(...found.ours.times) / Math.min(...found.peer.times);
    console.log(
      `${kind}: Diapason ${text(found.ours)} ms, PyTorch ${text(found.peer)} ms, × ${ratio.toFixed(2)} (least × ${least.toFixed(2)})`,
    );
  }
}
