import { DiapasonError } from "../base/errors.ts";
import type { Graph } from "../graph/ir.ts";
import type { Block, Parameter } from "../models/model.ts";
import type { Executable, OptimizerKind, Runtime } from "../runtime/runtime.ts";
import type { RunRecord } from "./checkpoint.ts";
import type { TrainData } from "./data.ts";
import type { Metrics } from "./events.ts";
import type { Plan } from "./plan.ts";

/** A graph that ends in a loss, and what is known about its parameters. Its batch dim is the symbol "batch". */
export interface Tunable {
  readonly graph: Graph;
  /**
   * The scalar output to minimise: a mean over the examples, weighted by the input `weights` [batch] where the graph has
   * one. The loop fills up a short last batch with examples of weight 0.
   */
  readonly loss: string;
  /** Name of the input that says how much each example counts. Default "weights". */
  readonly weights?: string;
  /**
   * Name of the scalar input that the loss is multiplied by, where it is a sum rather than a mean. The loop feeds one over
   * what the batches of a step count together, so that a step over several batches is the step over all of their examples,
   * however unevenly their tokens are spread.
   */
  readonly scale?: string;
  /** Outputs that an evaluation reads; the loss and its inputs are not part of evaluation. */
  readonly outputs: readonly string[];
  readonly parameters: readonly Parameter[];
  /** From the input to the head. */
  readonly blocks: readonly Block[];
}

export interface EarlyStopping {
  /** Evaluations without a better one after which a stage ends. */
  readonly patience: number;
  /** Smallest improvement that counts. Default 0. */
  readonly minDelta?: number;
}

/** A metric by name, and which direction is better. */
export interface GoalMetric {
  readonly name: string;
  readonly mode: "max" | "min";
}

export interface TuneLoopOptions {
  readonly model: Tunable;
  readonly plan: Plan;
  readonly data: TrainData;
  readonly runtime: Runtime;
  readonly seed: number;
  readonly batchSize: number;
  /** Batches whose gradients are averaged in one step, each batch alike. Default 1. */
  readonly accumulate?: number;
  /** Default AdamW (0.9, 0.999, 1e-8). */
  readonly optimizer?: OptimizerKind;
  /** Of parameters that decay (matrices and kernels). Default 0. */
  readonly weightDecay?: number;
  readonly clipNorm?: number;
  /**
   * Metrics of the model as it stands, on whatever the caller holds back for it. The executable gives
   * `Tunable.outputs` for any batch size, without dropout; the loop disposes of it.
   */
  readonly evaluate?: (executable: Executable) => Promise<Metrics>;
  /** Optimizer steps between evaluations; default: at the end of each epoch. The end of a stage always evaluates. */
  readonly evaluateEvery?: number;
  /** What makes an evaluation the best; among equals `tie` decides. Default: the first metric's name, "max". */
  readonly metric?: GoalMetric & { readonly tie?: GoalMetric };
  /** Whether the best evaluation's weights are the result, rather than the last ones. Default true. */
  readonly restoreBest?: boolean;
  readonly earlyStopping?: EarlyStopping;
  readonly maxSteps?: number;
  /** Training ends with the first step after so many seconds in the loop. */
  readonly maxSeconds?: number;
  /** Where events and checkpoints are kept; with one that holds a checkpoint the run goes on from there. */
  readonly record?: RunRecord;
  /** Optimizer steps between checkpoints; default: at the end of each epoch. Best evaluations are always kept. */
  readonly checkpointEvery?: number;
  /** Aborted: the step is finished, a checkpoint written, and the run ends as "stopped". */
  readonly signal?: AbortSignal;
}

export const adamw = {
  kind: "adamw",
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
} as const satisfies OptimizerKind;

/** What of the options decides the weights: a run is resumed only with the same. */
export function settingsOf(options: TuneLoopOptions): Readonly<Record<string, unknown>> {
  const { plan, seed, batchSize, clipNorm, evaluateEvery, earlyStopping, metric, data } = options;
  const { accumulate = 1, optimizer = adamw, weightDecay = 0 } = options;
  const when = { evaluateEvery, earlyStopping, metric, examples: data.size };
  const step = { plan, seed, batchSize, accumulate, optimizer, weightDecay, clipNorm };
  return JSON.parse(JSON.stringify({ ...step, ...when })) as Record<string, unknown>;
}

/** @throws tune/bad-option */
export function checkOptions(options: TuneLoopOptions): void {
  const count = (name: string, value: number | undefined) => {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1))
      throw badOption(`${name} is ${value}`, "Give a whole number, 1 or more");
  };
  const positive = (name: string, value: number | undefined) => {
    if (value !== undefined && !(value > 0)) throw badOption(`${name} is ${value}`, "Give a number above 0");
  };
  for (const name of ["batchSize", "accumulate", "evaluateEvery", "maxSteps", "checkpointEvery"] as const)
    count(name, options[name]);
  count("earlyStopping.patience", options.earlyStopping?.patience);
  positive("clipNorm", options.clipNorm);
  positive("maxSeconds", options.maxSeconds);
  if (options.data.size === 0) throw badOption("The training data hold no example", "Give at least one");
  if (options.plan.stages.length === 0) throw badOption("The plan has no stage", "Give it at least one");
  if (options.earlyStopping && !options.evaluate)
    throw badOption("Early stopping is asked for without `evaluate`", "Give the loop something to evaluate");
}

const badOption = (found: string, fix: string) =>
  new DiapasonError("tune/bad-option", `${found}.`, `${fix}.`);
