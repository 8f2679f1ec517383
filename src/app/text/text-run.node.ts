import type { TextDataset } from "../../data/text/text-dataset.ts";
import type { ThreadedTokenizer } from "../../data/text/tokenizer.ts";
import { roundToStored } from "../../graph/passes/stored-types.ts";
import { withPurpose } from "../../models/config.ts";
import type { Model } from "../../models/model.ts";
import { sharesInWords } from "../../models/network/dropout-shares.ts";
import { rebuilt } from "../../models/rebuild.ts";
import { withGraph } from "../../models/with-graph.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { TrainData } from "../../tune/data.ts";
import { withValues } from "../../tune/program.ts";
import type { TuneSettings } from "../options/tune.ts";
import type { Judged, TaskRun } from "../task.ts";
import type { AttachedText, EncodedText, TextJob } from "./job.ts";
import {
  exampleBatches,
  feedsOf,
  inputNames,
  judgeModel,
  judgeTexts,
  only,
  type Padding,
  pruneTo,
} from "./judging.ts";
import { copyTokenizer, keepPadToken, padConfig } from "./open.node.ts";

/** What a run over texts is made of. */
export interface OpenedTexts<E> {
  readonly dataset: TextDataset;
  readonly tokenizer: ThreadedTokenizer;
  readonly model: Model;
  readonly runtime: Runtime;
  readonly examples: {
    readonly train: readonly E[];
    readonly validation: readonly E[];
    readonly test: readonly E[];
  };
  readonly facts: { readonly maxTokens: number; readonly task: string; readonly options: TuneSettings };
}

/** A tuning of a text task, opened. */
export function textRun<E extends EncodedText, V>(job: TextJob<E, V>, opened: OpenedTexts<E>): TaskRun {
  const { dataset, tokenizer, model, runtime, examples, facts } = opened;
  const { options, maxTokens } = facts;
  const proof = examples.test.length > 0 ? "test" : "validation";
  const judging = { padding: tokenizer, batchSize: options.batchSize };
  const { inputs, outputs } = portsOf(job, model);
  return {
    model,
    ...(job.learningRate !== undefined && { learningRate: job.learningRate }),
    isFreshHead: (model.network?.fresh.size ?? 0) > 0,
    data: foundIn(dataset, job, examples),
    size: examples.train.length,
    notes: [
      ...new Set([
        ...model.notes,
        ...dropoutNotes(model, options),
        ...dataset.findings.map(({ message }) => message),
      ]),
    ],
    batchBound: job.batchBound ?? "",
    checks: checksOf(job, examples.train, maxTokens),
    effort: { train: tokensIn(examples.train), proof: Math.max(1, tokensIn(examples[proof])) },
    keptBytes: Object.values(examples)
      .flat()
      .reduce((sum, { ids }) => sum + 5 * ids.length, 0),
    goal: job.goal,
    proof,
    training(network) {
      const graph = network.graph.clone();
      const attached = job.attach(graph, network);
      const { parameters, blocks } = network;
      const { loss, weights, scale } = attached;
      const tunable = { graph, loss, weights, scale, outputs, parameters, blocks };
      return { tunable, data: trainDataOf(job, examples.train, tokenizer, options, inputNames(graph)) };
    },
    validate: async (executable) =>
      job.scores(
        await judgeTexts(executable, job, { inputs, outputs }, { ...judging, examples: examples.validation }),
      ).metrics,
    async judge(network): Promise<Judged> {
      const held = examples[proof];
      const before = await judgeModel(network, job, runtime, { ...judging, examples: held });
      return {
        scores: job.scores(before.evaluation),
        seconds: before.seconds,
        async against(tuned) {
          const after = await judgeModel(tuned, job, runtime, { ...judging, examples: held });
          const texts = { trained: examples.train, held };
          const told = job.details(before.evaluation, after.evaluation, texts);
          return { after: job.scores(after.evaluation), ...told };
        },
      };
    },
    tuned(network, values) {
      const tuned = withGraph(network, roundToStored(withValues(network.graph, values)));
      const padding = job.labels ? padConfig(tuned.config, tokenizer) : {};
      const own = { ...tuned.config, ...padding, ...job.config };
      const config = withPurpose(own, {
        task: facts.task,
        maxTokens,
        ...(dataset.shape === "pair-label" && { pairs: true }),
      });
      const drops = (tuned.network?.dropout.size ?? 0) > 0;
      const whole = job.beside?.part(tuned) ?? tuned;
      const plain = job.network || drops ? rebuilt(whole, { seed: options.seed }) : whole;
      return { judged: tuned, saved: { ...plain, config } };
    },
    saving: {
      keepNames: true,
      async more(folder) {
        await copyTokenizer(options.model, folder, tokenizer);
        if (job.labels) await keepPadToken(folder, tokenizer);
        await job.more?.(folder);
      },
    },
    close: () => tokenizer.close(),
  };
}

const tokensIn = (texts: readonly EncodedText[]) => texts.reduce((sum, { ids }) => sum + ids.length, 0);

/** What training leaves out where nobody has said it. */
function dropoutNotes({ network }: Model, { dropout }: TuneSettings): readonly string[] {
  if (dropout !== undefined || !network || network.dropout.size === 0) return [];
  return [
    `Training leaves out ${sharesInWords(network.dropout)} (dropout), as the model's config says; --dropout 0 turns it off.`,
  ];
}

/** What an evaluation of the model feeds and reads. */
function portsOf<E extends EncodedText, V>(
  job: TextJob<E, V>,
  model: Model,
): { readonly inputs: ReadonlySet<string>; readonly outputs: AttachedText["outputs"] } {
  const graph = model.graph.clone();
  const { outputs } = job.attach(graph, model);
  return { inputs: inputNames(pruneTo(graph, outputs)), outputs };
}

/** The training texts as the loop wants them: shuffled, of similar length together. */
function trainDataOf<E extends EncodedText, V>(
  job: TextJob<E, V>,
  examples: readonly E[],
  padding: Padding,
  { seed }: TuneSettings,
  names: ReadonlySet<string>,
): TrainData {
  return {
    size: examples.length,
    async *batches({ epoch, batchSize, skip }) {
      const own = job.epoch?.(examples, epoch) ?? examples;
      for (const batch of exampleBatches(own, padding, { batchSize, shuffle: true, seed, epoch, skip }))
        yield {
          ids: batch.ids,
          inputs: only(feedsOf(job, batch), names),
          count: batch.examples.reduce((sum, example) => sum + job.countOf(example), 0),
        };
    },
  };
}

/** What can go wrong in silence, looked at before the first step. */
function checksOf<E extends EncodedText, V>(
  job: TextJob<E, V>,
  examples: readonly E[],
  maxTokens: number,
): NonNullable<TaskRun["checks"]> {
  const { texts, cut } = textsIn(job, examples);
  const share = (cut / Math.max(1, texts)) * 100;
  return [
    {
      what: "cut",
      found: `${cut} of ${texts} training texts are longer than ${maxTokens} tokens (${share.toFixed(1)} %)`,
      isFine: share < 10,
    },
    ...(job.checks?.(examples) ?? []),
  ];
}

/** Texts that examples were made of, and how many of those were cut. */
const textsIn = <E extends EncodedText, V>(job: TextJob<E, V>, examples: readonly E[]) =>
  job.textsIn?.(examples) ?? {
    texts: examples.length,
    cut: examples.filter(({ isTruncated }) => isTruncated).length,
  };

function foundIn<E extends EncodedText, V>(
  { root, origin, classes, splits }: TextDataset,
  job: TextJob<E, V>,
  examples: OpenedTexts<E>["examples"],
): TaskRun["data"] {
  const count = (rows: TextDataset["splits"]["train"], name: string) =>
    rows.filter(({ values: { label, tags } }) => {
      const labels = tags ?? label;
      return Array.isArray(labels) ? labels.includes(name) : labels === name;
    }).length;
  const countOf = (name: keyof typeof examples) => textsIn(job, examples[name]).texts;
  return {
    root,
    origin,
    unit: "texts",
    examples: { train: countOf("train"), validation: countOf("validation"), test: countOf("test") },
    arrays: [],
    // Labels beside texts that are learnt as texts are nothing to this task.
    classes: (job.labels ? classes : []).map((name) => ({
      name,
      train: count(splits.train, name),
      validation: count(splits.validation, name),
      test: count(splits.test, name),
    })),
  };
}
