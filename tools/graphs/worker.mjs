/** Looks at one graph: reads it, writes it, runs both, and checks every parameter's gradient. One process a graph. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import {
  attachTestLoss,
  gradcheckWhereFinite,
  randomFeeds,
  runnableSizes,
  usualEffort,
} from "../../dist/app/gradcheck/inputs.js";
import { toHost } from "../../dist/app/gradcheck/runtime.js";
import { inspect } from "../../dist/app/inspect.node.js";
import { tune } from "../../dist/app/tune.node.js";
import { lossOnly } from "../../dist/autodiff/gradcheck.js";
import { parametersInSteps } from "../../dist/autodiff/path.js";
import { DiapasonError } from "../../dist/base/errors.js";
import { random } from "../../dist/base/random.js";
import { loadOnnx, saveOnnx } from "../../dist/formats/onnx/file.node.js";
import { saveSafetensors } from "../../dist/formats/safetensors.node.js";
import { inferShapes } from "../../dist/graph/infer.js";
import { toNdArray } from "../../dist/graph/kernels/interpret.js";
import { tensorsIn } from "../../dist/graph/passes/fold-sequences.js";
import { print } from "../../dist/graph/print.js";
import { float32, tensorOf } from "../../dist/graph/tensor.js";
import { collectParameters } from "../../dist/models/parameters.js";
import { prepareGraph } from "../../dist/models/prepare.js";
import { cpuRuntime } from "../../dist/runtime/cpu.node.js";
import { learnShapes } from "../../dist/runtime/probe.js";

process.once("message", async ({ file, withTuning }) => {
  const runtime = await cpuRuntime();
  const graph = await loadOnnx(file).catch((error) => error);
  if (graph instanceof DiapasonError) {
    const refused = { refused: graph.message };
    process.send({ inspected: refused, written: refused, gradient: refused });
    return;
  }
  process.send({
    opset: graph.opsets.get("") ?? 0,
    nodes: graph.nodes.length,
    lines: print(graph).split("\n").length,
    inspected: await attempt(() => inspected(file)),
    written: await attempt(() => writtenBack(file, graph, runtime)),
    gradient: await attempt(() => gradients(file, runtime)),
    ...(withTuning ? { tuned: await attempt(() => tuned(file, runtime)) } : {}),
  });
  await runtime.dispose();
});

/** What a step found, or what it was refused for. */
async function attempt(step) {
  try {
    return await step();
  } catch (error) {
    if (error instanceof DiapasonError) return { refused: error.message };
    return {
      failed: String(error.stack ?? error)
        .split("\n")
        .slice(0, 2)
        .join(" "),
    };
  }
}

/** What `diapason inspect` says. */
async function inspected(file) {
  for await (const { purpose, parameters, blocks } of inspect.run({ model: file }))
    return { purpose, elements: parameters, blocks: blocks.length };
}

/** Runs the file and what is written of it on the same arrays. */
async function writtenBack(file, graph, runtime) {
  const named = graph.clone();
  inferShapes(named);
  for (const output of [...named.outputs]) if (output.opaqueType) named.removeOutput(output);
  const sizes = await runnableSizes(named, runtime, {});
  const { feeds } = randomFeeds(named, sizes, 0);
  const given = Object.fromEntries([...feeds].map(([name, array]) => [name, toOrt(array)]));
  const before = await run(file, given);
  const folder = mkdtempSync(join(tmpdir(), "diapason-graphs-"));
  try {
    await saveOnnx(graph, join(folder, "again.onnx"));
    return compared(graph, before, await run(join(folder, "again.onnx"), given));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function compared(graph, before, after) {
  const names = Object.keys(before);
  const draws = graph.nodes.some(({ op }) => /^(Random|Multinomial|Bernoulli)/.test(op));
  const same = (name) => textOf(before[name]) === textOf(after[name]);
  const changed = names.filter((name) => !same(name));
  return { outputs: names.length, identical: draws ? "draws" : changed.length === 0, changed };
}

const textOf = (value) => {
  const bytes = (data) =>
    Array.isArray(data)
      ? JSON.stringify(data)
      : Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("latin1");
  return `${value.type} [${value.dims}] ${bytes(value.data)}`;
};

function toOrt(array) {
  const { dtype, dims, data } = toHost(array);
  return new ort.Tensor(dtype, data, dims);
}

async function run(file, feeds) {
  const session = await ort.InferenceSession.create(file, { logSeverityLevel: 4 });
  const { outputs: all } = await loadOnnx(file);
  const tensors = all.filter(({ opaqueType }) => !opaqueType).map(({ name }) => name); // all that the binding gives
  const outputs = await session.run(feeds, tensors);
  await session.release();
  return outputs;
}

/** Checks every float parameter that an output depends on. */
async function gradients(file, runtime) {
  const graph = await loadOnnx(file);
  const found = await parametersOf(graph, runtime);
  if (found.parameters.length === 0) return { none: "no float weight reaches a float output" };
  const filled = await loadOnnx(file);
  if (fillWeights(filled) === 0) return gradientsOf(graph, found, runtime);
  return { ...(await gradientsOf(filled, await parametersOf(filled, runtime), runtime)), filled: true };
}

/** Appends a loss to a graph and finds what it depends on: smoothly, or in steps. */
async function parametersOf(graph, runtime) {
  await prepareGraph(graph, (unknown) => learnShapes(unknown, runtime));
  const loss = attachTestLoss(graph, 0);
  const all = collectParameters(graph, graph.get(loss)).parameters.map(({ name }) => name);
  const inSteps = new Set(parametersInSteps(graph, loss, all));
  return { loss, inSteps: inSteps.size, parameters: all.filter((name) => !inSteps.has(name)) };
}

/**
 * Gives random numbers to weights that the file makes of one number each (ONNX's "light" models): with them all classes
 * are equal, their gradients cancel, and what is left is rounding. Result: how many there were; none where the file has
 * weights that it stores.
 */
function fillWeights(graph) {
  inferShapes(graph);
  if ([...graph.initializers].some(({ dtype, shape }) => dtype === "float32" && shape?.length > 1)) return 0;
  const made = graph.nodes.filter(
    ({ op, outputs }) =>
      op === "ConstantOfShape" &&
      outputs[0].shape?.length > 1 &&
      outputs[0].shape.every((dim) => typeof dim === "number"),
  );
  for (const { outputs } of made) {
    const dims = outputs[0].shape;
    const size = dims.reduce((n, d) => n * d, 1);
    const draws = random(0, "fill", outputs[0].name);
    const scale = Math.sqrt((2 * dims[0]) / size);
    const values = Float32Array.from({ length: size }, () => scale * draws.normal());
    graph.replaceUses(outputs[0], graph.addInitializer(graph.freshName("filled"), float32(dims, values)));
  }
  return made.length;
}

async function gradientsOf(graph, { loss, parameters, inSteps }, runtime) {
  const sizes = await runnableSizes(lossOnly(graph, loss), runtime, {});
  const { feeds, symbols } = randomFeeds(graph, sizes, 0);
  const samples = parameters.length > 20 ? 1 : 2;
  const options = { loss, parameters, symbols, samples, effort: usualEffort };
  let result = await gradcheckWhereFinite(graph, { ...options, feeds });
  const beside = result.verdict === "wrong";
  if (beside)
    result = await gradcheckWhereFinite(graph, {
      ...options,
      feeds: new Map([...feeds, ...moved(graph, parameters)]),
    });
  return {
    parameters: parameters.length,
    inSteps,
    directions: result.directions,
    besideTies: result.besideTies,
    beside,
    verdict: result.verdict,
    error: result.largestRelativeError,
    flat: result.parameters.filter((p) => p.largestGradient === 0).length,
    hidden: result.parameters.filter(({ resolution = 0 }) => resolution >= 1).length,
    wrong: result.parameters.filter((p) => p.largestRelativeError > result.tolerance).map((p) => p.name),
  };
}

/**
 * The weights a little beside where they are, by a twentieth of their size: a file whose weights are all alike stands on the
 * kinks of its ReLUs.
 */
function* moved(graph, parameters) {
  for (const name of parameters) {
    const array = toNdArray(graph.get(name).constant);
    const draws = random(0, "beside", name);
    const size = Math.sqrt(array.data.reduce((sum, x) => sum + x * x, 0) / array.data.length) || 1;
    yield [name, { ...array, data: array.data.map((value) => value + 0.05 * size * draws.normal()) }];
  }
}

const examples = 6;

/** Tunes the graph on made-up examples for two steps, and runs what is saved. */
async function tuned(file, runtime) {
  const graph = await loadOnnx(file);
  await prepareGraph(graph, (unknown) => learnShapes(unknown, runtime), { whole: true });
  const { parameters } = collectParameters(graph, ...graph.outputs);
  const outputs = graph.outputs.flatMap((value) => (value.opaqueType && tensorsIn(value)) || [value]);
  const wanted = outputs.find(
    (value) =>
      value.dtype === "float32" &&
      value.shape?.[0] === "batch" &&
      value.shape.slice(1).every((dim) => dim !== "batch") &&
      collectParameters(graph, value).parameters.length > 0,
  );
  if (parameters.length === 0 || !wanted)
    return { none: "no output counts examples and depends on a weight" };
  for (const output of [...graph.outputs]) if (output !== wanted) graph.removeOutput(output);
  if (!graph.outputs.includes(wanted)) graph.addOutput(wanted);
  const sizes = await runnableSizes(graph, runtime, {});
  const { feeds } = randomFeeds(graph, { ...sizes, batch: examples }, 0);
  const isCounted = ({ name }) => graph.get(name).shape?.[0] === "batch";
  const isRead = ({ constant, consumers }) => !constant && consumers.length > 0;
  const inputs = graph.inputs.filter(isRead);
  const arrays = new Map(inputs.filter(isCounted).map(({ name }) => [name, toHost(feeds.get(name))]));
  const fix = inputs
    .filter((input) => !isCounted(input))
    .map(({ name }) => `${name}=${feeds.get(name).data[0]}`);
  const executable = await runtime.compile(graph);
  const target = (
    await executable.run(Object.fromEntries([...feeds].map(([name, array]) => [name, toHost(array)])))
  )[wanted.name];
  await executable.dispose();
  const folder = mkdtempSync(join(tmpdir(), "diapason-graphs-"));
  try {
    arrays.set("wanted", {
      ...target,
      data: Float32Array.from(target.data, (value, i) => value + Math.cos(i)),
    });
    const stored = ({ dtype, dims, data }) => tensorOf(dtype, dims, data);
    await saveSafetensors(
      join(folder, "data.safetensors"),
      new Map([...arrays].map(([name, array]) => [name, stored(array)])),
    );
    const losses = [];
    for await (const event of tune.run({
      task: "custom",
      model: file,
      data: join(folder, "data.safetensors"),
      loss: `mse:${wanted.name}=wanted`,
      ...(fix.length > 0 ? { fix } : {}),
      plan: "full",
      epochs: 2,
      batchSize: 2,
      threads: 1,
      validationShare: 0.34,
      out: join(folder, "out"),
      run: join(folder, "run"),
    }))
      if (event.type === "evaluation") losses.push(event.metrics.loss);
    const onnx = join(folder, "out", "onnx", "model.onnx");
    const saved = await loadOnnx(onnx); // of half precision where the file was
    const given = Object.fromEntries(
      [...feeds].map(([name, array]) => [name, toOrt({ ...array, dtype: saved.get(name).dtype })]),
    );
    const after = await run(onnx, given);
    return { losses, outputs: Object.keys(after).length };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
