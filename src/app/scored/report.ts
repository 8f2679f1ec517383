import { count, measured, probability } from "../numbers.ts";
import type { Report } from "../report/report.ts";
import { type RunRecord, validationPoints } from "../report/run-report.ts";
import type { ReportPart } from "../task.ts";
import type { ScoredResult } from "./result.ts";

/** What a report shows of a model that is judged by a loss and metrics. */
export function scoredReport({ events, result, recipe }: RunRecord<ScoredResult>): ReportPart {
  const names = [...new Set(events.flatMap((e) => (e.type === "evaluation" ? Object.keys(e.metrics) : [])))];
  return {
    lead: result ? leadOf(result) : "",
    headline: result ? headlineOf(result) : [],
    charts: names
      .filter((name) => name !== "loss")
      .map((name) => ({
        title: `${name} on the validation examples`,
        x: "step",
        y: "",
        percent: result?.shares.includes(name) ?? false,
        series: [{ name, points: validationPoints(events, name) }],
      })),
    loss: {
      note: `${String(result?.loss ?? recipe["loss"] ?? "")}. Training: averaged over neighbouring steps.${result?.judged ? ` Validation: ${result.judged}.` : ""}`,
      unit: "",
    },
    classes: [],
    confusion: [],
    confusionOf: "",
    perClass: [],
    mistakes: [],
    tables: [...(result?.tables ?? []), ...(result && result.worst.length > 0 ? [worstTable(result)] : [])],
  };
}

/** What changed, and whether it could be chance. */
export function leadOf({ before, after, split, examples, sign, judged }: ScoredResult): string {
  const [was, is] = [before["loss"]!, after["loss"]!];
  const direction = is < was ? "fell" : is > was ? "rose" : "stayed";
  const change = `On ${count(examples)} held-out ${split} examples the loss${judged ? ` (${judged})` : ""} ${direction} from ${measured("loss", was)} to ${measured("loss", is)}.`;
  if (!sign)
    return `${change} The loss does not tell examples apart, so there is no test of whether this is chance.`;
  const verdict = sign.pValue < 0.05 ? "is beyond chance" : "could be chance";
  return `${change} The difference ${verdict} (${sign.better} better, ${sign.worse} worse, sign test p = ${probability(sign.pValue)}).`;
}

const headlineOf = ({ before, after }: ScoredResult): Report["headline"] =>
  Object.entries(after).map(([name, value]) => ({
    label: name,
    value: measured(name, value),
    ...(before[name] === undefined ? {} : { before: measured(name, before[name]) }),
  }));

function worstTable({ worst, split }: ScoredResult): Report["tables"][number] {
  const hasText = worst.some(({ text }) => text !== undefined);
  return {
    title: "Examples with the largest loss",
    head: ["example", "loss", ...(hasText ? ["as the model reads it"] : [])],
    rows: worst.map(({ id, loss, text }) => [id, measured("loss", loss), ...(hasText ? [text ?? ""] : [])]),
    note: `Of the ${split} examples, after tuning: file and row.`,
  };
}
