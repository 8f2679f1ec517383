import type { Plan } from "../../tune/plan.ts";
import type { TaskName } from "../options/common.ts";

/**
 * What came of a run, kept as result.json in its folder: all that a report needs besides recipe, run.json and events.
 * A task adds what it alone has.
 */
export interface RunResult {
  readonly task: TaskName;
  readonly model: string;
  readonly data: string;
  readonly origin: string;
  readonly split: string;
  /** Names of the blocks, from the input to the head. */
  readonly blocks: readonly string[];
  readonly plan: Plan;
  readonly isFreshHead: boolean;
  readonly trainedSeconds: number;
  readonly steps: number;
  readonly peakMemory: number;
  readonly notes: readonly string[];
}
