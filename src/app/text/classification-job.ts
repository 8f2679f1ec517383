import { bug } from "../../base/errors.ts";
import type { TextRow } from "../../data/text/text-dataset.ts";
import { compareEvaluations } from "../../evaluate/compare.ts";
import {
  checkFinite,
  classJudge,
  type Evaluation,
  logitsOf,
  type Prediction,
} from "../../evaluate/evaluate.ts";
import type { HostTensor } from "../../runtime/runtime.ts";
import { softmax } from "../../tasks/classification-metrics.ts";
import { attachLabelLoss, type LabelKind, problemTypes } from "../../tasks/label-loss.ts";
import { multiLabelMetrics, regressionMetrics } from "../../tasks/label-metrics.ts";
import type { Metrics } from "../../tune/events.ts";
import type { ClassifierResult } from "../classifier/result.ts";
import { constantNotes, mistakesOf, scoresOf, withNames } from "../classifier/result.ts";
import type { OutputsOf, Predicted } from "../judging.ts";
import type { RunResult } from "../tune/run-result.ts";
import { encodeTexts } from "./encode.ts";
import { excerpt } from "./excerpt.ts";
import type { EncodedText, JobContext, TextJob } from "./job.ts";
import { encoderRate } from "./rates.ts";
import { type TextScores, toldByScores } from "./told-by-scores.ts";

/** A text with what is to be said of it. */
export interface LabelledText extends EncodedText {
  /** Shares of the classes, 0 or 1 for each class, or the number: [outputs]. */
  readonly target: Float32Array;
  /** The class, where it is one of several; else 0. */
  readonly label: number;
  /** As much of the text as a report shows. */
  readonly text: string;
}

/** Whether a text is one of several classes, any number of them, or a number. */
export const classificationJob = (context: JobContext): TextJob<LabelledText, unknown> =>
  jobs[context.labels ?? "class"](context) as TextJob<LabelledText, unknown>;

const jobs: { readonly [K in LabelKind]: (context: JobContext) => unknown } = {
  class: (context): TextJob<LabelledText, Evaluation> => ({
    ...labelJob(context, "class"),
    ...oneClass(context.classes),
  }),
  classes: (context): TextJob<LabelledText, TextScores> => ({
    ...labelJob(context, "classes"),
    ...measured({
      tokenizer: context.tokenizer,
      goal: { name: "micro F1", mode: "max" },
      loss: "binary cross-entropy",
      shares: ["exact match", "micro F1", "macro F1"],
      metricsOf(logits, targets) {
        const { exactMatch, microF1, macroF1, loss } = multiLabelMetrics(logits, targets);
        return { loss, "exact match": exactMatch, "micro F1": microF1, "macro F1": macroF1 };
      },
      lossOf: (logits, target) => multiLabelMetrics([logits], [target]).loss,
    }),
  }),
  number: (context): TextJob<LabelledText, TextScores> => ({
    ...labelJob(context, "number"),
    ...measured({
      tokenizer: context.tokenizer,
      goal: { name: "loss", mode: "min" },
      loss: "squared error",
      shares: [],
      metricsOf(logits, targets) {
        const { mse, pearson, spearman } = regressionMetrics(
          logits.map((row) => row[0]!),
          targets.map((row) => row[0]!),
        );
        return { loss: mse, pearson, spearman };
      },
      lossOf: (logits, target) => (logits[0]! - target[0]!) ** 2,
    }),
  }),
};

const output = "logits";

/** What the kinds of labels have in common. */
function labelJob(context: JobContext, kind: LabelKind) {
  const { classes, tokenizer, maxTokens, labelSmoothing } = context;
  const outputs = kind === "number" ? 1 : classes.length;
  const numbers = new Map(classes.map((name, i) => [name, i]));
  const smoothing = kind === "class" ? labelSmoothing : 0;
  let targets = "";
  const targetOf = ({ values: { label } }: TextRow): Float32Array => {
    if (typeof label === "number") return Float32Array.of(label);
    const target = new Float32Array(outputs).fill(smoothing / outputs);
    for (const name of typeof label === "string" ? [label] : (label ?? []))
      target[numbers.get(name) ?? bug(`"${name}" is no class of the dataset`)]! += 1 - smoothing;
    return target;
  };
  return {
    head: "sequence-classification",
    learningRate: encoderRate,
    labels: kind === "number" ? ["LABEL_0"] : classes,
    config: { problem_type: problemTypes[kind] },
    async encode(rows: readonly TextRow[]): Promise<LabelledText[]> {
      const encoded = await encodeTexts(tokenizer, rows, maxTokens);
      return encoded.map((text, i) => {
        const { values } = rows[i]!;
        return {
          ...text,
          target: targetOf(rows[i]!),
          label: typeof values.label === "string" ? numbers.get(values.label)! : 0,
          text: excerpt([values.text, values.pair].filter((part) => part !== undefined).join(" | ")),
        };
      });
    },
    async encodeUnlabelled(rows: readonly TextRow[]): Promise<LabelledText[]> {
      const encoded = await encodeTexts(tokenizer, rows, maxTokens);
      return encoded.map((text) => ({ ...text, target: new Float32Array(outputs), label: 0, text: text.id }));
    },
    attach(graph, model) {
      const attached = attachLabelLoss(graph, graph.get(model.output.name), kind);
      targets = attached.targets;
      return { ...attached, outputs: [output] };
    },
    targets({ examples }) {
      const data = new Float32Array(examples.length * outputs);
      examples.forEach(({ target }, i) => {
        data.set(target, i * outputs);
      });
      return { [targets]: { dtype: "float32", dims: [examples.length, outputs], data } };
    },
    countOf: () => 1,
    say({ examples }, given, top) {
      return rowsOf(given[output], examples.length, outputs).map((row, i): Predicted | OutputsOf => {
        const { id } = examples[i]!;
        // What transformers' pipeline calls it.
        if (kind === "number") return { type: "outputs", id, outputs: { score: [...row] } };
        const shares = kind === "class" ? softmax(row) : row.map((logit) => 1 / (1 + Math.exp(-logit)));
        const labels = classes.map((label, c) => ({ label, probability: shares[c]! }));
        labels.sort((a, b) => b.probability - a.probability);
        return { type: "prediction", path: id, labels: labels.slice(0, top) };
      });
    },
  } as const satisfies Partial<TextJob<LabelledText, unknown>>;
}

/** How a classifier is judged. */
function oneClass(
  classes: readonly string[],
): Pick<TextJob<LabelledText, Evaluation>, "judge" | "goal" | "scores" | "details" | "judged" | "lines"> {
  const named = (prediction: Prediction) => withNames(prediction, classes);
  return {
    judged: ({ metrics, worst }, of) => ({
      type: "evaluated",
      ...of,
      unit: "texts",
      classes,
      metrics,
      worst: worst.map(named),
    }),
    lines: ({ predictions }) => predictions.map((p) => ({ ...named(p), loss: p.loss })),
    goal: { name: "accuracy", mode: "max", tie: { name: "loss", mode: "min" } },
    judge() {
      const judge = classJudge(classes.length);
      return {
        add({ examples }, outputs) {
          const rows = rowsOf(outputs[output], examples.length, classes.length);
          examples.forEach(({ id, label }, i) => {
            judge.add({ id, path: id, label }, rows[i]!);
          });
        },
        finish: () => judge.finish(),
      };
    },
    scores: scoresOf,
    details(before, after, { trained, held }) {
      const { mcnemar } = compareEvaluations(before, after);
      const texts = new Map(held.map(({ id, text }) => [id, { text }]));
      const details: Omit<ClassifierResult, keyof RunResult> = {
        classes,
        trainCounts: classes.map((_, label) => trained.filter((text) => text.label === label).length),
        before: before.metrics,
        after: after.metrics,
        mcnemar,
        mistakes: mistakesOf(after, classes, texts),
      };
      return { details, pValue: mcnemar.pValue, notes: constantNotes(after, classes, "texts") };
    },
  };
}

interface Measure {
  readonly goal: TextJob<LabelledText, TextScores>["goal"];
  /** What is minimised, in words. */
  readonly loss: string;
  /** Metrics that are shares. */
  readonly shares: readonly string[];
  readonly tokenizer: JobContext["tokenizer"];
  metricsOf(logits: readonly Float32Array[], targets: readonly Float32Array[]): Metrics;
  lossOf(logits: Float32Array, target: Float32Array): number;
}

/** How a model is judged whose outputs are compared with targets one by one. */
function measured({
  goal,
  loss,
  shares,
  tokenizer,
  metricsOf,
  lossOf,
}: Measure): Pick<
  TextJob<LabelledText, TextScores>,
  "judge" | "goal" | "scores" | "details" | "judged" | "lines"
> {
  return {
    ...toldByScores({ loss, shares, tokenizer, scoresOf: (evaluation: TextScores) => evaluation }),
    goal,
    judge() {
      const seen: LabelledText[] = [];
      const logits: Float32Array[] = [];
      return {
        add({ examples }, outputs) {
          const rows = rowsOf(outputs[output], examples.length, examples[0]!.target.length);
          examples.forEach((example, i) => {
            checkFinite(rows[i]!, example.id);
            seen.push(example);
            logits.push(rows[i]!);
          });
        },
        finish: () => ({
          metrics: metricsOf(
            logits,
            seen.map(({ target }) => target),
          ),
          losses: seen.map(({ id, target }, i) => ({ id, loss: lossOf(logits[i]!, target) })),
        }),
      };
    },
  };
}

/** The rows of an output [batch, columns], each a copy of its own. */
function rowsOf(tensor: HostTensor | undefined, batch: number, columns: number): Float32Array[] {
  const data = logitsOf(tensor, output, batch, columns);
  return Array.from({ length: batch }, (_, i) => data.slice(i * columns, (i + 1) * columns));
}
