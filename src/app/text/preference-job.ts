import { DiapasonError } from "../../base/errors.ts";
import type { TextRow } from "../../data/text/text-dataset.ts";
import { encodeCompletion } from "../../data/text/token-examples.ts";
import { checkFinite } from "../../evaluate/evaluate.ts";
import { attachPreference } from "../../tasks/preference.ts";
import type { TaskRun } from "../task.ts";
import type { JobContext, TextJob } from "./job.ts";
import { shifted } from "./language-job.ts";
import { collateGroups, grouped, groupFeeds, groupOf, type TextGroup } from "./text-groups.ts";
import { labelled } from "./token-loss-job.ts";
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

/** What examples were made of. */
interface Made {
  readonly pairs: number;
  /** Pairs of which an answer, or the prompt, was longer than what is read. */
  readonly cut: number;
  /** Pairs that are left out because an answer has no token left. */
  readonly mute: readonly Preference[];
  /** Pairs that are left out because both answers are the same, as far as they are read. */
  readonly alike: readonly Preference[];
}

const isMute = ({ parts }: Preference): boolean =>
  parts.some(({ labels }) => labels !== undefined && labelled(labels.subarray(1)) === 0);

const areAlike = ({ parts: [one, other] }: Preference): boolean =>
  one?.ids.length === other?.ids.length && one?.ids.every((id, i) => id === other?.ids[i]) === true;

function nothingLeft(pairs: readonly Preference[], maxTokens: number): DiapasonError {
  const from = `${pairs.length === 1 ? "The pair" : `The ${pairs.length} pairs from`} ${pairs[0]!.id}${pairs.length === 1 ? "" : " on"}`;
  return new DiapasonError(
    "data/no-text",
    `${from} hold no two answers that differ within the first ${maxTokens} tokens.`,
    "Read more tokens (maxTokens), or shorten the prompts.",
  );
}

/** Which pairs teach nothing. */
function checksOf(made: Made | undefined, maxTokens: number): NonNullable<TaskRun["checks"]> {
  if (!made) return [];
  const { pairs, mute, alike } = made;
  return [
    ...(mute[0]
      ? [
          {
            what: "mute",
            found: `${mute.length} of ${pairs} training pairs are left out, such as ${mute[0].id}: an answer begins after the first ${maxTokens} tokens (--max-tokens)`,
            isFine: false,
          },
        ]
      : []),
    ...(alike[0]
      ? [
          {
            what: "alike",
            found: `${alike.length} of ${pairs} training pairs are left out, such as ${alike[0].id}: both answers are the same within ${maxTokens} tokens`,
            isFine: false,
          },
        ]
      : []),
  ];
}

/** The better of two answers, without a model of rewards: DPO. */
export function preferenceJob({
  tokenizer,
  maxTokens,
}: JobContext): TextJob<Preference, PreferenceEvaluation> {
  let inputs = { labels: "", reference: "" };
  const made = new WeakMap<readonly Preference[], Made>();
  const encode = ({ id, values }: TextRow): Preference => {
    const { prompt, chosen, rejected, variables } = values;
    if (prompt === undefined || chosen === undefined || rejected === undefined)
      throw new DiapasonError(
        "data/no-text",
        `${id} has no prompt with a chosen and a rejected answer.`,
        'Give rows of "prompt", "chosen" and "rejected".',
      );
    const answers = [chosen, rejected].map((answer) =>
      encodeCompletion(tokenizer, id, prompt, answer, { maxLength: maxTokens, variables }),
    );
    return { ...groupOf(id, answers), reference: 0 };
  };
  const encodeAll = (rows: readonly TextRow[]): Preference[] => {
    const pairs = rows.map(encode);
    const mute = pairs.filter(isMute);
    const alike = pairs.filter((pair) => !isMute(pair) && areAlike(pair));
    const left = pairs.filter((pair) => !isMute(pair) && !areAlike(pair));
    const cut = pairs.filter(({ isTruncated }) => isTruncated).length;
    if (pairs[0] && left.length === 0) throw nothingLeft(pairs, maxTokens);
    made.set(left, { pairs: pairs.length, cut, mute, alike });
    return left;
  };
  return {
    head: "causal-lm",
    labels: undefined,
    config: {},
    encode: async (rows) => encodeAll(rows),
    encodeUnlabelled: async (rows) => encodeAll(rows),
    textsIn(examples) {
      const { pairs = examples.length, cut = 0 } = made.get(examples) ?? {};
      return { texts: pairs, cut };
    },
    checks: (examples) => checksOf(made.get(examples), maxTokens),
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
    refer(examples, { leads }) {
      const referred = examples.map((example) => ({ ...example, reference: leads.get(example.id) ?? 0 }));
      const how = made.get(examples);
      if (how) made.set(referred, how);
      return referred;
    },
    goal: { name: "accuracy", mode: "max", tie: { name: "loss", mode: "min" } },
    judge() {
      const losses: { id: string; loss: number }[] = [];
      const leads = new Map<string, number>();
      let right = 0;
      let margins = 0;
      return {
        add({ examples }, outputs) {
          const [found] = Object.values(outputs);
          const all = found!.data as Float32Array;
          examples.forEach(({ id, reference }, i) => {
            checkFinite(all.subarray(i, i + 1), id);
            const lead = all[i]!;
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
