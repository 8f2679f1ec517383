import type { EvaluationDone, StageStart, StepDone, TuneEvent } from "../../tune/events.ts";
import { bytes, count, duration } from "../numbers.ts";
import type { ReportPart } from "../task.ts";
import type { RunResult } from "../tune/run-result.ts";
import type { Chart, Report } from "./report.ts";

/** The files of a run folder, read. */
export interface RunRecord<R extends RunResult = RunResult> {
  readonly recipe: Readonly<Record<string, unknown>>;
  /** run.json */
  readonly about: Readonly<Record<string, unknown>>;
  readonly events: readonly TuneEvent[];
  /** Absent while the run is not finished. */
  readonly result?: R;
}

/** The report of a run, finished or not. `part`: what its task shows. */
export function runReport({ recipe, about, events, result }: RunRecord, part: ReportPart): Report {
  const name = String(about["name"] ?? recipe["out"] ?? "a run");
  const { loss, lead, headline, charts, ...rest } = part;
  return {
    ...rest,
    title: `Tuning report: ${name}`,
    lead: result ? lead : "This run is not finished: what it measured so far.",
    headline: result ? [...headline, ...costOf(result)] : [],
    charts: [...charts, lossChart(events, loss), rateChart(events), gradientChart(events)]
      .map((chart) => ({ ...chart, series: chart.series.filter(({ points }) => points.length > 0) }))
      .filter(({ series }) => series.some(({ points }) => points.length > 1)),
    blocks: result?.blocks ?? blocksIn(events),
    stages: events
      .filter((e): e is StageStart => e.type === "stage-start")
      .map((stage) => ({
        name: stage.stage,
        epochs: result?.plan.stages.find((s) => s.name === stage.stage)?.epochs ?? 0,
        rates: Object.fromEntries(stage.blocks.map((block) => [block.name, block.rate])),
      })),
    settings: Object.entries(recipe).map(([key, value]) => [key, plain(value)]),
    versions: Object.entries(about).map(([key, value]) => [key, plain(value)]),
    notes: [...(result?.notes ?? []), ...events.flatMap((e) => (e.type === "warning" ? [e.message] : []))],
  };
}

const costOf = (result: RunResult): Report["headline"] => [
  { label: `training, ${count(result.steps)} steps`, value: duration(result.trainedSeconds) },
  { label: "peak memory", value: bytes(result.peakMemory) },
];

/** A metric of the validation examples over the steps, where it was measured. */
export const validationPoints = (
  events: readonly TuneEvent[],
  metric: string,
): readonly (readonly [number, number])[] =>
  evaluations(events).flatMap((e) =>
    e.metrics[metric] === undefined ? [] : [[e.step, e.metrics[metric]] as const],
  );

const evaluations = (events: readonly TuneEvent[]) =>
  events.filter((e): e is EvaluationDone => e.type === "evaluation");
const steps = (events: readonly TuneEvent[]) => events.filter((e): e is StepDone => e.type === "step");

function lossChart(events: readonly TuneEvent[], { note, unit }: ReportPart["loss"]): Chart {
  return {
    title: "Loss",
    note,
    x: "step",
    y: unit,
    series: [
      { name: "training", points: smooth(steps(events).map((e) => [e.step, e.loss] as const)) },
      { name: "validation", points: validationPoints(events, "loss") },
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

/** A setting in words: lists of objects, such as stages, a line each. */
function plain(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value))
    return value.map(plain).join(value.some((item) => typeof item === "object") ? "\n" : ", ");
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return entries.map(([key, item]) => `${key}: ${plain(item)}`).join(", ");
}
