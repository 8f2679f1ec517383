import { existsSync } from "node:fs";
import { DiapasonError } from "../../base/errors.ts";
import { openTextSet } from "../../data/text/open-text-rows.node.ts";
import { tableExtension } from "../../data/text/table-files.node.ts";
import type { TextOptions, TextRow } from "../../data/text/text-dataset.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { PredictSettings } from "../judging.ts";
import { type Note, noteOf } from "../progress.ts";
import { refuseFreshHead } from "../tune/fresh-head.ts";
import type { VerbContext } from "../verb.ts";
import { excerpt } from "./excerpt.ts";
import type { EncodedText, Said } from "./job.ts";
import { exampleBatches, inputNames, only, tokenFeeds } from "./judging.ts";
import { openTextModel, openTextTokenizer } from "./open.node.ts";
import { columnsOf } from "./prepare.node.ts";
import { type KeptSettings, settingsOf } from "./settings.node.ts";
import type { TextTaskKind } from "./task-kind.ts";

/** Says what texts are: those given, and those of files given. */
export async function* predictTexts<E extends EncodedText, V>(
  kind: TextTaskKind<E, V>,
  options: PredictSettings,
  runtime: Runtime,
  { signal }: VerbContext,
): AsyncGenerator<Note | Said, void> {
  const kept = await settingsOf(options.model);
  const rows = await rowsOf(options.inputs, columnsOf(options), options.pair);
  yield* pairNotes(kept, rows);
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

/** Whether a text is the name of a file of rows, and none that anyone would ask about. */
const isFileName = (text: string): boolean => /^\S+$/.test(text) && tableExtension(text) !== undefined;

/**
 * A text stands for itself, with the second text of its pair where one is given; a file for the rows that it holds.
 *
 * @throws data/not-found for the name of a file that is not there
 */
export async function rowsOf(
  inputs: readonly string[],
  columns: TextOptions,
  pair?: string,
): Promise<TextRow[]> {
  const rows: TextRow[] = [];
  for (const [i, input] of inputs.entries()) {
    if (existsSync(input)) {
      for (const row of (await openTextSet(input, columns)).rows) rows.push(row);
      continue;
    }
    if (isFileName(input))
      throw new DiapasonError(
        "data/not-found",
        `There is no file "${input}".`,
        "Check its path. A text that looks so can be given in a file, or on standard input (-).",
      );
    const values = { text: input, ...(pair !== undefined && { pair }) };
    rows.push({
      id: pair === undefined ? input : `${input} | ${pair}`,
      file: "",
      line: i + 1,
      fields: {},
      values,
    });
  }
  return rows;
}

/** Texts alone where pairs were learnt: what a model says of one half of a pair means little. */
function* pairNotes({ pairs }: KeptSettings, rows: readonly TextRow[]): Generator<Note> {
  const alone = rows.filter(({ values }) => values.pair === undefined);
  if (pairs && alone[0])
    yield noteOf(
      `The model was tuned on pairs of texts, and ${alone.length === 1 ? "a text is" : `${alone.length} texts are`} given alone, such as ${JSON.stringify(excerpt(alone[0].id))}. Give the other with --pair, or rows with two columns.`,
    );
}
