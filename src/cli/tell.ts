import type {
  EntitiesOf,
  Evaluated,
  Generated,
  Gradchecked,
  Inspected,
  Note,
  OutputsOf,
  PlanCost,
  Predicted,
  Progress,
  ReportWritten,
  RunRow,
  Scored,
  VerbEvent,
  Written,
} from "../app/index.node.ts";
import { bytes, count, measured, percent } from "../app/numbers.ts";
import { demoTeller } from "./tell-demo.ts";
import { exportTeller } from "./tell-export.ts";
import { hubTeller } from "./tell-hub.ts";
import { type Told, tuneTeller } from "./tell-tune.ts";
import { narrowTable, wrapItems } from "./wrap.ts";

type OtherEvent =
  | EntitiesOf
  | Generated
  | Evaluated
  | Gradchecked
  | Inspected
  | Note
  | OutputsOf
  | Predicted
  | Progress
  | ReportWritten
  | RunRow
  | Scored
  | Written;

const others: {
  readonly [T in OtherEvent["type"]]: (
    event: Extract<OtherEvent, { type: T }>,
    width: number,
  ) => Told | undefined;
} = {
  evaluated: (event, width) => ({ line: evaluatedText(event, width) }),
  entities: ({ id, entities }) => ({
    line: [id, ...entities.map((e) => `  ${percent(e.probability).padStart(7)}  ${e.label}  ${e.text}`)].join(
      "\n",
    ),
  }),
  generated: ({ prompt, text, isAnswer }) => ({
    line: isAnswer ? `> ${prompt.split("\n").join("\n> ")}\n${text.trim()}\n` : `${prompt}${text}\n`,
  }),
  gradcheck: (event) => ({ line: gradcheckText(event) }),
  model: (event, width) => ({ line: modelText(event, width) }),
  note: ({ message }) => ({ line: `Note    ${message}` }),
  outputs: ({ id, outputs }) => ({
    line: [id, ...Object.entries(outputs).map(([name, value]) => `  ${name}  ${shortened(value)}`)].join(
      "\n",
    ),
  }),
  prediction: ({ path, labels }) => ({
    line: `${path}\n${labels.map((l) => `  ${percent(l.probability).padStart(7)}  ${l.label}`).join("\n")}`,
  }),
  progress: ({ what, done, total }) => ({ progress: `  ${what} ${done}/${total}` }),
  report: ({ path, finished }) => ({
    line: `Report  ${path}${finished ? "" : " (the run is not finished)"}`,
  }),
  run: ({ path, state, model, plan, best }) => {
    const score = best ? `  ${best.metric} ${measured(best.metric, best.value)}` : "";
    return { line: `${path}  ${state}  ${plan}  ${model}${score}` };
  },
  scored: (event) => ({ line: scoredText(event) }),
  written: ({ path, examples, outputs }) => ({
    line: `${path}: ${outputs.map((o) => `${o.name} ${o.dtype} [${o.dims.join(", ")}]`).join("; ")} for ${examples} examples`,
  }),
};

/**
 * Says in words what happens; undefined for what only programs want to know. `width`: characters that lists, tables and plots
 * may be wide; sentences may be wider. `memory`: bytes that the process holds now.
 */
export function teller(memory: () => number): (event: VerbEvent, width: number) => Told | undefined {
  const tellers = {
    ...tuneTeller(memory),
    ...demoTeller,
    ...exportTeller,
    ...hubTeller,
    ...others,
  } as unknown as Readonly<Record<string, (event: VerbEvent, width: number) => Told | undefined>>;
  return (event, width) => tellers[event.type]?.(event, width);
}

/** Characters of a row of scores beside the name of its class. */
const scoresWidth = 39;

function evaluatedText({ data, split, unit, classes, metrics, worst }: Evaluated, room: number): string {
  const [low, high] = metrics.accuracyInterval;
  const longest = Math.max(5, ...classes.map((name) => name.length));
  const width = Math.max(5, Math.min(24, longest, room - scoresWidth));
  const rows = metrics.perClass.map(
    (c, i) =>
      `  ${classes[i]!.slice(0, width).padEnd(width)}  ${percent(c.precision).padStart(9)}  ${percent(c.recall).padStart(7)}  ${percent(c.f1).padStart(7)}  ${String(c.support).padStart(6)}`,
  );
  return [
    `${metrics.examples} ${unit} (${split}) of ${data}`,
    `accuracy ${percent(metrics.accuracy)} (95 % interval ${percent(low)} to ${percent(high)})${metrics.top5 === undefined ? "" : `, top 5 ${percent(metrics.top5)}`}`,
    `macro F1 ${percent(metrics.macroF1)}, negative log-likelihood ${metrics.nll.toFixed(3)}, calibration error ${percent(metrics.ece)}`,
    `  ${"class".padEnd(width)}  precision   recall       F1  ${unit}`,
    ...rows,
    ...worst
      .slice(0, 5)
      .map((m) => `  mistake: ${m.id} is ${m.label}, taken for ${m.predicted} (${percent(m.probability)})`),
  ].join("\n");
}

/** Numbers of an output on a line. */
function shortened(value: OutputsOf["outputs"][string]): string {
  const text = JSON.stringify(value, (_, v: unknown) =>
    typeof v === "number" ? Number(v.toPrecision(5)) : v,
  );
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}

function scoredText({ data, split, examples, metrics, worst }: Scored): string {
  return [
    `${examples} examples (${split}) of ${data}`,
    ...Object.entries(metrics).map(([name, value]) => `  ${name} ${measured(name, value)}`),
    ...worst.slice(0, 5).map(({ id, loss }) => `  largest loss: ${id}, ${measured("loss", loss)}`),
  ].join("\n");
}

function gradcheckText({
  parameters,
  largestRelativeError,
  tolerance,
  verdict,
  precision,
  directions,
  besideTies,
  loss,
}: Gradchecked): string {
  const worst = [...parameters].sort((a, b) => b.largestRelativeError - a.largestRelativeError).slice(0, 5);
  const flat = parameters.filter((p) => p.largestGradient === 0).length;
  const resolutions = parameters.map(({ resolution = 0 }) => resolution);
  const hidden = resolutions.filter((r) => r >= 1).length;
  const coarse = resolutions.filter((r) => r > tolerance && r < 1);
  return [
    `Gradients of "${loss}" with respect to ${parameters.length} parameter${parameters.length === 1 ? "" : "s"}, in ${precision}: ${verdict}`,
    ...(directions > 0
      ? [
          `all of their elements moved at once, along ${directions} random direction${directions === 1 ? "" : "s"}`,
        ]
      : []),
    ...(besideTies
      ? ["rounded numbers moved a little within their rounding, as maxima of them were tied"]
      : []),
    `largest relative error ${largestRelativeError.toExponential(1)} (${tolerance.toExponential(0)} is allowed)`,
    ...(flat > 0
      ? [`${flat} of them do not change it at these inputs, which proves little of their gradients`]
      : []),
    ...(hidden > 0 ? [`${hidden} of them do less to it than rounding does, which proves nothing`] : []),
    ...(coarse.length > 0
      ? [
          `rounding would hide an error below ${Math.max(...coarse).toExponential(0)} in ${coarse.length} of them`,
        ]
      : []),
    ...worst.map((p) => `  ${p.largestRelativeError.toExponential(1)}  ${p.name}`),
  ].join("\n");
}

/** The blocks, and what a plan costs. */
function tunableText({ blocks, withoutGradient }: Inspected, plan: PlanCost, width: number): string[] {
  return [
    "Blocks",
    ...blocks.map((b) => `  ${count(b.elements).padStart(7)}  ${b.name}`),
    `Plan     ${narrowTable(plan.table, width - 9)
      .split("\n")
      .join("\n         ")}`,
    ...plan.stages.map(
      (s) =>
        `  ${s.name}: ${count(s.moving)} move; a step of ${plan.batchSize}: ${count(s.forwardFlops)} FLOP forward, ${count(s.backwardFlops)} backward; about ${bytes(s.memory.total)}`,
    ),
    withoutGradient.length === 0 ? "Every operator on the way of a gradient has one." : "Without gradient:",
  ];
}

function modelText(event: Inspected, width: number): string {
  const assumed = Object.entries(event.assumedSizes).map(([symbol, size]) => `${symbol} = ${size}`);
  const port = (p: Inspected["inputs"][number]) =>
    `${p.name} ${p.dtype}${p.shape ? ` [${p.shape.join(", ")}]` : ""}`;
  return [
    `Model    ${event.source}`,
    `Seems    ${event.purpose}`,
    ...event.inputs.map((p) => `Input    ${port(p)}`),
    ...event.outputs.map(
      (p, i) =>
        `Output   ${port(p)}${p.isConstant ? ", always the same" : ""}${event.classes === undefined || i > 0 ? "" : `, ${event.classes} classes`}`,
    ),
    `Size     ${count(event.parameters)} parameters, ${event.nodes} nodes, ${count(event.flops)} FLOP an example${assumed.length > 0 ? ` with ${assumed.join(", ")}` : ""}`,
    ...wrapItems(
      "Ops      ",
      event.operators.map(({ op, count: n }) => `${op} ${n}`),
      width,
    ),
    ...(event.plan
      ? tunableText(event, event.plan, width)
      : ["There is nothing to tune: no output depends on a weight that is stored."]),
    ...event.withoutGradient.map(
      (o) =>
        `  ${o.op}${o.node === "" ? "" : ` "${o.node}"`} stops ${o.stops.length} parameter${o.stops.length === 1 ? "" : "s"} (${o.stops.slice(0, 2).join(", ")}${o.stops.length > 2 ? ", …" : ""})`,
    ),
    ...event.notes.map((note) => `Note     ${note}`),
  ].join("\n");
}
