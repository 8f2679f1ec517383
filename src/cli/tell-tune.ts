import type {
  Before,
  DemoArmStart,
  Download,
  Found,
  Note,
  Progress,
  Saved,
  TuneVerbEvent,
} from "../app/index.node.ts";
import { bytes, count, duration, measured, percent, probability } from "../app/numbers.ts";
import { shellWord } from "../base/shell-word.ts";
import { narrowTable, wrapItems } from "./wrap.ts";

/** What a person is told of one event: a line that stays, or the state of something under way. */
export type Told = { readonly line: string } | { readonly progress: string };

type OwnEvent = Exclude<TuneVerbEvent, Download | Note | Progress> | DemoArmStart;

type TuneTeller = {
  readonly [T in OwnEvent["type"]]: (
    event: Extract<OwnEvent, { type: T }>,
    width: number,
  ) => Told | undefined;
};

/** Tells a tuning run, or the demo's two: every event a line, steps as progress. `memory`: bytes that the process holds now. */
export function tuneTeller(memory: () => number): TuneTeller {
  let planned = 0;
  let run = "RUN";
  let isDemo = false;
  let first: { readonly step: number; readonly seconds: number } | undefined;
  return {
    "demo-arm": ({ message }) => {
      isDemo = true;
      return { line: `\n${message}` };
    },
    found: (event, width) => {
      run = event.run;
      return { line: foundText(event, width) };
    },
    before: (event) => ({ line: beforeText(event) }),
    "run-start": (event) => {
      planned = event.plannedSteps;
      first = undefined;
      return event.resumedFromStep === undefined
        ? undefined
        : { line: `Going on from step ${event.resumedFromStep}.` };
    },
    "stage-start": ({ stage, blocks, plannedSteps }) => {
      const elements = blocks.reduce((sum, block) => sum + block.elements, 0);
      return {
        line: `\nStage "${stage}": ${count(elements)} parameters of ${blocks.length} ${blocks.length === 1 ? "block" : "blocks"} move for ${plannedSteps} ${plannedSteps === 1 ? "step" : "steps"}.`,
      };
    },
    step: ({ step, seconds, loss, rates, examplesPerSecond }) => {
      first ??= { step, seconds };
      const left =
        step > first.step ? ((seconds - first.seconds) / (step - first.step)) * (planned - step) : Number.NaN;
      const highest = Math.max(0, ...Object.values(rates));
      const rate = highest === 0 ? "0" : highest.toExponential(1);
      return {
        progress: `  step ${step}/${planned}  loss ${loss.toFixed(3)}  rate ${rate}  ${examplesPerSecond.toFixed(0)}/s  ${bytes(memory())}${Number.isFinite(left) ? `  ${duration(left)} left` : ""}`,
      };
    },
    evaluation: ({ epoch, step, metrics, trainLoss, isBest, seconds }) => {
      const train = trainLoss === undefined ? "" : `  train loss ${trainLoss.toFixed(3)}`;
      const held = Object.entries(metrics).map(
        ([name, value]) => `  ${named(name)} ${measured(name, value)}`,
      );
      return {
        line: `  epoch ${epoch}  step ${step}${train}${held.join("")}${isBest ? " *" : ""}  ${duration(seconds)}`,
      };
    },
    checkpoint: () => undefined,
    // Those without are warned of one by one.
    gradients: ({ parameters, steps, without }) =>
      without.length > 0
        ? undefined
        : {
            line: `Checked ${parameters === 1 ? "the one parameter that begins to move has" : `all ${parameters} parameters that begin to move have`} a gradient${steps === 1 ? "" : `, seen over ${steps} steps`}`,
          },
    "early-stop": ({ best }) => ({
      line: `  No better evaluation for a while: stopping at the best, step ${best.step}.`,
    }),
    "stage-end": () => undefined,
    warning: ({ message }) => ({ line: `  warning: ${message}` }),
    "run-end": ({ reason, step, seconds }) => ({
      line: endText(reason, step, seconds, isDemo ? "demo" : `resume ${shellWord(run)}`),
    }),
    saved: (event) => ({ line: savedText(event) }),
  };
}

const endText = (reason: string, step: number, seconds: number, next: string): string =>
  reason === "stopped"
    ? `\nStopped ${step === 0 ? "before the first step" : `after step ${step}; a checkpoint is written`}. ${next === "demo" ? "Begin again" : "Go on"} with "diapason ${next}".`
    : `\nTrained ${step} ${step === 1 ? "step" : "steps"} in ${duration(seconds)}${reason === "completed" ? "" : ` (${reason} reached)`}.`;

/** A metric's name as a person writes it. */
const named = (metric: string): string => (metric === "macroF1" ? "macro F1" : metric);

function foundText({ model, data, plan, movingParameters, notes, checks }: Found, width: number): string {
  const { train, validation, test } = data.examples;
  const shown = data.classes.length > 12 ? data.classes.slice(0, 10) : data.classes;
  const rest = data.classes.length - shown.length;
  const blocks = model.blocks.map((b) => `${b.name} ${count(b.elements)}`);
  const classes = data.classes.length > 0 ? `${data.classes.length} classes; ` : "";
  const items = [
    ...shown.map((c) => `${c.name} ${c.train}`),
    ...(rest > 0 ? [`${rest} more`] : []),
    ...data.arrays,
  ];
  return [
    `Model   ${model.source}`,
    `        ${count(model.parameters)} parameters, input [${model.input.join(", ")}]`,
    ...wrapItems("Blocks  ", blocks, width),
    `Data    ${data.root}`,
    `        ${classes}${data.unit}: ${train} train, ${validation} validation, ${test} test (${data.origin})`,
    ...(items.length > 0 ? wrapItems("        ", items, width) : []),
    `Plan    ${narrowTable(plan, width - 8)
      .split("\n")
      .join("\n        ")}`,
    `        ${count(movingParameters)} of ${count(model.parameters)} parameters move`,
    ...checks.map(({ found, isFine }) => `${isFine ? "Checked" : "Look   "} ${found}`),
    ...notes.map((note) => `Note    ${note}`),
  ].join("\n");
}

function beforeText({ split, goal, metrics, isFreshHead, secondsPerEpoch }: Before): string {
  const value = measured(goal, metrics[goal] ?? Number.NaN);
  const guess = isFreshHead ? " (the head is new: a guess)" : "";
  return `Before  ${named(goal)} ${value} on ${split}${guess}; an epoch takes about ${duration(secondsPerEpoch)}`;
}

function savedText({ out, run, report, split, unit, goal, before, after, pValue }: Saved): string {
  const names = [goal, ...Object.keys(after.metrics).filter((name) => name !== goal)];
  const change = (name: string) => {
    const was = before.metrics[name];
    const before1 = was === undefined ? "" : `${measured(name, was)} before, `;
    return `${before1}${measured(name, after.metrics[name] ?? Number.NaN)} after`;
  };
  const first = `${named(goal)[0]!.toUpperCase()}${named(goal).slice(1)}`;
  const interval = after.accuracyInterval?.map(percent).join(" to ");
  const proofs = [
    ...(interval ? [`95 % interval ${interval}`] : []),
    ...(pValue === undefined
      ? []
      : [`${interval ? "McNemar" : "sign test of the losses"} p = ${probability(pValue)}`]),
  ];
  return [
    `${first} on ${after.examples} ${split} ${unit}: ${change(goal)}`,
    ...(proofs.length > 0 ? [`  ${proofs.join("; ")}`] : []),
    ...names.slice(1).map((name) => `  ${named(name)}: ${change(name)}`),
    `Model   ${out}`,
    `Report  ${report}`,
    `Run     ${run}`,
  ].join("\n");
}
