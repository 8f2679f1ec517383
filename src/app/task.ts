import type { Model } from "../models/model.ts";
import type { Executable, Runtime } from "../runtime/runtime.ts";
import type { TrainData } from "../tune/data.ts";
import type { Metrics } from "../tune/events.ts";
import type { GoalMetric, Tunable } from "../tune/options.ts";
import type { Values } from "../tune/run-state.ts";
import type {
  EntitiesOf,
  Evaluated,
  EvaluateSettings,
  Generated,
  OutputsOf,
  Predicted,
  PredictSettings,
  Scored,
  Written,
} from "./judging.ts";
import type { TaskName } from "./options/common.ts";
import type { TuneSettings } from "./options/tune.ts";
import type { Note, Progress } from "./progress.ts";
import type { Report } from "./report/report.ts";
import type { RunRecord } from "./report/run-report.ts";
import type { Found, Scores } from "./tune/events.ts";
import type { RunResult } from "./tune/run-result.ts";
import type { VerbContext } from "./verb.ts";

/**
 * What a task brings to the verbs: how its data and models are opened, what is trained and judged, what is said of it.
 * One row a task in `tasks.node.ts`; nothing else knows which tasks there are.
 */
export interface Task<R extends RunResult = RunResult> {
  readonly name: TaskName;
  /** Options of a verb that not every task takes, and this one does. */
  readonly options: { readonly [V in "tune" | "evaluate" | "predict"]: readonly string[] };
  /** Opens and checks model and data of a tuning; writes nothing. */
  prepare(options: TuneSettings, runtime: Runtime, startOf: StartOf): Promise<TaskRun>;
  evaluate(
    options: EvaluateSettings,
    runtime: Runtime,
    context: VerbContext,
  ): AsyncGenerator<Note | Progress | Evaluated | Scored, void>;
  predict(
    options: PredictSettings,
    runtime: Runtime,
    context: VerbContext,
  ): AsyncGenerator<Note | Progress | Predicted | EntitiesOf | Generated | OutputsOf | Written, void>;
  /** What a report shows of a run beside what all runs have. */
  report(record: RunRecord<R>): ReportPart;
  /** The model card, README.md. */
  card(facts: CardFacts<R>): string;
}

/** What a run begins with, of the model that it opened: the same, or that with the adapter that is tuned on. */
export type StartOf = (model: Model) => Promise<Model>;

/** A tuning of one task, opened: what the verb `tune` asks of it. */
export interface TaskRun {
  /** The network as it is tuned, with the head it needs. */
  readonly model: Model;
  /** Learning rate where everything moves, where the usual one does not suit. */
  readonly learningRate?: number;
  /** Whether the head is new and guesses. */
  readonly isFreshHead: boolean;
  readonly data: Found["data"];
  /** Examples of an epoch as the loop takes them: of packed texts, packs. */
  readonly size: number;
  /** What was found or inferred that the user may want to know. */
  readonly notes: readonly string[];
  /** What was looked at because it would go wrong in silence. */
  readonly checks?: Found["checks"];
  /**
   * What an example's loss depends on beside the example itself, if on the others of its batch: so that a step over several
   * batches is not that over all their examples. "": on nothing; absent: that is not known.
   */
  readonly batchBound?: string;
  /** What running the network over the examples costs, in one unit for both; default: how many there are. */
  readonly effort?: { readonly train: number; readonly proof: number };
  /** Bytes of examples that are kept in memory. */
  readonly keptBytes: number;
  /** What makes an evaluation the best. */
  readonly goal: GoalMetric & { readonly tie?: GoalMetric };
  /** The split that proves the result: test where there is one, else validation. */
  readonly proof: "test" | "validation";
  /** `model` with its loss, and what it is trained on. */
  training(model: Model): { readonly tunable: Tunable; readonly data: TrainData };
  /** Metrics on the validation examples, of a compiled graph that has the inputs and outputs of `training`'s. */
  validate(executable: Executable): Promise<Metrics>;
  /** Judges a model on the split that proves the result. */
  judge(model: Model): Promise<Judged>;
  /** The model to be saved, with the values that training gave; the given one is left as it is. */
  tuned(model: Model, values: Values): { readonly judged: Model; readonly saved: Model };
  /** How the model's folder is written, and which files come beside the weights. */
  readonly saving: { readonly keepNames: boolean; more(folder: string): Promise<void> };
  close(): Promise<void>;
}

/** A model's scores before training. */
export interface Judged {
  readonly scores: Scores;
  /** What running the model over the examples took, without compiling it. */
  readonly seconds: number;
  /** Judges the tuned model on the same examples, and says what changed. */
  against(tuned: Model): Promise<Proof>;
}

export interface Proof {
  readonly after: Scores;
  /** Two-sided, of before against after; absent where examples cannot be told apart. */
  readonly pValue?: number;
  /** What result.json keeps for report and card, beside what every run has. */
  readonly details: object;
  /** What the user may want to know of the result, beside what was measured. */
  readonly notes?: readonly string[];
}

/** What a task adds to a report. */
export interface ReportPart
  extends Pick<
    Report,
    | "lead"
    | "headline"
    | "charts"
    | "classes"
    | "confusion"
    | "confusionOf"
    | "perClass"
    | "mistakes"
    | "tables"
  > {
  readonly loss: { readonly note: string; readonly unit: string };
}

export interface CardFacts<R extends RunResult = RunResult> {
  /** Name of the model, for the title. */
  readonly name: string;
  readonly result: R;
  readonly recipe: Readonly<Record<string, unknown>>;
}
