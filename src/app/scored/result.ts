import { signTest } from "../../evaluate/compare.ts";
import type { Metrics } from "../../tune/events.ts";
import type { LossOf } from "../judging.ts";
import type { Table } from "../report/report.ts";
import type { RunResult } from "../tune/run-result.ts";

/** What came of tuning a model that is judged by a loss and metrics. */
export interface ScoredResult extends RunResult {
  /** What was minimised. */
  readonly loss: string;
  /** What the loss of held-out examples is, where it is not what was minimised. */
  readonly judged?: string;
  /** Training examples. */
  readonly trained: number;
  /** Held-out examples. */
  readonly examples: number;
  readonly before: Metrics;
  readonly after: Metrics;
  /** Metrics of which more is better. */
  readonly rising: readonly string[];
  readonly shares: readonly string[];
  /** Absent where the loss does not tell examples apart. */
  readonly sign?: SignTest;
  /** Examples with the largest loss after tuning. */
  readonly worst: readonly LossOf[];
  /** Further tables for the report. */
  readonly tables?: readonly Table[];
}

/** How many examples had a smaller, and a larger, loss after than before. */
export interface SignTest {
  readonly better: number;
  readonly worse: number;
  /** Two-sided, exact. */
  readonly pValue: number;
}

/** Losses of examples, where they can be told apart; in the same order before and after. */
export interface ByLoss {
  readonly losses?: readonly LossOf[] | undefined;
}

/** Pairs the losses of the same examples before and after. */
export function signOf(before: ByLoss, after: ByLoss): SignTest | undefined {
  if (!before.losses || !after.losses) return undefined;
  let better = 0;
  let worse = 0;
  after.losses.forEach(({ loss }, i) => {
    const was = before.losses![i]!.loss;
    if (loss < was) better++;
    if (loss > was) worse++;
  });
  return { better, worse, pValue: signTest(worse, better) };
}

/** The examples with the largest losses, worst first. */
export const worstOf = ({ losses }: ByLoss, most = 12): readonly LossOf[] =>
  [...(losses ?? [])].sort((a, b) => b.loss - a.loss).slice(0, most);
