import { DiapasonError } from "../../base/errors.ts";
import { cutWindows, packExamples } from "../../data/text/pack-examples.ts";
import { type Int64Rows, ignored, type TokenExample } from "../../data/text/text-batches.ts";
import type { TextRow } from "../../data/text/text-dataset.ts";
import { GraphBuilder } from "../../graph/builder.ts";
import { addWeightedLoss, tokenCrossEntropy } from "../../tasks/weighted-loss.ts";
import type { RunResult } from "../run-result.ts";
import { type ScoredResult, signOf, worstOf } from "../scored/result.ts";
import type { EncodedText, JobContext, TextJob } from "./job.ts";
import { languageTokens } from "./language-tokens.ts";

/** Tokens in a row, each of which is to be told from those before it unless its label says otherwise. */
export interface LanguageExample extends EncodedText {
  readonly labels: Int32Array;
}

/** What a language model makes of texts. */
export interface LanguageEvaluation {
  /** Mean over all tokens that have a label, in nats. */
  readonly loss: number;
  /** Mean of each row. */
  readonly losses: readonly { readonly id: string; readonly loss: number }[];
}

const labelsInput = "labels";
const sums = "loss_sums";

/** Tokens of an example that are told from others: the first of a row is told from nothing. */
const countOf = ({ labels }: LanguageExample): number =>
  labels.subarray(1).reduce((n, label) => n + (label === ignored ? 0 : 1), 0);

/** The next token, over plain text, prompts with completions, or conversations. */
export function languageJob(context: JobContext): TextJob<LanguageExample, LanguageEvaluation> {
  const { labelSmoothing } = context;
  const metricsOf = ({ loss }: LanguageEvaluation) => ({ perplexity: Math.exp(loss), loss });
  return {
    head: "causal-lm",
    labels: undefined,
    network: { positions: "given", segments: true },
    config: {},
    encode: (rows) => encodeRows(context, rows),
    encodeUnlabelled: (rows) => encodeRows(context, rows),
    attach(graph, model) {
      const g = new GraphBuilder(graph);
      const logits = graph.get(model.output.name);
      const labels = graph.addInput(labelsInput, "int64", logits.shape!.slice(0, -1));
      const attached = addWeightedLoss(graph, tokenCrossEntropy(g, logits, labels, labelSmoothing));
      const perExample = graph.get(attached.perExample);
      graph.rename(perExample, sums);
      graph.addOutput(perExample);
      return { ...attached, perExample: sums, outputs: [sums] };
    },
    targets: ({ labels }) => (labels ? { [labelsInput]: shifted(labels) } : {}),
    countOf,
    goal: { name: "perplexity", mode: "min" },
    judge() {
      const losses: { id: string; loss: number }[] = [];
      let total = 0;
      let tokens = 0;
      return {
        add({ examples }, outputs) {
          const found = outputs[sums]!.data as Float32Array;
          examples.forEach((example, i) => {
            const count = countOf(example);
            total += found[i]!;
            tokens += count;
            losses.push({ id: example.id, loss: found[i]! / Math.max(1, count) });
          });
        },
        finish: () => ({ loss: total / Math.max(1, tokens), losses }),
      };
    },
    scores: (evaluation) => ({ examples: evaluation.losses.length, metrics: metricsOf(evaluation) }),
    judged: (evaluation, of) => ({
      type: "scored",
      ...of,
      examples: evaluation.losses.length,
      metrics: metricsOf(evaluation),
      worst: worstOf(evaluation),
    }),
    lines: ({ losses }) => losses,
    say: () => [],
    checks: (examples) => checksOf(context, examples),
    details(before, after, { trained }) {
      const sign = signOf(before, after);
      const details: Omit<ScoredResult, keyof RunResult> = {
        loss: "cross-entropy of the next token",
        trained: trained.length,
        examples: after.losses.length,
        before: metricsOf(before),
        after: metricsOf(after),
        rising: [],
        shares: [],
        worst: worstOf(after),
        ...(sign && { sign }),
      };
      return { details, ...(sign && { pValue: sign.pValue }) };
    },
  };
}

/** Labels one place to the left, so that each lies where it is to be told: label t + 1 at token t. */
function shifted({ dims, data }: Int64Rows): Int64Rows {
  const width = dims[1]!;
  const moved = data.slice();
  moved.copyWithin(0, 1);
  for (let end = width - 1; end < moved.length; end += width) moved[end] = BigInt(ignored);
  return { dtype: "int64", dims, data: moved };
}

/** Rows as tokens, long ones cut into windows, short ones put together in rows. */
async function encodeRows(context: JobContext, rows: readonly TextRow[]): Promise<LanguageExample[]> {
  const { maxTokens } = context;
  if (rows.length === 0) return [];
  const windows: TokenExample[] = [];
  for (const tokens of await languageTokens(context.tokenizer, rows)) {
    if (tokens.ids.length <= maxTokens) windows.push(tokens);
    else if (tokens.labels) windows.push({ ...cut(tokens, maxTokens), isTruncated: true } as LanguageExample);
    else windows.push(...cutWindows(tokens.id, tokens.ids, { length: maxTokens }));
  }
  const usable = windows.filter(({ ids }) => ids.length > 1);
  if (usable.length === 0)
    throw new DiapasonError(
      "data/no-text",
      `The ${rows.length} rows from ${rows[0]!.id} on hold no two tokens in a row.`,
      "Give texts of more than one token.",
    );
  return packExamples(usable, maxTokens).map((example) => ({
    isTruncated: false,
    ...example,
    labels: example.labels ?? example.ids,
  }));
}

const cut = ({ id, ids, labels }: TokenExample, length: number): TokenExample => ({
  id,
  ids: ids.slice(0, length),
  ...(labels && { labels: labels.slice(0, length) }),
});

/** How much carries loss, and whether the end of a text is learnt. */
function checksOf({ tokenizer }: JobContext, examples: readonly LanguageExample[]) {
  const eos = tokenizer.special.eos;
  const tokens = examples.reduce((sum, { ids }) => sum + ids.length, 0);
  const told = examples.reduce((sum, example) => sum + countOf(example), 0);
  const ends = eos ? examples.filter(({ labels }) => labels.includes(eos.id)).length : 0;
  const share = told / Math.max(1, tokens);
  return [
    {
      what: "loss",
      found: `${(100 * share).toFixed(1)} % of ${tokens} training tokens carry loss`,
      isFine: share > 0.02,
    },
    {
      what: "end",
      found: !eos
        ? "the tokenizer has no end-of-sequence token, so the model does not learn to stop"
        : ends > 0
          ? `the end-of-sequence token ${eos.token} is learnt, in ${ends} of ${examples.length} rows`
          : `the end-of-sequence token ${eos.token} is never learnt: as is right for one long text, and wrong for answers`,
      isFine: ends > 0,
    },
  ];
}
