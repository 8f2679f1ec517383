import { dirname, join } from "node:path";
import { parametersInSteps } from "../../autodiff/path.ts";
import { DiapasonError } from "../../base/errors.ts";
import type { FedColumn } from "../../data/array-batches.node.ts";
import type { ArraySet } from "../../data/array-set.ts";
import { loadOnnx } from "../../formats/onnx/file.node.ts";
import { forgetShapes, inferShapes } from "../../graph/infer.ts";
import type { Graph, Value } from "../../graph/ir.ts";
import { batchFirst } from "../../graph/passes/batch-first.ts";
import { removeDead } from "../../graph/passes/remove-dead.ts";
import { seedDraws } from "../../graph/passes/seed-draws.ts";
import { takeBranches } from "../../graph/passes/take-branches.ts";
import { describeModel } from "../../models/describe.ts";
import { loadModel } from "../../models/load.node.ts";
import type { Model } from "../../models/model.ts";
import { prepareGraph } from "../../models/prepare.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { bindInputs, fixInputs, parseFixed, readInputs } from "../../tasks/bind-inputs.ts";
import { type AttachedLoss, attachDeclaredLoss, parseLoss } from "../../tasks/declared-loss.ts";
import { type DeclaredMetric, parseMetrics, resolveMetrics } from "../../tasks/declared-metrics.ts";
import { attachLossGraph } from "../../tasks/loss-graph.ts";
import { type ArrayInfo, described, findOutput } from "../../tasks/target.ts";
import { learnShapesOrSay } from "../opening/learn-shapes.ts";
import { columnOf } from "./fed-columns.ts";
import { type CustomSettings, fixedOf, isLossFile, settingsOf } from "./settings.ts";

interface Given {
  readonly loss?: string | undefined;
  readonly metric?: readonly string[] | undefined;
  readonly fix?: readonly string[] | undefined;
  /** What the numbers follow that the graph draws. */
  readonly seed?: number | undefined;
}

/** A graph with its declared loss, at the sizes of the data. */
export interface CustomModel {
  readonly settings: CustomSettings;
  /** The graph as it was, with every output and input: what is saved. */
  readonly source: Model;
  /** What is tuned: only what the loss and the metrics need, with the data's sizes and fixed inputs in place. */
  readonly model: Model;
  /** Appends the loss to a graph that has the model's inputs and outputs. */
  attach(graph: Graph): AttachedLoss;
  readonly attached: AttachedLoss;
  readonly metrics: readonly DeclaredMetric[];
  /** Every array that is fed or compared. */
  readonly columns: readonly FedColumn[];
  readonly notes: readonly string[];
}

/**
 * Opens a graph, binds its inputs to arrays by name, and attaches its loss.
 *
 * `file`: an ONNX file that computes in place of the model's own.
 * @throws app/no-loss, tasks/…, models/no-parameters, and what loading throws.
 */
export async function openCustom(
  path: string,
  given: Given,
  data: ArraySet,
  runtime: Runtime,
  file?: string,
): Promise<CustomModel> {
  const loaded = await loadModel(path, { whole: true, file });
  const asked = settingsOf(given, loaded, (name) => join(folderOf(path), name));
  const { source, fix } = withBranches(loaded, asked.fix);
  const settings = { ...asked, fix };
  const arrays = infosOf(data);
  const metricTexts = parseMetrics(settings.metric);
  const loss = isLossFile(settings.loss)
    ? await openLossGraph(settings.loss, runtime)
    : { terms: parseLoss(settings.loss) };
  const outputs = new Set(
    "terms" in loss
      ? [...loss.terms, ...metricTexts].map((one) => findOutput(source.graph, one).name)
      : [
          ...loss.graph.inputs.map(({ name }) => name),
          ...metricTexts.map((one) => findOutput(source.graph, one).name),
        ],
  );
  // A loss graph that reads none of the model's outputs is refused here, by what it reads.
  if ("graph" in loss && !source.graph.outputs.some(({ name }) => outputs.has(name)))
    attachLossGraph(source.graph.clone(), loss.graph.clone(), arrays, settings.loss);
  const { graph, fed, notes, draws } = await atSizes(
    source,
    outputs,
    settings.fix,
    arrays,
    runtime,
    given.seed,
  );
  if (draws.length > 0)
    notes.push(
      `The graph draws random numbers (${draws.join(", ")}). They follow the seed; a run that was stopped and resumed draws others than one that was not.`,
    );
  const attach = (target: Graph) =>
    "terms" in loss
      ? attachDeclaredLoss(target, loss.terms, arrays)
      : attachLossGraph(target, loss.graph.clone(), arrays, settings.loss);
  const attached = attach(graph.clone());
  const metrics = resolveMetrics(graph, metricTexts, arrays);
  const described = describeModel({
    graph,
    inputName: fed[0]!.name,
    outputs: attached.outputs,
    labels: undefined,
    notes: [],
    config: source.config,
    source: path,
    transposed: source.transposed,
  });
  const model = withoutSteps(withoutMade(described, source), attach);
  const columns: FedColumn[] = [
    ...fed.map(columnOf),
    ...attached.reads.map(({ array, ...read }) => ({ array, ...read })),
    ...metrics.flatMap(({ target, mask }) => (mask ? [target, mask] : [target])),
  ];
  const ownWeights = arrays.get("weights");
  if (attached.weights !== undefined && ownWeights?.dims.length === 0)
    columns.push({
      array: "weights",
      input: attached.weights,
      dtype: "float32",
      allowed: { from: 0, to: Number.MAX_VALUE, what: "how much an example counts" },
    });
  const used = new Set(columns.map(({ array }) => array));
  const unused = [...arrays.keys()].filter((name) => !used.has(name));
  if (unused.length > 0)
    notes.push(`The data hold arrays that neither the model nor the loss reads: ${unused.join(", ")}.`);
  return {
    settings,
    source,
    model,
    attach,
    attached,
    metrics,
    columns,
    notes: [...new Set([...source.notes, ...notes, ...model.notes])],
  };
}

/** The model without the constants that binding made: a number that an input is fixed to is no parameter. */
function withoutMade(model: Model, { graph }: Model): Model {
  const isOwn = (name: string) => graph.find(name)?.constant !== undefined;
  return {
    ...model,
    parameters: model.parameters.filter(({ name }) => isOwn(name)),
    blocks: model.blocks
      .map((block) => ({ ...block, parameters: block.parameters.filter(isOwn) }))
      .filter(({ parameters }) => parameters.length > 0),
  };
}

/** The model without the parameters on which the loss depends in steps alone, which no gradient reaches. */
function withoutSteps(model: Model, attach: (graph: Graph) => AttachedLoss): Model {
  const graph = model.graph.clone();
  const names = model.parameters.map(({ name }) => name);
  const still = new Set(parametersInSteps(graph, attach(graph).loss, names));
  if (still.size === 0) return model;
  const few = [...still].slice(0, 5).join(", ");
  const others = still.size > 5 ? ` and ${still.size - 5} more` : "";
  return {
    ...model,
    parameters: model.parameters.filter(({ name }) => !still.has(name)),
    blocks: model.blocks
      .map((block) => ({ ...block, parameters: block.parameters.filter((name) => !still.has(name)) }))
      .filter(({ parameters }) => parameters.length > 0),
    notes: [
      ...model.notes,
      `The loss depends on ${few}${others} in steps alone (by rounding, counting or comparing); they stay as they are.`,
    ],
  };
}

/** Opens a graph to be run as it is: no loss. `outputs`: names of those wanted; undefined for all that count examples. */
export async function openForOutputs(
  path: string,
  given: Given & { readonly outputs?: readonly string[] | undefined },
  data: ArraySet,
  runtime: Runtime,
  file?: string,
): Promise<{
  readonly graph: Graph;
  readonly outputs: readonly string[];
  readonly columns: readonly FedColumn[];
  readonly notes: readonly string[];
}> {
  const loaded = await loadModel(path, { whole: true, file });
  const { source, fix } = withBranches(loaded, fixedOf(given, loaded));
  const wanted = given.outputs?.map((output) => findOutput(source.graph, { text: output, output }).name);
  const names = new Set(wanted ?? source.graph.outputs.map(({ name }) => name));
  const { graph, fed, notes } = await atSizes(source, names, fix, infosOf(data), runtime);
  const counted = (value: Value) => value.shape?.[0] === "batch";
  const odd = graph.outputs.find((value) => wanted && !counted(value));
  if (odd)
    throw new DiapasonError(
      "tasks/bad-output",
      `The output ${described(odd)} does not count examples on its first axis.`,
      "Name an output that does.",
    );
  const outputs = graph.outputs.filter(counted).map(({ name }) => name);
  for (const output of [...graph.outputs]) if (!counted(output)) graph.removeOutput(output);
  if (outputs.length === 0)
    throw new DiapasonError(
      "tasks/bad-output",
      `No output counts examples on its first axis: ${source.graph.outputs.map(described).join(", ")}.`,
      "Use a graph whose outputs are [batch, …].",
    );
  return { graph, outputs, columns: fed.map(columnOf), notes: [...source.notes, ...notes] };
}

const folderOf = (path: string): string => (/\.onnx$/i.test(path) ? dirname(path) : path);

/** Name, type and sizes of one example of each array. */
export const infosOf = ({ arrays }: ArraySet): ReadonlyMap<string, ArrayInfo> =>
  new Map([...arrays].map(([name, { dtype, dims }]) => [name, { dtype, dims: dims.slice(1) }]));

async function openLossGraph(path: string, runtime: Runtime): Promise<{ readonly graph: Graph }> {
  const graph = await loadOnnx(path);
  await prepareGraph(graph, undefined, { whole: true });
  // Shapes are known where the loss is bound to the model; only its own are learnt here, where it can be run alone.
  await learnShapesOrSay(graph, runtime);
  return { graph };
}

/**
 * The model with the branches taken of Ifs that constants and fixed inputs decide: weights inside an If cannot move. The
 * fixed inputs are gone; `fix` are the others. Without such an If: the model as it is.
 */
function withBranches(
  loaded: Model,
  fix: readonly string[],
): { readonly source: Model; readonly fix: readonly string[] } {
  const graph = loaded.graph.clone();
  const isScalar = ({ shape }: Value) => shape?.every((dim) => dim === 1) ?? false;
  const scalars = new Set(graph.inputs.filter(isScalar).map(({ name }) => name));
  const fixed = parseFixed(fix);
  fixInputs(graph, new Map([...fixed].filter(([name]) => scalars.has(name))));
  const taken = takeBranches(graph);
  const [first] = readInputs(graph);
  if (taken === 0 || !first) return { source: loaded, fix };
  const gone = loaded.graph.inputs.filter(({ name }) => !graph.inputs.some((input) => input.name === name));
  const names = gone.map(({ name }) => name);
  const note = `${taken} If ${taken === 1 ? "has" : "have"} a constant condition; the tuned graph holds the branch taken in its place${names.length > 0 ? `, and no input ${names.join(", ")}` : ""}.`;
  const outputs = graph.outputs.map(({ name }) => name);
  const source = describeModel({
    ...loaded,
    graph,
    inputName: first.name,
    outputs,
    notes: [...loaded.notes, note],
  });
  const rest = fix.filter((text) => !names.some((name) => text.startsWith(`${name}=`)));
  return { source, fix: rest };
}

/** A copy of the graph up to some outputs, with fixed inputs in place and the sizes that the arrays have. */
async function atSizes(
  { graph: whole }: Model,
  outputs: ReadonlySet<string>,
  fix: readonly string[],
  arrays: ReadonlyMap<string, ArrayInfo>,
  runtime: Runtime,
  seed = 0,
): Promise<{
  readonly graph: Graph;
  readonly fed: readonly Value[];
  readonly notes: string[];
  /** The operators that draw random numbers. */
  readonly draws: readonly string[];
}> {
  const graph = whole.clone();
  for (const output of [...graph.outputs]) if (!outputs.has(output.name)) graph.removeOutput(output);
  // Values inside the graph may be compared as well.
  for (const name of outputs) {
    const inner = graph.find(name);
    if (inner?.producer && !graph.outputs.includes(inner)) graph.addOutput(inner);
  }
  removeDead(graph);
  batchFirst(graph);
  fixInputs(graph, parseFixed(fix));
  const bound = bindInputs(graph, arrays);
  if (bound.length === 0)
    throw new DiapasonError(
      "tasks/bad-output",
      `Nothing of the data reaches "${graph.outputs.map(({ name }) => name).join('", "')}": no input that is not fixed.`,
      "Name an output that depends on an input.",
    );
  forgetShapes(graph);
  // With the sizes known more branches may be decided: exports ask for the rank of what they are given.
  takeBranches(graph);
  inferShapes(graph);
  const fed = readInputs(graph);
  for (const input of [...graph.inputs])
    if (!fed.includes(input) && !graph.outputs.includes(input)) graph.removeValue(input);
  const notes = [...(await learnShapesOrSay(graph, runtime))];
  // Of outputs the place of the batch may be known only now.
  batchFirst(graph);
  const open = graph.outputs.find(({ shape, opaqueType }) => !shape && !opaqueType);
  if (open && notes[0])
    throw new DiapasonError(
      "tasks/bad-output",
      `The sizes of the output "${open.name}" are not known. ${notes[0]}`,
      "Name an output that is computed before that, or export the model without what stands in the way.",
    );
  return { graph, fed, notes, draws: seedDraws(graph, seed) };
}
