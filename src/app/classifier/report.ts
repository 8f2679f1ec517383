import type { ClassificationMetrics } from "../../tasks/classification-metrics.ts";
import { count, percent, probability } from "../numbers.ts";
import type { Report } from "../report/report.ts";
import { type RunRecord, validationPoints } from "../report/run-report.ts";
import type { ReportPart } from "../task.ts";
import type { ClassifierKind } from "./kind.ts";
import type { ClassifierResult } from "./result.ts";

/** What a report shows of a tuned classifier. */
export function classifierReport(
  { events, result }: RunRecord<ClassifierResult>,
  { unit, loss }: ClassifierKind,
): ReportPart {
  return {
    lead: result ? leadOf(result, unit) : "",
    headline: result ? headlineOf(result) : [],
    charts: [
      {
        title: `Accuracy on the validation ${unit}`,
        x: "step",
        y: "",
        percent: true,
        series: [
          { name: "accuracy", points: validationPoints(events, "accuracy") },
          { name: "macro F1", points: validationPoints(events, "macroF1"), dashed: true },
        ],
      },
    ],
    loss: {
      note: loss,
      unit: "nats",
    },
    classes: result?.classes ?? [],
    confusion: result?.after.confusion ?? [],
    confusionOf: result ? `tuned model, ${result.split} ${unit}` : "",
    perClass: result ? perClassOf(result) : [],
    mistakes: result?.mistakes ?? [],
    tables: [],
  };
}

function leadOf({ isFreshHead, split, after, before, mcnemar }: ClassifierResult, unit: string): string {
  const start = isFreshHead
    ? "Before tuning the model did not know these classes: its head was new and guessed."
    : "Before tuning the model already told these classes.";
  const change = after.accuracy - before.accuracy;
  const proof =
    mcnemar.pValue < 0.05
      ? `The difference is beyond chance (${mcnemar.gained} ${unit} gained, ${mcnemar.lost} lost, McNemar p = ${probability(mcnemar.pValue)}).`
      : `The difference could be chance (${mcnemar.gained} ${unit} gained, ${mcnemar.lost} lost, McNemar p = ${probability(mcnemar.pValue)}).`;
  const direction = change > 0 ? "rose" : change < 0 ? "fell" : "stayed";
  return `${start} On ${count(after.examples)} held-out ${split} ${unit} accuracy ${direction} from ${percent(before.accuracy)} to ${percent(after.accuracy)}. ${proof}`;
}

function headlineOf({ before, after, isFreshHead }: ClassifierResult): Report["headline"] {
  const was = isFreshHead ? " (new head)" : "";
  const [low, high] = after.accuracyInterval;
  return [
    {
      label: `accuracy (95 % interval ${percent(low)} to ${percent(high)})`,
      value: percent(after.accuracy),
      before: `${percent(before.accuracy)}${was}`,
    },
    { label: "macro F1", value: percent(after.macroF1), before: percent(before.macroF1) },
    { label: "negative log-likelihood", value: after.nll.toFixed(3), before: before.nll.toFixed(3) },
    { label: "calibration error", value: percent(after.ece), before: percent(before.ece) },
  ];
}

const perClassOf = ({
  classes,
  after,
}: {
  readonly classes: readonly string[];
  readonly after: ClassificationMetrics;
}) => after.perClass.map(({ support, ...scores }, i) => ({ name: classes[i]!, ...scores, count: support }));
