import { DiapasonError, nearest } from "../base/errors.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { inferNode } from "../graph/infer.ts";
import { cloneAttribute, type Graph, type Value } from "../graph/ir.ts";
import { nameInFile } from "../graph/node-text.ts";
import type { AttachedLoss, ReadArray } from "./declared-loss.ts";
import { addUp, sumsOf } from "./loss-parts.ts";
import { type ArrayInfo, arrayText, described, isReal } from "./target.ts";

/**
 * Appends a loss that is a graph of its own: its inputs are bound by name to outputs and inputs of the model, to arrays of
 * the data, or (`weights`, float32 [batch]) to how much each example counts; its single output is the loss, or the losses
 * [batch, …] of single examples, which are averaged.
 *
 * `model` is changed in place; `loss` is used up. Constants of `loss` are no parameters: they never move.
 * @throws tasks/bad-loss-graph, tasks/unknown-array, tasks/loss-shape
 */
export function attachLossGraph(
  model: Graph,
  loss: Graph,
  arrays: ReadonlyMap<string, ArrayInfo>,
  source: string,
): AttachedLoss {
  const result = resultOf(loss, source);
  const g = new GraphBuilder(model);
  const typed = (value: Value, dtype: Value["dtype"]) => (dtype ? g.cast(value, dtype) : value);
  const bound = new Map<Value, Value>();
  const reads: ReadArray[] = [];
  const outputs: string[] = [];
  let weights: string | undefined;
  for (const input of loss.inputs.filter((value) => !value.constant)) {
    const output = model.outputs.find(({ name }) => name === input.name);
    const own = output ?? model.inputs.find(({ name, constant }) => name === input.name && !constant);
    const array = arrays.get(input.name);
    if (own) {
      const dtype = isReal(own) && isReal(input) ? input.dtype : own.dtype;
      checkSame(input, dtype, own.shape, `the model's ${described(own)}`, source);
      bound.set(input, typed(own, dtype));
      if (output) outputs.push(output.name);
    } else if (array) {
      const dtype = fedAs(input, source);
      checkSame(
        input,
        input.dtype,
        ["batch", ...array.dims],
        `the array ${arrayText(input.name, array)}`,
        source,
      );
      const name = model.freshName(input.name);
      bound.set(input, typed(model.addInput(name, dtype, ["batch", ...array.dims]), input.dtype));
      reads.push({ array: input.name, input: name, dtype });
    } else if (input.name === "weights") {
      const dtype = isReal(input) ? input.dtype : "float32";
      checkSame(input, dtype, ["batch"], "the weights of the examples, float32 [batch]", source);
      weights = model.freshName("weights");
      bound.set(input, typed(model.addInput(weights, "float32", ["batch"]), dtype));
    } else throw unbound(input, model, arrays, source);
  }
  if (outputs.length === 0)
    throw bad(
      source,
      `none of its inputs (${loss.inputs.map(({ name }) => name).join(", ") || "it has none"}) is an output of the model (${model.outputs.map(({ name }) => name).join(", ")})`,
      "Give the loss an input with the name of the output that it judges.",
    );
  const isEach = countsExamples(result, loss);
  if (isEach && weights !== undefined)
    throw bad(
      source,
      `it reads "weights" and gives ${described(result)}: numbers for each example are weighed by Diapason`,
      'Take out its input "weights", or reduce the loss to a scalar.',
    );
  const last = merge(model, loss, bound, result);
  if (!isEach) return { loss: asScalar(model, last), weights, reads, outputs };
  const each = model.addInput(model.freshName("weights"), "float32", ["batch"]);
  const sums = sumsOf(g, { losses: g.cast(last, "float32") }, each);
  return { ...addUp(g, [sums], [1]), weights: each.name, reads, outputs };
}

/** The single output: a float scalar, or floats [batch, …]. */
function resultOf(loss: Graph, source: string): Value {
  const [output, ...others] = loss.outputs;
  const fits = !output?.shape || isOne(output) || countsExamples(output, loss);
  if (output && isReal(output) && others.length === 0 && fits) return output;
  throw bad(
    source,
    `it gives ${loss.outputs.map(described).join(", ") || "nothing"}; expected one number of float32 or float64, or numbers [batch, …]`,
    "Reduce the loss to a scalar, for example with ReduceMean over every axis, or to one number for each example, and make it the only output.",
  );
}

const isOne = ({ shape }: Value): boolean => shape?.every((dim) => dim === 1) ?? false;

/** Losses that nobody has put together yet: `reduction="none"`. An open size of something else is no batch. */
const countsExamples = ({ shape }: Value, { inputs }: Graph): boolean =>
  typeof shape?.[0] === "string" && !inputs.some((input) => input.shape?.slice(1).includes(shape[0]!));

/** The type that an array is fed as; a loss may read floats and whole numbers. */
function fedAs(input: Value, source: string): ReadArray["dtype"] {
  if (isReal(input)) return "float32";
  if (input.dtype === "int64") return input.dtype;
  throw bad(
    source,
    `its input ${described(input)} has a type that arrays are not fed as`,
    "Make the input float32, float64 or int64, and cast it inside the loss.",
  );
}

/** Open sizes of the loss fit anything; numbers must be equal. */
function checkSame(
  input: Value,
  dtype: Value["dtype"],
  shape: Value["shape"],
  what: string,
  source: string,
): void {
  const fits =
    input.dtype === dtype &&
    (!input.shape ||
      !shape ||
      (input.shape.length === shape.length &&
        input.shape.every(
          (dim, i) => typeof dim === "string" || typeof shape[i] === "string" || dim === shape[i],
        )));
  if (fits) return;
  throw new DiapasonError(
    "tasks/loss-shape",
    `The loss "${source}" reads ${described(input)}, and finds ${what}.`,
    "Make the input of the loss of that type and shape, with a symbol for the batch.",
  );
}

function unbound(
  input: Value,
  model: Graph,
  arrays: ReadonlyMap<string, ArrayInfo>,
  source: string,
): DiapasonError {
  const outputs = model.outputs.map(({ name }) => name);
  const near = nearest(input.name, [...outputs, ...arrays.keys()]);
  return new DiapasonError(
    "tasks/unknown-array",
    `The loss "${source}" reads "${input.name}", which is neither an output of the model (${outputs.join(", ")}) nor an array of the data (${[...arrays.keys()].join(", ") || "none"}).`,
    near ? `Rename the input to "${near}" if that is meant.` : "Name the input after an output or an array.",
  );
}

/** Copies the nodes and constants of `loss` into `model`, under new names; the copy of `result`. */
function merge(model: Graph, loss: Graph, bound: ReadonlyMap<Value, Value>, result: Value): Value {
  // Renamed first: bodies of If and Loop find what they read by name.
  const own = [...loss.initializers, ...loss.nodes.flatMap((node) => node.outputs)];
  const taken = (name: string) => model.find(name) !== undefined || loss.find(name) !== undefined;
  const rename = (value: Value, name: string) => {
    let fresh = name;
    for (let i = 1; taken(fresh) && loss.find(fresh) !== value; i++) fresh = `${name}_${i}`;
    loss.rename(value, fresh);
  };
  for (const value of own) if (value) rename(value, `loss.${value.name}`);
  for (const [input] of bound) rename(input, `loss.input.${input.name}`);
  for (const [domain, version] of loss.opsets)
    if (!model.opsets.has(domain)) model.opsets.set(domain, version);
  for (const value of loss.initializers) model.addInitializer(value.name, value.constant!);
  // Bodies read the loss's inputs by their new names, so those exist in the model as well.
  const copies = new Map<Value, Value>();
  for (const [input, target] of bound) {
    const node = model.addNode("Identity", [target], { outputs: [input.name] });
    inferNode(node);
    copies.set(input, node.outputs[0]!);
  }
  // ONNX Runtime wants names of nodes to differ; exporters name them after their operators, in both graphs alike.
  const nodeNames = new Set(model.nodes.map(({ name }) => name));
  const nodeName = (name: string): string =>
    name === "" || !nodeNames.has(name) ? name : nodeName(`loss.${name}`);
  for (const node of loss.nodes) {
    const copy = model.addNode(
      node.op,
      node.inputs.map((input) => input && (copies.get(input) ?? model.get(input.name))),
      {
        domain: node.domain,
        name: nodeName(node.name),
        origin: nameInFile(node),
        outputs: node.outputs.map((output) => output?.name ?? ""),
        attributes: [...node.attributes].map(([key, value]) => [key, cloneAttribute(value, model)] as const),
      },
    );
    inferNode(copy);
  }
  return copies.get(result) ?? model.get(result.name);
}

/** A loss [1] or [1, 1] as a scalar output of the graph, of float32. */
function asScalar(model: Graph, value: Value): string {
  const g = new GraphBuilder(model);
  const scalar = g.cast(value.shape?.length === 0 ? value : g.reshape(value, []), "float32");
  model.addOutput(scalar);
  model.rename(scalar, model.freshName("loss"));
  return scalar.name;
}

const bad = (source: string, why: string, fix: string): DiapasonError =>
  new DiapasonError("tasks/bad-loss-graph", `The loss "${source}" cannot be used: ${why}.`, fix);
