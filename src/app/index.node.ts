import { demo } from "./demo.node.ts";
import { evaluate } from "./evaluate.node.ts";
import { exportModel } from "./export.node.ts";
import { gradcheck } from "./gradcheck.node.ts";
import { inspect } from "./inspect.node.ts";
import { predict } from "./predict.node.ts";
import { push } from "./push.node.ts";
import { report } from "./report.node.ts";
import { runs } from "./runs.node.ts";
import { resume, tune } from "./tune.node.ts";
import type { Verb } from "./verb.ts";

export type { CurvePoint, DemoArmStart, DemoDone, DemoEvent, DemoResult } from "./demo/events.ts";
export type { DemoArm } from "./demo/plan.ts";
export type { DemoOptions } from "./demo.node.ts";
export type { Exported, Quality } from "./export/events.ts";
export type { ExportOptions } from "./export.node.ts";
export type { Gradchecked, GradcheckOptions } from "./gradcheck.node.ts";
export type { Inspected, InspectOptions, PlanCost, Port } from "./inspect.node.ts";
export type {
  EntitiesOf,
  Evaluated,
  EvaluateOptions,
  Generated,
  LossOf,
  Mistaken,
  Nested,
  OutputsOf,
  Predicted,
  PredictOptions,
  Scored,
  Written,
} from "./judging.ts";
export type { Download } from "./opening/located.node.ts";
export type { TaskName } from "./options/common.ts";
export type { TuneOptions } from "./options/tune.ts";
export type { Outline, Positional } from "./outlines.ts";
export type { Note, Progress } from "./progress.ts";
export type { Pushed, PushOptions, Upload } from "./push.node.ts";
export type { ReportOptions, ReportWritten } from "./report.node.ts";
export type { RunRow, RunsOptions } from "./runs.node.ts";
export type { Before, ClassScores, Found, Saved, Scores, TuneVerbEvent } from "./tune/events.ts";
export type { ResumeOptions, TuneInput } from "./tune.node.ts";
export type { Verb, VerbContext, VerbEvent } from "./verb.ts";
export { version } from "./version.ts";
export { demo, evaluate, exportModel, gradcheck, inspect, predict, push, report, resume, runs, tune };

/** Everything a user can do, in the order the help lists it. */
export const verbs = [
  tune,
  resume,
  evaluate,
  predict,
  exportModel,
  inspect,
  gradcheck,
  runs,
  report,
  push,
  demo,
] as unknown as readonly Verb[];
