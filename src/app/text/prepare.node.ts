import { openTextRows } from "../../data/text/open-text-rows.node.ts";
import type { TextDataset, TextOptions } from "../../data/text/text-dataset.ts";
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
import type { Judged, StartOf, TaskRun } from "../task.ts";
import { checkClasses, checkShape } from "./check-shape.ts";
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
import { copyTokenizer, keepPadToken, openTextModel, openTextTokenizer, padConfig } from "./open.node.ts";
import type { TextTaskKind } from "./task-kind.ts";

/** Opens texts, tokenizer and model of a text task. */
export async function prepareTexts<E extends EncodedText, V>(
  kind: TextTaskKind<E, V>,
  options: TuneSettings,
  runtime: Runtime,
  startOf: StartOf,
): Promise<TaskRun> {
  const dataset = await openTextRows(options.data, {
    ...kind.reading,
    ...columnsOf(options),
    seed: options.seed,
    validationShare: options.validationShare,
    ...(options.limit === undefined ? {} : { limit: options.limit }),
  });
  checkShape(kind, dataset);
  checkClasses(dataset);
  const { tokenizer, maxTokens } = await openTextTokenizer(
    options.model,
    options.maxTokens ?? (await kind.usualTokens?.(options.model)),
  );
  try {
    const job = await kind.job({
      folder: options.model,
      shape: dataset.shape,
      classes: dataset.classes,
      labels: dataset.labels,
      tokenizer,
      maxTokens,
      labelSmoothing: options.labelSmoothing,
      turns: options.turns ?? "all",
      seed: options.seed,
    });
    const [train, validation, test] = await Promise.all(
      (["train", "validation", "test"] as const).map((name) =>
        job.encode(dataset.splits[name], { packs: name === "train" }),
      ),
    );
    const held = (texts: readonly E[]) => job.epoch?.(texts, -1) ?? texts;
    const examples = { train: train!, validation: held(validation!), test: held(test!) };
    const opened = await openTextModel(options.model, job, runtime, {
      seed: options.seed,
      // what is measured from a reference is measured without masks on either side, as TRL does
      dropout: options.dropout ?? (job.refer ? 0 : "config"),
    });
    const longest = examples.train.reduce((most, { ids }) => Math.max(most, ids.length), 1);
    const model = { ...opened, usualSizes: new Map([["tokens", longest]]) };
    const facts = { maxTokens, task: kind.name, options };
    const run = { dataset, tokenizer, model, runtime, examples, facts };
    if (!job.refer) return textRun(job, run);
    const start = await startOf(model);
    const referred = await withReference(job, start, runtime, examples, tokenizer, options);
    const which = start === model ? "the model as it is" : "the base with its adapter as it is";
    const told = textRun(job, { ...run, examples: referred });
    return { ...told, notes: [...told.notes, `What is preferred is measured from ${which} now.`] };
  } catch (error) {
    await tokenizer.close();
    throw error;
  }
}

/** Examples with what the model makes of them as it is. */
async function withReference<E extends EncodedText, V>(
  job: TextJob<E, V>,
  model: Model,
  runtime: Runtime,
  examples: Opened<E>["examples"],
  padding: Padding,
  { batchSize }: TuneSettings,
): Promise<Opened<E>["examples"]> {
  const referred = async (texts: readonly E[]) => {
    if (texts.length === 0) return texts;
    const { evaluation } = await judgeModel(model, job, runtime, { examples: texts, padding, batchSize });
    return job.refer?.(texts, evaluation) ?? texts;
  };
  return {
    train: await referred(examples.train),
    validation: await referred(examples.validation),
    test: await referred(examples.test),
  };
}

/** Columns that were named. */
export const columnsOf = ({
  textColumn,
  pairColumn,
  labelColumn,
  labels,
}: Pick<TuneSettings, "textColumn" | "pairColumn" | "labelColumn" | "labels">): TextOptions => ({
  ...(textColumn !== undefined && { textColumn }),
  ...(pairColumn !== undefined && { pairColumn }),
  ...(labelColumn !== undefined && { labelColumn }),
  ...(labels !== undefined && { labels }),
});

interface Opened<E> {
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

function textRun<E extends EncodedText, V>(job: TextJob<E, V>, opened: Opened<E>): TaskRun {
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
  examples: Opened<E>["examples"],
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
