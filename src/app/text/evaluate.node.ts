import { writeFileAtomic } from "../../base/atomic-file.node.ts";
import { openTextRows } from "../../data/text/open-text-rows.node.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { emitting } from "../emit.ts";
import { chosenExamples, type Evaluated, type EvaluateSettings, type Scored } from "../judging.ts";
import { type Note, noteOf, type Progress, progressTo } from "../progress.ts";
import type { VerbContext } from "../verb.ts";
import { checkShape } from "./check-shape.ts";
import type { EncodedText } from "./job.ts";
import { judgeModel } from "./judging.ts";
import { openTextModel, openTextTokenizer } from "./open.node.ts";
import { columnsOf } from "./prepare.node.ts";
import { settingsOf } from "./settings.node.ts";
import type { TextTaskKind } from "./task-kind.ts";

/** Judges a model on texts. */
export async function* evaluateTexts<E extends EncodedText, V>(
  kind: TextTaskKind<E, V>,
  options: EvaluateSettings,
  runtime: Runtime,
  { signal }: VerbContext,
): AsyncGenerator<Note | Progress | Evaluated | Scored, void> {
  const kept = await settingsOf(options.model);
  const dataset = await openTextRows(options.data, {
    ...kind.reading,
    ...columnsOf(options),
    ...(options.ofRun ?? { seed: 0, validationShare: 0 }),
    mayLackTraining: true,
    ...(kept.labels && { labels: kept.labels }),
    ...(kept.classes && { classes: kept.classes }),
  });
  checkShape(kind, dataset);
  const [split, rows] = chosenExamples(dataset, "texts", options);
  const { tokenizer, maxTokens } = await openTextTokenizer(
    options.model,
    options.maxTokens ?? kept.maxTokens ?? (await kind.usualTokens?.(options.model)),
  );
  try {
    const job = await kind.job({
      folder: options.model,
      shape: dataset.shape,
      classes: dataset.classes,
      labels: dataset.labels,
      tokenizer,
      maxTokens,
      labelSmoothing: 0,
      turns: options.turns ?? "all",
      seed: 0,
    });
    const model = await openTextModel(options.model, job, runtime, { seed: 0, file: options.file });
    yield* [...model.notes, ...dataset.findings.map(({ message }) => message)].map(noteOf);
    const encoded = await job.encode(rows);
    const examples = job.epoch?.(encoded, -1) ?? encoded;
    const { evaluation } = yield* emitting<Progress, { readonly evaluation: V }>((emit) =>
      judgeModel(model, job, runtime, {
        examples,
        padding: tokenizer,
        batchSize: options.batchSize,
        onProgress: progressTo(emit, "evaluating", signal),
      }),
    );
    if (options.predictions) {
      const lines = job.lines(evaluation).map((line) => JSON.stringify(line));
      await writeFileAtomic(options.predictions, `${lines.join("\n")}\n`);
    }
    yield job.judged(evaluation, { model: options.model, data: options.data, split });
  } finally {
    await tokenizer.close();
  }
}
