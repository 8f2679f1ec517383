import { DiapasonError } from "../../base/errors.ts";
import { dropNothing } from "../../graph/dropout-input.ts";
import { removeDead } from "../../graph/passes/remove-dead.ts";
import type { AdaptedModel } from "../../models/adapters/adapted.ts";
import { attachAdapter } from "../../models/adapters/attach.ts";
import { freezeWeights } from "../../models/adapters/freeze-weights.ts";
import { mergeAdapter } from "../../models/adapters/merge.ts";
import { adapterMethods } from "../../models/adapters/methods.ts";
import type { ModulePattern } from "../../models/adapters/spec.ts";
import type { Model } from "../../models/model.ts";
import { probeInputs, probeLengths } from "../../runtime/probe-inputs.ts";
import type { HostTensor, Runtime } from "../../runtime/runtime.ts";
import { withValues } from "../../tune/program.ts";
import type { Values } from "../../tune/run-state.ts";
import { percent } from "../numbers.ts";
import type { TuneSettings } from "../options/tune.ts";

/** A model as it is tuned by an adapter. */
export interface AdapterTuning {
  readonly adapted: AdaptedModel;
  /** The same as it is trained: with its frozen weights in few bits, where that was asked for. */
  readonly trained: AdaptedModel;
  /** What the run begins with, where that is not the model as it was opened: one that an adapter is on already. */
  readonly start?: Model;
  /** Rates unless others were asked for. */
  readonly learningRate: number;
  readonly headLearningRate: number;
  readonly notes: readonly string[];
}

/** Highest rate while only the head moves, with AdamW. */
const headLearningRate = 1e-3;

/** Puts the adapter that the options ask for on a model. @throws models/bad-adapter */
export function adapterTuning(model: Model, options: TuneSettings): AdapterTuning | undefined {
  const { adapter: method, rank, alpha, adapterDropout: dropout, seed, frozenWeights } = options;
  if (method === "none") {
    if (frozenWeights !== "float32")
      throw new DiapasonError(
        "app/bad-option",
        `"frozenWeights" is ${frozenWeights}, and without an adapter weights are not frozen.`,
        "Name an adapter, such as lora, or leave frozenWeights out.",
      );
    return undefined;
  }
  const targetModules = patternOf(options.targetModules);
  const adapted = attachAdapter(model, { method, rank, alpha, dropout, seed, targetModules });
  return tuningOf(adapted, options);
}

/** An adapter that is on its model, as it is tuned. */
export function tuningOf(adapted: AdaptedModel, options: TuneSettings): AdapterTuning {
  const { frozenWeights } = options;
  const { adapter, parameters } = adapted;
  const model = adapter.base;
  const row = adapterMethods[adapter.method];
  const count = (list: Model["parameters"]) => list.reduce((sum, { elements }) => sum + elements, 0);
  const share = percent(count(parameters) / count(model.parameters));
  const size = row.targets === "lora" && row.layers ? ` (rank ${adapter.rank}, alpha ${adapter.alpha})` : "";
  const where = row.layers
    ? `${adapter.layers.length} layers`
    : `${adapter.biases.length} vectors that are added`;
  const rate = options.learningRate ?? row.learningRate;
  const about = options.learningRate === undefined ? ", about ten times that of tuning every weight" : "";
  return {
    adapted,
    trained: freezeWeights(adapted, frozenWeights),
    learningRate: row.learningRate,
    headLearningRate,
    notes: [
      `${row.title}${size} on ${where}: ${share} of the model's size moves. Learning rate ${rate}${about}.`,
      ...(frozenWeights === "float32"
        ? []
        : [
            `Frozen weights are held as ${frozenWeights} while training; what is saved and judged is float32.`,
          ]),
    ],
  };
}

/** One item that no name could be is an expression, or the word for all linear layers. */
function patternOf(modules: readonly string[] | undefined): ModulePattern | undefined {
  const [only] = modules ?? [];
  return modules?.length === 1 && (only === "all-linear" || /[\\^$*+?()[\]{}|]/.test(only!)) ? only : modules;
}

/** What rounding in float32 explains, of the largest number in an output. */
const mergeTolerance = 1e-3;

/** Runs a model with its adapter and merged, on made-up inputs, and says whether they give the same. */
export async function mergeNotes(
  { adapted }: Pick<AdapterTuning, "adapted">,
  values: Values,
  runtime: Runtime,
): Promise<readonly string[]> {
  const graphs = [withValues(adapted.graph, values), mergeAdapter(adapted, values).graph] as const;
  for (const graph of graphs) {
    dropNothing(graph);
    removeDead(graph);
  }
  const difference = await largestDifference(...graphs, runtime);
  if (difference === undefined)
    return ["Whether the merged model gives what it gave with its adapter could not be tried."];
  const size = `${difference.toPrecision(2)} of the largest number`;
  return difference <= mergeTolerance
    ? [`The adapter is merged into the weights: outputs differ by ${size} at most.`]
    : [
        `Merging the adapter changed the outputs by ${size}, more than rounding does: compare both before you use the merged weights.`,
      ];
}

/** Of the outputs of two graphs with the same ports, on inputs that fit them. */
async function largestDifference(
  one: Model["graph"],
  other: Model["graph"],
  runtime: Runtime,
): Promise<number | undefined> {
  for (const length of probeLengths) {
    const { feeds, unfit } = probeInputs(other, { batch: 2, isLarger: false, length, known: {} });
    if (unfit) return undefined;
    const a = await outputsOf(one, feeds, runtime);
    const b = a && (await outputsOf(other, feeds, runtime));
    if (b) return differenceOf(a, b);
  }
  return undefined;
}

type Outputs = Readonly<Record<string, HostTensor>>;

/** What a graph gives; undefined where it cannot run at these sizes. */
async function outputsOf(
  graph: Model["graph"],
  feeds: Readonly<Record<string, HostTensor>>,
  runtime: Runtime,
): Promise<Outputs | undefined> {
  const executable = await runtime.compile(graph);
  try {
    return await executable.run(feeds).catch(() => undefined);
  } finally {
    await executable.dispose();
  }
}

function differenceOf(a: Outputs, b: Outputs): number {
  let worst = 0;
  for (const [name, { data, dtype }] of Object.entries(a)) {
    const other = b[name]?.data;
    if (dtype !== "float32" || !other) continue;
    let largest = 1e-6;
    let difference = 0;
    for (const [i, value] of (data as Float32Array).entries()) {
      largest = Math.max(largest, Math.abs(value));
      difference = Math.max(difference, Math.abs(value - (other as Float32Array)[i]!));
    }
    worst = Math.max(worst, difference / largest);
  }
  return worst;
}
