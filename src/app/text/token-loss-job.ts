import { ignored } from "../../data/text/text-batches.ts";
import type { TextTokenizer } from "../../data/text/tokenizer.ts";
import { checkFinite } from "../../evaluate/evaluate.ts";
import { GraphBuilder } from "../../graph/builder.ts";
import { addWeightedLoss, tokenCrossEntropy } from "../../tasks/weighted-loss.ts";
import type { Metrics } from "../../tune/events.ts";
import type { EncodedText, TextJob } from "./job.ts";
import { toldByScores } from "./told-by-scores.ts";

/** A text whose tokens have labels: numbers to be told, −100 where there is none. */
export interface TokenLabelled extends EncodedText {
  readonly labels: Int32Array;
}

/** What a model makes of tokens. */
export interface TokenLosses {
  /** Mean over all tokens that have a label, in nats. */
  readonly loss: number;
  /** Mean of each text. */
  readonly losses: readonly { readonly id: string; readonly loss: number }[];
}

/** The input that labels are fed to: int64 [batch, tokens]. */
export const labelsInput = "labels";
const sums = "loss_sums";

/** Tokens that have a label. */
export const labelled = (labels: Int32Array): number =>
  labels.reduce((n, label) => n + (label === ignored ? 0 : 1), 0);

/** What tasks that tell tokens from logits [batch, tokens, classes] have in common: their loss. */
export const tokenLoss = (smoothing: number): Pick<TextJob<TokenLabelled, unknown>, "attach"> => ({
  attach(graph, model) {
    const g = new GraphBuilder(graph);
    const logits = graph.get(model.output.name);
    const labels = graph.addInput(labelsInput, "int64", logits.shape!.slice(0, -1));
    const attached = addWeightedLoss(graph, tokenCrossEntropy(g, logits, labels, smoothing));
    const perExample = graph.get(attached.perExample);
    graph.rename(perExample, sums);
    graph.addOutput(perExample);
    return { ...attached, perExample: sums, outputs: [sums] };
  },
});

/** How a model is judged that is to tell tokens as surely as it can: by its perplexity. `loss`: what is minimised, in words. */
export function judgedByPerplexity<E extends TokenLabelled>(
  countOf: (example: E) => number,
  loss: string,
  tokenizer: Pick<TextTokenizer, "decode">,
): Pick<TextJob<E, TokenLosses>, "goal" | "judge" | "scores" | "judged" | "lines" | "details"> {
  const metricsOf = (evaluation: TokenLosses): Metrics => ({
    perplexity: Math.exp(evaluation.loss),
    loss: evaluation.loss,
  });
  return {
    ...toldByScores({
      loss,
      tokenizer,
      scoresOf: (evaluation: TokenLosses) => ({ metrics: metricsOf(evaluation), losses: evaluation.losses }),
    }),
    goal: { name: "perplexity", mode: "min" },
    judge() {
      const losses: { id: string; loss: number }[] = [];
      let total = 0;
      let tokens = 0;
      return {
        add({ examples }, outputs) {
          const found = outputs[sums]!.data as Float32Array;
          examples.forEach((example, i) => {
            checkFinite(found.subarray(i, i + 1), example.id);
            const count = countOf(example);
            total += found[i]!;
            tokens += count;
            losses.push({ id: example.id, loss: found[i]! / Math.max(1, count) });
          });
        },
        finish: () => ({ loss: total / Math.max(1, tokens), losses }),
      };
    },
  };
}
