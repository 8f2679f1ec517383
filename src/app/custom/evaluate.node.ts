import { writeFileAtomic } from "../../base/atomic-file.node.ts";
import { DiapasonError } from "../../base/errors.ts";
import { openBatches } from "../../data/array-batches.node.ts";
import { openArrays } from "../../data/array-files.node.ts";
import type { ArrayDataset, ArrayPart } from "../../data/array-set.ts";
import type { SplitName } from "../../data/dataset.ts";
import type { DeclaredEvaluation } from "../../evaluate/evaluate-declared.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { emitting } from "../emit.ts";
import { type EvaluateSettings, type Scored, splitOf } from "../judging.ts";
import { type Note, noteOf, type Progress, progressTo } from "../progress.ts";
import { worstOf } from "../scored/result.ts";
import type { VerbContext } from "../verb.ts";
import { openCustom } from "./open.node.ts";
import { evaluateCustom } from "./prepare.node.ts";

/** Judges a graph by its loss and metrics. */
export async function* evaluateArrays(
  options: EvaluateSettings,
  runtime: Runtime,
  { signal }: VerbContext,
): AsyncGenerator<Note | Progress | Scored, void> {
  const dataset = await openArrays(options.data, options.ofRun ?? { seed: 0, validationShare: 0 });
  const [split, part] = chosenPart(dataset, options);
  const given = { ...options, seed: options.ofRun?.seed };
  const custom = await openCustom(options.model, given, part.set, runtime, options.file);
  yield* [...custom.notes, ...dataset.findings.map(({ message }) => message)].map(noteOf);
  const batches = openBatches(part, custom.columns);
  const evaluation = yield* emitting<Progress, DeclaredEvaluation>((emit) =>
    evaluateCustom(
      custom.model,
      custom,
      runtime,
      batches,
      options.batchSize,
      progressTo(emit, "evaluating", signal),
    ),
  );
  if (options.predictions) await writeLosses(options.predictions, evaluation, custom.settings.loss);
  const { examples, metrics } = evaluation;
  const { model, data } = options;
  yield { type: "scored", model, data, split, examples, metrics, worst: worstOf(evaluation) };
}

/** The examples asked for; without an answer those of the test split, else of validation in a file of its own, or all there are. */
function chosenPart(
  { root, splits }: ArrayDataset,
  options: Pick<EvaluateSettings, "split" | "ofRun">,
): readonly [string, ArrayPart] {
  const there = (["train", "validation", "test"] as const).filter((name) => splits[name].rows.length > 0);
  const sizes = { test: splits.test.rows.length, validation: splits.validation.rows.length };
  const isOwnFile = options.split === undefined && there.length > 1 && sizes.validation > 0;
  const split = isOwnFile && sizes.test === 0 ? "validation" : splitOf(options, sizes);
  const only: SplitName | undefined = split === "all" && there.length === 1 ? there[0] : undefined;
  if (only) return ["all", splits[only]];
  if (split !== "all" && splits[split].rows.length > 0) return [split, splits[split]];
  throw new DiapasonError(
    "app/empty-split",
    split === "all"
      ? `"${root}" holds ${there.join(", ")} examples in files of their own.`
      : `"${root}" has no ${split} examples; it has ${there.join(" and ")} examples.`,
    `Ask for --split ${there.at(-1)}.`,
  );
}

async function writeLosses(path: string, { losses }: DeclaredEvaluation, loss: string): Promise<void> {
  if (!losses)
    throw new DiapasonError(
      "app/bad-option",
      `"predictions" is given, and the loss "${loss}" does not tell examples apart.`,
      'Leave it out, or write the outputs with "diapason predict".',
    );
  await writeFileAtomic(path, `${losses.map((line) => JSON.stringify(line)).join("\n")}\n`);
}
