import { weightedSum } from "../../dist/app/gradcheck/inputs.js";
import { gradcheck } from "../../dist/autodiff/gradcheck.js";
import { outputCarries } from "../../dist/autodiff/path.js";
import { isFloat } from "../../dist/autodiff/rule.js";
import { DiapasonError } from "../../dist/base/errors.js";
import { readOnnx } from "../../dist/formats/onnx/reader.js";
import { writeOnnx } from "../../dist/formats/onnx/writer.js";
import { GraphBuilder } from "../../dist/graph/builder.js";
import { inferShapes } from "../../dist/graph/infer.js";
import { interpret, toNdArray } from "../../dist/graph/kernels/interpret.js";
import { isSmallFloat } from "../../dist/graph/kernels/small-floats.js";
import { normalize } from "../../dist/graph/passes/normalize.js";
import { print } from "../../dist/graph/print.js";
import { settingReason } from "./reasons.mjs";
import { differenceOf, firstLine, runModel } from "./run-model.mjs";

const passed = { status: "passed" };
const failed = (reason) => ({ status: "failed", reason });
/** Not a failure: the check does not apply, for this reason. */
const none = (reason) => ({ status: "none", reason });

/**
 * Read and written: ONNX Runtime computes the same numbers for what Diapason wrote as for the file. A file that ONNX
 * Runtime refuses is read again and compared as text.
 */
export async function checkRoundTrip({ bytes, graph, inputs, outputs }) {
  const written = writeOnnx(graph);
  const before = await runModel(bytes, graph, inputs);
  const after = await runModel(written, graph, inputs);
  if (before.refused) {
    const again = print(readOnnx(written));
    return again === print(graph) ? passed : failed("reading what was written gives another graph");
  }
  if (after.refused) return failed(`ONNX Runtime refuses what was written: ${after.refused}`);
  for (const name of outputs.keys()) {
    const [a, b] = [after.outputs[name], before.outputs[name]];
    if (!b) continue;
    const same = a.dims.join() === b.dims.join() && a.data.every((x, i) => Object.is(x, b.data[i]));
    if (!same && !isRandom(graph)) return failed(`"${name}" changes when written`);
  }
  return passed;
}

const isRandom = (graph) =>
  graph.nodes.some((node) => /^(Random|Bernoulli|Multinomial|Dropout)/.test(node.op));

/** The stored outputs against ONNX Runtime on the normalised graph, and against the float64 kernels. */
export async function checkValues({ bytes, graph, inputs, outputs }) {
  if (outputs.size === 0) return none("its outputs are no tensors");
  if (isRandom(graph)) return none("its outputs are random");
  let normal;
  try {
    normal = graph.clone();
    normalize(normal);
  } catch (error) {
    return refusal(error);
  }
  const before = await runModel(bytes, graph, inputs);
  const after = before.refused ? before : await runModel(writeOnnx(normal), normal, inputs);
  if (after.refused && !before.refused)
    return failed(`ONNX Runtime refuses the normalised graph: ${after.refused}`);
  if (!before.refused) {
    for (const [name, expected] of outputs) {
      const own = differenceOf(name, before.outputs[name], expected, expected.dtype);
      const normalised = differenceOf(name, after.outputs[name], expected, expected.dtype);
      if (normalised && !own) return failed(`normalised: ${normalised}`);
    }
  }
  let kernels;
  try {
    inferShapes(normal);
    const feeds = new Map([...inputs].filter(([, x]) => !x.strings).map(([name, x]) => [name, toNdArray(x)]));
    kernels = interpret(normal, feeds);
  } catch (error) {
    if (!(error instanceof DiapasonError)) return failed(firstLine(error));
    return before.refused ? none(`ONNX Runtime: ${before.refused}`) : { ...passed, byRuntime: true };
  }
  for (const [name, expected] of outputs) {
    const difference = differenceOf(name, kernels.get(name), expected, expected.dtype);
    if (!difference) continue;
    const runtime = before.outputs && differenceOf(name, before.outputs[name], expected, expected.dtype);
    const agrees =
      before.outputs && !differenceOf(name, kernels.get(name), before.outputs[name], expected.dtype);
    if (runtime && agrees)
      return none(`ONNX Runtime computes other numbers than are stored, and Diapason follows it`);
    return failed(`float64: ${difference}`);
  }
  return passed;
}

const refusal = (error) =>
  error instanceof DiapasonError
    ? { status: "refused", reason: error.message, code: error.code }
    : failed(firstLine(error));

/**
 * The gradient of every float input on which a float output depends, against central differences in float64. The other
 * inputs are constants. At a point that lies on a kink, where differences mean nothing, one beside it is tried.
 */
export async function checkGradients({ graph, inputs, outputs }, operator) {
  if (isRandom(graph)) return none("its outputs are random");
  const values = [...graph.inputs, ...graph.outputs];
  if (values.some(({ dtype }) => dtype && isSmallFloat(dtype)))
    return none("floats of 8 bits and fewer move in steps: the gradient goes straight through");
  const floats = [...inputs].filter(([, x]) => isFloat({ dtype: x.dtype }));
  if (floats.length === 0) return none("no float input");
  const results = [];
  for (const [name] of floats) results.push(await checkInput(graph, inputs, outputs, name, operator));
  const worst = ["failed", "refused", "passed"].map((status) =>
    results.find((result) => result.status === status),
  );
  return worst.find((result) => result) ?? results[0];
}

async function checkInput(source, inputs, outputs, name, operator) {
  const graph = source.clone();
  try {
    normalize(graph);
    for (const input of [...graph.inputs]) {
      if (input.name !== name && inputs.has(input.name))
        graph.inputToInitializer(input, inputs.get(input.name));
    }
    graph.get(name).shape = inputs.get(name).dims;
    inferShapes(graph);
    const loss = appendLoss(graph, outputs);
    if (!loss) return none("no float output");
    return await compare(graph, loss, name, toNdArray(inputs.get(name)), operator);
  } catch (error) {
    return refusal(error);
  }
}

/** Compares at the stored point and beside it; an input without gradient must not change the loss, or have a reason. */
async function compare(graph, loss, name, array, operator) {
  let found;
  let isInfinite = false;
  for (const point of besides(array)) {
    const feeds = new Map([[name, point]]);
    try {
      const result = await gradcheck(graph, { loss, parameters: [name], samples: 6, feeds });
      if (result.verdict === "right") return passed;
      found = `is off by ${result.largestRelativeError.toPrecision(2)} of it`;
    } catch (error) {
      const hasNoLoss = error.code === "autodiff/loss-not-finite";
      isInfinite ||= hasNoLoss;
      // beside the stored point a Range may have another length, and an Acosh none of its numbers
      if (hasNoLoss || error.code === "graph/shape-mismatch") continue;
      if (error.code !== "autodiff/no-path") throw error;
      try {
        if (isFlat(graph, loss, name, point)) return none("the output does not change with it, or in steps");
        found = "is none, but the output changes";
      } catch (unfit) {
        if (unfit.code === "graph/shape-mismatch") return none("it decides the shape of the output");
        throw unfit;
      }
    }
  }
  if (!found)
    return isInfinite
      ? none("its outputs are infinite")
      : failed(`"${name}" cannot be compared at any point`);
  const setting = found.startsWith("is none") ? settingReason(operator, name) : undefined;
  return setting ? none(setting) : failed(`the gradient of "${name}" ${found}`);
}

/** Whether a loss stays as it is when any of an input's first elements moves a little. */
function isFlat(graph, loss, name, array) {
  const at = (data) => interpret(graph, new Map([[name, { ...array, data }]])).get(loss).data[0];
  const here = at(array.data);
  return [...array.data.slice(0, 6)].every((value, i) => at(array.data.with(i, value + 1e-7)) === here);
}

/** A point, and two beside it, each element moved by another amount; what is infinite or no number is replaced. */
function besides(array) {
  const moved = (by) => ({
    ...array,
    data: array.data.map(
      (x, i) => (Number.isFinite(x) ? x * (1 - by * Math.sin(i + 1) ** 2) : 0.5) + by * Math.cos(i) * 0.7,
    ),
  });
  return [array.data.every(Number.isFinite) ? array : moved(0), moved(0.03), moved(-0.03)];
}

/** A scalar on which every float output depends that is finite and may carry a gradient; its name. */
function appendLoss(graph, stored) {
  const carries = (value) =>
    !value.producer || outputCarries(value.producer, value.producer.outputs.indexOf(value));
  const hasNumbers = ({ name }) =>
    !stored.has(name) || toNdArray(stored.get(name)).data.every(Number.isFinite);
  const floats = graph.outputs.filter((value) => isFloat(value) && value.shape && carries(value));
  const outputs = floats.some(hasNumbers) ? floats.filter(hasNumbers) : floats;
  if (outputs.length === 0) return undefined;
  const g = new GraphBuilder(graph);
  const loss = outputs
    .map((value) => g.cast(weightedSum(g, value, 0), "float64"))
    .reduce((a, b) => g.add(a, b));
  graph.addOutput(loss);
  return loss.name;
}
