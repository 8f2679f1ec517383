import type { DemoDone } from "../app/demo/events.ts";
import { duration, percent } from "../app/numbers.ts";
import type { Told } from "./tell-tune.ts";
import { textPlot } from "./text-plot.ts";

/** Tells what came of the demo's two tunings. */
export const demoTeller = {
  demo: (event: DemoDone, width: number): Told => ({ line: demoText(event, width) }),
} as const;

/** Characters beside the columns of a plot: its axis, and the unit at its end. */
const besidePlot = 17;

function demoText({ results, perClass, lead, model, report, seconds }: DemoDone, width: number): string {
  const { pretrained, scratch } = results;
  const row = (name: string, { test, seconds: took, steps }: typeof scratch) => {
    const [low, high] = test.accuracyInterval;
    return `  ${name.padEnd(20)} ${percent(test.accuracy).padStart(7)}  (95 % interval ${percent(low)} to ${percent(high)})  ${steps} steps, ${duration(took)}`;
  };
  const plot = (x: string, at: (point: (typeof scratch.curve)[number]) => number) => {
    const points = (curve: typeof scratch.curve) => curve.map((p) => [at(p), p.accuracy] as const);
    const curves = [
      { mark: "●", name: "tuned from letters", points: points(pretrained.curve) },
      { mark: "·", name: "from scratch", points: points(scratch.curve) },
    ];
    return textPlot(curves, x, { width: Math.max(20, Math.min(60, width - besidePlot)), height: 10 });
  };
  return [
    "",
    "Validation accuracy by seconds of training",
    plot("s", (p) => p.seconds),
    "",
    "Validation accuracy by training images seen",
    plot("images", (p) => p.examples),
    "",
    `Accuracy on ${pretrained.test.examples} test images, after ${perClass} labelled images of each digit:`,
    row("tuned from letters", pretrained),
    row("from scratch", scratch),
    lead,
    "",
    `Model    ${model}`,
    `Report   ${report}`,
    `Took     ${duration(seconds)}`,
  ].join("\n");
}
