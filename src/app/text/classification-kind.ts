import { classifierCard } from "../classifier/card.ts";
import type { ClassifierKind } from "../classifier/kind.ts";
import { classifierReport } from "../classifier/report.ts";
import type { ClassifierResult } from "../classifier/result.ts";
import type { RunRecord } from "../report/run-report.ts";
import type { RunResult } from "../tune/run-result.ts";
import { classificationJob, type LabelledText } from "./classification-job.ts";
import { scoredText } from "./scored-kind.ts";
import type { TextTaskKind } from "./task-kind.ts";

const files = "tokenizer files beside it how texts become tokens";

const classes: ClassifierKind = {
  task: "text-classification",
  unit: "texts",
  dataset: "text",
  noun: "A text classifier",
  files,
  loss: "Training: cross-entropy of the batches, averaged over neighbouring steps. Validation: of all held-out texts.",
};

const scored = scoredText("text-classification");

/** Whether a run judged a classifier of one class of several; a run that is not finished counts as one. */
const isClassifier = (result: RunResult | undefined): result is ClassifierResult | undefined =>
  result === undefined || "mcnemar" in result;

/** What a text, or a pair of texts, is: one of several classes, any number of them, or a number. */
export const classificationKind: TextTaskKind<LabelledText, unknown> = {
  name: "text-classification",
  reading: {},
  shapes: ["text-label", "pair-label"],
  options: {
    tune: ["labelSmoothing", "labels", "labelColumn"],
    evaluate: ["labels", "labelColumn"],
    predict: ["top", "pair"],
  },
  job: classificationJob,
  report: (record) =>
    isClassifier(record.result)
      ? classifierReport(record as RunRecord<ClassifierResult>, classes)
      : scored.report(record),
  card: (facts) =>
    isClassifier(facts.result)
      ? classifierCard({ ...facts, result: facts.result as ClassifierResult }, classes)
      : scored.card(facts),
};
