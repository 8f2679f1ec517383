import { duration, percent } from "../numbers.ts";
import type { Chart, Report } from "../report/report.ts";
import type { CurvePoint, DemoDone } from "./events.ts";
import type { DemoArm } from "./plan.ts";

const names: { readonly [A in DemoArm]: string } = {
  pretrained: "tuned from letters",
  scratch: "the same network from scratch",
};

/** The tuned model's report with both trainings at its head. `tuned`: the report of its run. */
export function demoReport(tuned: Report, done: DemoDone): Report {
  const { pretrained, scratch } = done.results;
  return {
    ...tuned,
    title: "Diapason: from letters to digits",
    lead: done.lead,
    headline: [
      ...(["pretrained", "scratch"] as const).map((arm) => ({
        label: `test accuracy, ${names[arm]}`,
        value: percent(done.results[arm].test.accuracy),
      })),
      ...tuned.headline.slice(1, -2),
      // in place of the run's own card of its training
      { label: `training, ${names.pretrained}`, value: duration(pretrained.seconds) },
      { label: `training, ${names.scratch}`, value: duration(scratch.seconds) },
      ...tuned.headline.slice(-1),
    ],
    charts: [
      chart(done, "Accuracy by seconds", "seconds of training", ({ seconds }) => seconds),
      chart(
        done,
        "Accuracy by images seen",
        "training images seen, repetitions included",
        ({ examples }) => examples,
      ),
      ...tuned.charts,
    ],
    notes: [
      `Each training sees ${done.perClass} labelled images of a class, again and again; the charts above show accuracy on validation images, which choose the weights that are kept. The test images decide nothing.`,
      "The digits are the Optical Recognition of Handwritten Digits of E. Alpaydin and C. Kaynak (UCI, CC BY 4.0). People who wrote training images also wrote test images.",
      ...tuned.notes,
    ],
  };
}

/** What the demo found, in a sentence or two; true whichever training did better. */
export function leadOf({
  perClass,
  results: { pretrained, scratch },
}: Pick<DemoDone, "perClass" | "results">): string {
  const ahead = pretrained.test.accuracy - scratch.test.accuracy;
  const verdict =
    ahead > 0
      ? `${percent(ahead)} of the images more`
      : ahead < 0
        ? `${percent(-ahead)} of the images fewer`
        : "as many";
  const reached = firstAt(pretrained.curve, Math.max(...scratch.curve.map(({ accuracy }) => accuracy)));
  return (
    `A network that knows letters and no digit, tuned on ${perClass} handwritten digits of each kind, tells ${percent(pretrained.test.accuracy)} ` +
    `of ${pretrained.test.examples} test images; the same network from random weights, with as many steps on the same images, ` +
    `tells ${percent(scratch.test.accuracy)}. That is ${verdict}.` +
    (reached
      ? ` It passes the best validation accuracy of the other after ${duration(reached.seconds)}.`
      : "")
  );
}

const firstAt = (curve: readonly CurvePoint[], accuracy: number) =>
  curve.find((point) => point.accuracy >= accuracy);

function chart(
  { results }: Pick<DemoDone, "results">,
  title: string,
  x: string,
  at: (point: CurvePoint) => number,
): Chart {
  const series = (["pretrained", "scratch"] as const).map((arm) => ({
    name: names[arm],
    points: results[arm].curve.map((point) => [at(point), point.accuracy] as const),
    dashed: arm === "scratch",
  }));
  return { title, note: "On validation images.", x, y: "", percent: true, series };
}
