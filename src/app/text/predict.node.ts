import { existsSync } from "node:fs";
import { openTextSet } from "../../data/text/open-text-rows.node.ts";
import type { TextOptions, TextRow } from "../../data/text/text-dataset.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { PredictSettings } from "../judging.ts";
import { type Note, noteOf } from "../progress.ts";
import { refuseFreshHead } from "../tune/fresh-head.ts";
import type { VerbContext } from "../verb.ts";
import type { EncodedText, Said } from "./job.ts";
import { exampleBatches, inputNames, only, tokenFeeds } from "./judging.ts";
import { openTextModel, openTextTokenizer } from "./open.node.ts";
import { columnsOf } from "./prepare.node.ts";
import { settingsOf } from "./settings.node.ts";
import type { TextTaskKind } from "./task-kind.ts";

/** Says what texts are: those given, and those of files given. */
export async function* predictTexts<E extends EncodedText, V>(
  kind: TextTaskKind<E, V>,
  options: PredictSettings,
  runtime: Runtime,
  { signal }: VerbContext,
): AsyncGenerator<Note | Said, void> {
  const kept = await settingsOf(options.model);
  const rows = await rowsOf(options.inputs, columnsOf(options));
  const { tokenizer, maxTokens } = await openTextTokenizer(
    options.model,
    options.maxTokens ?? kept.maxTokens ?? (await kind.usualTokens?.(options.model)),
  );
  try {
    const classes = kept.classes ?? [];
    const job = await kind.job({
      folder: options.model,
      shape: undefined,
      classes,
      labels: kept.labels,
      tokenizer,
      maxTokens,
      labelSmoothing: 0,
      turns: "all",
      seed: 0,
    });
    const model = await openTextModel(options.model, job, runtime, { seed: 0, file: options.file });
    refuseFreshHead(model);
    yield* model.notes.map(noteOf);
    const examples = await job.encodeUnlabelled(rows);
    const executable = await runtime.compile(model.graph);
    const names = inputNames(model.graph);
    const order = { batchSize: options.batchSize, shuffle: false, seed: 0, epoch: 0 };
    try {
      for (const batch of exampleBatches(examples, tokenizer, order)) {
        signal?.throwIfAborted();
        const feeds = job.feedsToSay?.(batch) ?? tokenFeeds(batch);
        const outputs = await executable.run(only(feeds, names), {
          outputs: [model.output.name],
        });
        yield* job.say(batch, outputs, options.top);
      }
    } finally {
      await executable.dispose();
    }
  } finally {
    await tokenizer.close();
  }
}

/** A text stands for itself; a file for the rows that it holds. */
export async function rowsOf(inputs: readonly string[], columns: TextOptions): Promise<TextRow[]> {
  const rows: TextRow[] = [];
  for (const [i, input] of inputs.entries())
    if (existsSync(input)) for (const row of (await openTextSet(input, columns)).rows) rows.push(row);
    else rows.push({ id: input, file: "", line: i + 1, fields: {}, values: { text: input } });
  return rows;
}
