import type { ClassificationMetrics } from "../../tasks/classification-metrics.ts";
import type { EvaluationDone, StageStart, StepDone, TuneEvent } from "../../tune/events.ts";
import { bytes, count, duration, percent, probability } from "../numbers.ts";
import type { RunResult } from "../run-result.ts";
import type { Chart, Report, Series } from "./report.ts";

/** The files of a run folder, read. */
export interface RunRecord {
  readonly recipe: Readonly<Record<string, unknown>>;
  /** run.json */
  readonly about: Readonly<Record<string, unknown>>;
  readonly events: readonly TuneEvent[];
  /** Absent while the run is not finished. */
  readonly result?: RunResult;
}

/** The report of a run, finished or not. */
export function runReport({ recipe, about, events, result }: RunRecord): Report {
  const name = String(about["name"] ?? recipe["out"] ?? "a run");
  return {
    title: `Tuning report: ${name}`,
    lead: result ? leadOf(result) : "This run is not finished: what it measured so far.",
    headline: result ? headlineOf(result) : [],
    charts: [accuracyChart(events), lossChart(events), rateChart(events), gradientChart(events)].filter(
      (chart) => chart.series.some((series) => series.points.length > 1),
    ),
    blocks: result?.blocks ?? blocksIn(events),
    stages: events
      .filter((e): e is StageStart => e.type === "stage-start")
      .map((stage) => ({
        name: stage.stage,
        epochs: result?.plan.stages.find((s) => s.name === stage.stage)?.epochs ?? 0,
        rates: Object.fromEntries(stage.blocks.map((block) => [block.name, block.rate])),
      })),
    classes: result?.classes ?? [],
    confusion: result?.after.confusion ?? [],
    confusionOf: result ? `tuned model, ${result.split} images` : "",
    perClass: result ? perClassOf(result) : [],
    mistakes: result?.mistakes ?? [],
    settings: Object.entries(recipe).map(([key, value]) => [key, plain(value)]),
    versions: Object.entries(about).map(([key, value]) => [key, plain(value)]),
    notes: [...(result?.notes ?? []), ...events.flatMap((e) => (e.type === "warning" ? [e.message] : []))],
  };
}

function leadOf({ isFreshHead, split, after, before, mcnemar }: RunResult): string {
  const start = isFreshHead
    ? "Before tuning the model did not know these classes: its head was new and guessed."
    : "Before tuning the model already told these classes.";
  const change = after.accuracy - before.accuracy;
  const proof =
    mcnemar.pValue < 0.05
      ? `The difference is beyond chance (${mcnemar.gained} images gained, ${mcnemar.lost} lost, McNemar p = ${probability(mcnemar.pValue)}).`
      : `The difference could be chance (${mcnemar.gained} images gained, ${mcnemar.lost} lost, McNemar p = ${probability(mcnemar.pValue)}).`;
  const direction = change > 0 ? "rose" : change < 0 ? "fell" : "stayed";
  return `${start} On ${count(after.examples)} held-out ${split} images accuracy ${direction} from ${percent(before.accuracy)} to ${percent(after.accuracy)}. ${proof}`;
}

function headlineOf(result: RunResult): Report["headline"] {
  const { before, after, isFreshHead } = result;
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
    { label: `training, ${count(result.steps)} steps`, value: duration(result.trainedSeconds) },
    { label: "peak memory", value: bytes(result.peakMemory) },
  ];
}

const evaluations = (events: readonly TuneEvent[]) =>
  events.filter((e): e is EvaluationDone => e.type === "evaluation");
const steps = (events: readonly TuneEvent[]) => events.filter((e): e is StepDone => e.type === "step");

function accuracyChart(events: readonly TuneEvent[]): Chart {
  const points = (metric: string) =>
    evaluations(events).flatMap((e) =>
      e.metrics[metric] === undefined ? [] : [[e.step, e.metrics[metric]] as const],
    );
  const series: Series[] = [
    { name: "accuracy", points: points("accuracy") },
    { name: "macro F1", points: points("macroF1"), dashed: true },
  ];
  return { title: "Accuracy on the validation images", x: "step", y: "", percent: true, series };
}

function lossChart(events: readonly TuneEvent[]): Chart {
  const training = smooth(steps(events).map((e) => [e.step, e.loss] as const));
  const validation = evaluations(events).flatMap((e) =>
    e.metrics["loss"] === undefined ? [] : [[e.step, e.metrics["loss"]] as const],
  );
  return {
    title: "Loss",
    note: "Training: cross-entropy of the augmented batches, averaged over neighbouring steps. Validation: without augmentation.",
    x: "step",
    y: "nats",
    series: [
      { name: "training", points: training },
      { name: "validation", points: validation },
    ],
  };
}

function rateChart(events: readonly TuneEvent[]): Chart {
  const all = thin(steps(events));
  const names = [...new Set(all.flatMap((e) => Object.keys(e.rates)))];
  const shown = names.length <= 6 ? names : spread(names, 6);
  const series = shown.map((name) => ({
    name,
    points: all.flatMap((e) => (e.rates[name] ? [[e.step, e.rates[name]] as const] : [])),
  }));
  return {
    title: "Learning rate of each block",
    ...(shown.length < names.length
      ? { note: `${shown.length} of ${names.length} blocks are drawn; the table below has all.` }
      : {}),
    x: "step",
    y: "rate",
    log: "y",
    series,
  };
}

function gradientChart(events: readonly TuneEvent[]): Chart {
  const points = smooth(steps(events).map((e) => [e.step, e.gradientNorm] as const));
  return { title: "Gradient norm before clipping", x: "step", y: "", series: [{ name: "norm", points }] };
}

/** At most this many points of a curve are drawn. */
const mostPoints = 160;

/** Means over equal runs of neighbouring points. */
function smooth(points: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const size = Math.max(1, Math.ceil(points.length / mostPoints));
  const groups = Array.from({ length: Math.ceil(points.length / size) }, (_, i) =>
    points.slice(i * size, (i + 1) * size),
  );
  return groups.map((group) => [group.at(-1)![0], group.reduce((sum, [, y]) => sum + y, 0) / group.length]);
}

const thin = <T>(list: readonly T[]): T[] => {
  const every = Math.max(1, Math.ceil(list.length / mostPoints));
  return list.filter((_, i) => i % every === 0 || i === list.length - 1);
};

const spread = <T>(list: readonly T[], n: number): T[] =>
  Array.from({ length: n }, (_, i) => list[Math.round((i * (list.length - 1)) / (n - 1))]!);

const blocksIn = (events: readonly TuneEvent[]): string[] => [
  ...new Set(events.flatMap((e) => (e.type === "stage-start" ? e.blocks.map((b) => b.name) : []))),
];

const perClassOf = ({
  classes,
  after,
}: {
  readonly classes: readonly string[];
  readonly after: ClassificationMetrics;
}) => after.perClass.map(({ support, ...scores }, i) => ({ name: classes[i]!, ...scores, count: support }));

const plain = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
