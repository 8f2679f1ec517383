import type { TextOptions, TextShapeName } from "../../data/text/text-dataset.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { PredictSettings } from "../judging.ts";
import type { TaskName } from "../options/common.ts";
import type { RunRecord } from "../report/run-report.ts";
import type { CardFacts, ReportPart, Task } from "../task.ts";
import type { RunResult } from "../tune/run-result.ts";
import type { VerbContext } from "../verb.ts";
import type { EncodedText, JobContext, TextJob } from "./job.ts";

/** What one text task brings to the frame that all of them share. One row a task. */
export interface TextTaskKind<E extends EncodedText, V> {
  readonly name: TaskName;
  /** How rows are read, where not every shape will do. */
  readonly reading: Pick<TextOptions, "shape" | "labels">;
  /** What rows may be: others would be read in part, or not at all. */
  readonly shapes: readonly TextShapeName[];
  /** Whether a text of any length is read, in pieces; else no more than its beginning. */
  readonly readsPieces?: true;
  /** Options of the task beside those that all text tasks take. */
  readonly options: { readonly [W in "tune" | "evaluate" | "predict"]: readonly string[] };
  /** How many tokens of a text the model at a folder reads, where files of the task's own say so. */
  usualTokens?(folder: string): Promise<number | undefined>;
  job(context: JobContext): TextJob<E, V> | Promise<TextJob<E, V>>;
  /** What predicting is, where it is not saying something of each text. */
  predict?(options: PredictSettings, runtime: Runtime, context: VerbContext): ReturnType<Task["predict"]>;
  report(record: RunRecord<RunResult>): ReportPart;
  card(facts: CardFacts<RunResult>): string;
}
