import type { TextTokenizer } from "../../data/text/tokenizer.ts";
import type { Metrics } from "../../tune/events.ts";
import type { LossOf } from "../judging.ts";
import type { Table } from "../report/report.ts";
import { type ScoredResult, signOf, worstOf } from "../scored/result.ts";
import type { RunResult } from "../tune/run-result.ts";
import { readText } from "./excerpt.ts";
import type { EncodedText, TextJob } from "./job.ts";

/** What a model makes of texts: metrics of all of them, and a loss of each. */
export interface TextScores {
  readonly metrics: Metrics;
  readonly losses: readonly LossOf[];
}

interface Telling<V> {
  /** What is minimised, in words. */
  readonly loss: string;
  /** What the loss of an evaluation is, where it is not what is minimised. */
  readonly judged?: string;
  /** Metrics that are shares of 1. */
  readonly shares?: readonly string[];
  readonly scoresOf: (evaluation: V) => TextScores;
  readonly tokenizer: Pick<TextTokenizer, "decode">;
  /** Further tables for the report. */
  readonly tables?: (evaluation: V) => readonly Table[];
  /** What a file of predictions holds; the losses by default. */
  readonly lines?: (evaluation: V) => readonly object[];
}

/** Metrics of which less is better. */
const falling: ReadonlySet<string> = new Set(["loss", "perplexity"]);

/** How an evaluation is told of that consists of metrics and losses: as event, as lines, in the result. */
export const toldByScores = <E extends EncodedText, V>({
  loss,
  judged,
  shares = [],
  scoresOf,
  tokenizer,
  tables,
  lines,
}: Telling<V>): Pick<TextJob<E, V>, "scores" | "judged" | "lines" | "details"> => ({
  scores(evaluation) {
    const { metrics, losses } = scoresOf(evaluation);
    return { examples: losses.length, metrics };
  },
  judged(evaluation, of) {
    const { metrics, losses } = scoresOf(evaluation);
    return { type: "scored", ...of, examples: losses.length, metrics, worst: worstOf({ losses }) };
  },
  lines: (evaluation) => lines?.(evaluation) ?? scoresOf(evaluation).losses,
  details(before, after, { trained, held }) {
    const [was, is] = [scoresOf(before), scoresOf(after)];
    const sign = signOf(was, is);
    const details: Omit<ScoredResult, keyof RunResult> = {
      loss,
      ...(judged !== undefined && { judged }),
      trained: trained.length,
      examples: is.losses.length,
      before: was.metrics,
      after: is.metrics,
      rising: Object.keys(is.metrics).filter((name) => !falling.has(name)),
      shares,
      worst: worstOf(is).map(({ id, loss }) => {
        const example = held.find((one) => one.id === id);
        return { id, loss, ...(example && { text: readText(example, tokenizer) }) };
      }),
      ...(tables && { tables: tables(after) }),
      ...(sign && { sign }),
    };
    return { details, ...(sign && { pValue: sign.pValue }) };
  },
});
