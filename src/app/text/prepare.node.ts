import { openTextRows } from "../../data/text/open-text-rows.node.ts";
import type { TextOptions } from "../../data/text/text-dataset.ts";
import type { Model } from "../../models/model.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { TuneSettings } from "../options/tune.ts";
import type { StartOf, TaskRun } from "../task.ts";
import { checkClasses, checkShape } from "./check-shape.ts";
import type { EncodedText, TextJob } from "./job.ts";
import { judgeModel, type Padding } from "./judging.ts";
import { openTextModel, openTextTokenizer } from "./open.node.ts";
import type { TextTaskKind } from "./task-kind.ts";
import { type OpenedTexts, textRun } from "./text-run.node.ts";

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
  examples: OpenedTexts<E>["examples"],
  padding: Padding,
  { batchSize }: TuneSettings,
): Promise<OpenedTexts<E>["examples"]> {
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
