import { DiapasonError } from "../../base/errors.ts";
import type { TextRow } from "../../data/text/text-dataset.ts";
import { encodeCompletion } from "../../data/text/token-examples.ts";
import { attachPreference } from "../../tasks/preference.ts";
import type { JobContext, TextJob } from "./job.ts";
import { shifted } from "./language-job.ts";
import { collateGroups, grouped, groupFeeds, groupOf, type TextGroup } from "./text-groups.ts";
import { type TextScores, toldByScores } from "./told-by-scores.ts";

/** Two answers to a prompt, the better one first. */
export interface Preference extends TextGroup {
  /** log p(chosen) − log p(rejected) before tuning, in nats. */
  readonly reference: number;
}

/** How much more likely a model finds the better answers. */
export interface PreferenceEvaluation extends TextScores {
  readonly leads: ReadonlyMap<string, number>;
}

/** How hard the model is held to what it was. The default of TRL. */
const beta = 0.1;

/** The better of two answers, without a model of rewards: DPO. */
export function preferenceJob({
  tokenizer,
  maxTokens,
}: JobContext): TextJob<Preference, PreferenceEvaluation> {
  let inputs = { labels: "", reference: "" };
  const encode = ({ id, values }: TextRow): Preference => {
    const { prompt, chosen, rejected } = values;
    if (prompt === undefined || chosen === undefined || rejected === undefined)
      throw new DiapasonError(
        "data/no-text",
        `${id} has no prompt with a chosen and a rejected answer.`,
        'Give rows of "prompt", "chosen" and "rejected".',
      );
    const answers = [chosen, rejected].map((answer) =>
      encodeCompletion(tokenizer, id, prompt, answer, { maxLength: maxTokens }),
    );
    return { ...groupOf(id, answers), reference: 0 };
  };
  return {
    head: "causal-lm",
    labels: undefined,
    config: {},
    encode: async (rows) => rows.map(encode),
    encodeUnlabelled: async (rows) => rows.map(encode),
    attach(graph, model) {
      const { labels, reference, leads, ...loss } = attachPreference(graph, model.output.name, beta);
      inputs = { labels, reference };
      graph.addOutput(graph.get(leads));
      return { ...loss, outputs: [leads] };
    },
    feeds: ({ examples }) => groupFeeds(collateGroups(examples, tokenizer), examples.length),
    targets({ examples }) {
      const { labels } = collateGroups(examples, tokenizer);
      return {
        ...(labels && { [inputs.labels]: grouped(shifted(labels), examples.length) }),
        [inputs.reference]: {
          dtype: "float32",
          dims: [examples.length],
          data: Float32Array.from(examples, ({ reference }) => reference),
        },
      };
    },
    countOf: () => 1,
    ...toldByScores({
      loss: "−log σ(β · (how much likelier the better answer has become))",
      shares: ["accuracy"],
      tokenizer,
      scoresOf: (evaluation: PreferenceEvaluation) => evaluation,
    }),
    refer: (examples, { leads }) =>
      examples.map((example) => ({ ...example, reference: leads.get(example.id) ?? 0 })),
    goal: { name: "accuracy", mode: "max", tie: { name: "loss", mode: "min" } },
    judge() {
      const losses: { id: string; loss: number }[] = [];
      const leads = new Map<string, number>();
      let right = 0;
      let margins = 0;
      return {
        add({ examples }, outputs) {
          const [found] = Object.values(outputs);
          examples.forEach(({ id, reference }, i) => {
            const lead = (found!.data as Float32Array)[i]!;
            const margin = beta * (lead - reference);
            leads.set(id, lead);
            margins += margin;
            if (margin > 0) right++;
            losses.push({ id, loss: Math.max(-margin, 0) + Math.log1p(Math.exp(-Math.abs(margin))) });
          });
        },
        finish() {
          const count = Math.max(1, losses.length);
          const loss = losses.reduce((sum, one) => sum + one.loss, 0) / count;
          return { metrics: { accuracy: right / count, margin: margins / count, loss }, losses, leads };
        },
      };
    },
    say: () => [],
  };
}
