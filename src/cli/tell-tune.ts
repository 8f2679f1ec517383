import type { Before, Found, Saved, TuneVerbEvent } from "../app/index.node.ts";
import { bytes, count, duration, percent, probability } from "../app/numbers.ts";

/** What a person is told of one event: a line that stays, or the state of something under way. */
export type Told = { readonly line: string } | { readonly progress: string };

type TuneTeller = {
  readonly [T in TuneVerbEvent["type"]]: (event: Extract<TuneVerbEvent, { type: T }>) => Told | undefined;
};

/** Tells a tuning run: every event a line, steps as progress. */
export function tuneTeller(): TuneTeller {
  let planned = 0;
  let first: { readonly step: number; readonly seconds: number } | undefined;
  return {
    found: (event) => ({ line: foundText(event) }),
    before: (event) => ({ line: beforeText(event) }),
    "run-start": (event) => {
      planned = event.plannedSteps;
      return event.resumedFromStep === undefined
        ? undefined
        : { line: `Going on from step ${event.resumedFromStep}.` };
    },
    "stage-start": ({ stage, blocks, plannedSteps }) => {
      const elements = blocks.reduce((sum, block) => sum + block.elements, 0);
      return {
        line: `\nStage "${stage}": ${count(elements)} parameters of ${blocks.length} blocks move for ${plannedSteps} steps.`,
      };
    },
    step: ({ step, seconds, loss, rates, examplesPerSecond }) => {
      first ??= { step, seconds };
      const left =
        step > first.step ? ((seconds - first.seconds) / (step - first.step)) * (planned - step) : Number.NaN;
      const rate = Math.max(0, ...Object.values(rates)).toExponential(1);
      return {
        progress: `  step ${step}/${planned}  loss ${loss.toFixed(3)}  rate ${rate}  ${examplesPerSecond.toFixed(0)}/s  ${duration(left)} left`,
      };
    },
    evaluation: ({ epoch, step, metrics, trainLoss, isBest, seconds }) => {
      const train = trainLoss === undefined ? "" : `  train loss ${trainLoss.toFixed(3)}`;
      const held = metrics["loss"] === undefined ? "" : `  loss ${metrics["loss"].toFixed(3)}`;
      return {
        line: `  epoch ${epoch}  step ${step}${train}${held}  accuracy ${percent(metrics["accuracy"] ?? 0)}${isBest ? " *" : ""}  ${duration(seconds)}`,
      };
    },
    checkpoint: () => undefined,
    "early-stop": ({ best }) => ({
      line: `  No better evaluation for a while: stopping at the best, step ${best.step}.`,
    }),
    "stage-end": () => undefined,
    warning: ({ message }) => ({ line: `  warning: ${message}` }),
    "run-end": ({ reason, step, seconds }) => ({ line: endText(reason, step, seconds) }),
    saved: (event) => ({ line: savedText(event) }),
  };
}

const endText = (reason: string, step: number, seconds: number): string =>
  reason === "stopped"
    ? `\nStopped after step ${step}; a checkpoint is written. Go on with "diapason resume RUN".`
    : `\nTrained ${step} steps in ${duration(seconds)}${reason === "completed" ? "" : ` (${reason} reached)`}.`;

function foundText({ model, data, plan, movingParameters, peakMemory, notes }: Found): string {
  const sum = (split: "train" | "validation" | "test") => data.classes.reduce((n, c) => n + c[split], 0);
  const shown = data.classes.length > 12 ? data.classes.slice(0, 10) : data.classes;
  const rest = data.classes.length - shown.length;
  const blocks = model.blocks.map((b) => `${b.name} ${count(b.elements)}`);
  return [
    `Model   ${model.source}`,
    `        ${count(model.parameters)} parameters, input [${model.input.join(", ")}]`,
    ...wrapped("Blocks  ", blocks),
    `Data    ${data.root}`,
    `        ${data.classes.length} classes; images: ${sum("train")} train, ${sum("validation")} validation, ${sum("test")} test (${data.origin})`,
    ...wrapped("        ", [
      ...shown.map((c) => `${c.name} ${c.train}`),
      ...(rest > 0 ? [`${rest} more`] : []),
    ]),
    `Plan    ${plan.split("\n").join("\n        ")}`,
    `        ${count(movingParameters)} of ${count(model.parameters)} parameters move; about ${bytes(peakMemory)} of memory`,
    ...notes.map((note) => `Note    ${note}`),
  ].join("\n");
}

const beforeText = ({ split, accuracy, isFreshHead, secondsPerEpoch }: Before): string =>
  `Before  accuracy ${percent(accuracy)} on ${split}${isFreshHead ? " (the head is new: a guess)" : ""}; an epoch takes about ${duration(secondsPerEpoch)}`;

function savedText({ out, run, report, split, before, after, pValue }: Saved): string {
  const [low, high] = after.accuracyInterval;
  return [
    `Accuracy on ${after.examples} ${split} images: ${percent(before.accuracy)} before, ${percent(after.accuracy)} after`,
    `  95 % interval ${percent(low)} to ${percent(high)}; McNemar p = ${probability(pValue)}`,
    `Model   ${out}`,
    `Report  ${report}`,
    `Run     ${run}`,
  ].join("\n");
}

/** Items on lines of at most 78 characters, under a label. */
export function wrapped(label: string, items: readonly string[]): string[] {
  const lines: string[] = [];
  let line = label;
  items.forEach((item, i) => {
    const text = `${item}${i < items.length - 1 ? "," : ""}`;
    if (line.trim() !== label.trim() && line.length + text.length + 1 > 78) {
      lines.push(line.trimEnd());
      line = " ".repeat(label.length);
    }
    line += `${text} `;
  });
  return [...lines, line.trimEnd()];
}
