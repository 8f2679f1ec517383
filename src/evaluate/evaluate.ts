import { DiapasonError } from "../base/errors.ts";
import type { ImageExample, ImageLoader } from "../data/dataset.ts";
import type { Executable } from "../runtime/runtime.ts";
import {
  argmax,
  type ClassificationMetrics,
  classificationMetrics,
  softmax,
} from "../tasks/classification-metrics.ts";

/** What a classifier said of one example. */
export interface Prediction {
  readonly id: string;
  readonly path: string;
  /** True class number. */
  readonly label: number;
  /** Most probable class number. */
  readonly predicted: number;
  /** Probability of the predicted class, 0…1. */
  readonly probability: number;
  /** Negative log-likelihood of the true class, in nats. */
  readonly loss: number;
}

export interface Evaluation {
  readonly metrics: ClassificationMetrics;
  /** In the order of the examples. */
  readonly predictions: readonly Prediction[];
  /** Wrong predictions with the largest loss, worst first. */
  readonly worst: readonly Prediction[];
}

export interface EvaluateOptions {
  /** A compiled graph that takes `input` and gives `output`, logits [batch, classes]. */
  readonly executable: Executable;
  readonly input: string;
  readonly output: string;
  readonly loader: ImageLoader;
  readonly examples: readonly ImageExample[];
  readonly classes: number;
  readonly batchSize: number;
  /** Inputs beside the images that the graph wants in every run. */
  readonly feeds?: Parameters<Executable["run"]>[0];
  /** How many mistakes to keep; default 12. */
  readonly keepWorst?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Runs a classifier over examples, without augmentation and in their order.
 *
 * @throws evaluate/no-examples when there are none, evaluate/not-finite when a logit is NaN or infinite,
 * models/labels-mismatch when the output has another width than `classes`.
 */
export async function evaluateClassifier(options: EvaluateOptions): Promise<Evaluation> {
  const { executable, input, output, loader, examples, classes, batchSize, keepWorst } = options;
  const pathOf = new Map(examples.map((example) => [example.id, example.path]));
  const judge = classJudge(classes, keepWorst);
  const batches = loader.batches({ examples, batchSize, classes, seed: 0, epoch: 0, shuffle: false });
  for await (const batch of batches) {
    const image = { dtype: "float32", dims: batch.dims, data: batch.pixels } as const;
    const result = await executable.run({ ...options.feeds, [input]: image }, { outputs: [output] });
    const logits = logitsOf(result[output], output, batch.ids.length, classes);
    batch.ids.forEach((id, i) => {
      const row = logits.subarray(i * classes, (i + 1) * classes);
      judge.add({ id, path: pathOf.get(id) ?? id, label: batch.labels[i]! }, row);
    });
    options.onProgress?.(judge.count, examples.length);
  }
  return judge.finish();
}

/** Takes what a classifier says of examples one by one, and judges all of them. */
export interface ClassJudge {
  /** Examples so far. */
  readonly count: number;
  /** logits: [classes]. @throws evaluate/not-finite */
  add(example: Pick<Prediction, "id" | "path" | "label">, logits: Float32Array): void;
  /** @throws evaluate/no-examples */
  finish(): Evaluation;
}

/** `keepWorst`: how many mistakes to keep. */
export function classJudge(classes: number, keepWorst = 12): ClassJudge {
  const judged: { readonly label: number; readonly probabilities: Float64Array }[] = [];
  const predictions: Prediction[] = [];
  return {
    get count() {
      return predictions.length;
    },
    add({ id, path, label }, logits) {
      checkFinite(logits, id);
      const probabilities = softmax(logits);
      const predicted = argmax(probabilities);
      judged.push({ label, probabilities });
      predictions.push({
        id,
        path,
        label,
        predicted,
        probability: probabilities[predicted]!,
        loss: -Math.log(Math.max(probabilities[label]!, Number.MIN_VALUE)),
      });
    },
    finish() {
      if (predictions.length === 0) throw noExamples();
      return {
        metrics: classificationMetrics(judged, classes),
        predictions,
        worst: predictions
          .filter((prediction) => prediction.predicted !== prediction.label)
          .sort((a, b) => b.loss - a.loss)
          .slice(0, keepWorst),
      };
    },
  };
}

const noExamples = () =>
  new DiapasonError(
    "evaluate/no-examples",
    "There are no examples to evaluate on.",
    "Give a split that holds examples.",
  );

/** The numbers of an output [batch, classes]. @throws models/labels-mismatch */
export function logitsOf(
  tensor: Awaited<ReturnType<Executable["run"]>>[string] | undefined,
  name: string,
  batch: number,
  classes: number,
): Float32Array {
  if (tensor?.data instanceof Float32Array && tensor.data.length === batch * classes) return tensor.data;
  throw new DiapasonError(
    "models/labels-mismatch",
    `The output "${name}" is ${tensor ? `${tensor.dtype} [${tensor.dims.join(", ")}]` : "missing"}; expected float32 [${batch}, ${classes}].`,
    "Evaluate with the class names that the model was tuned for.",
  );
}

/** @throws evaluate/not-finite when a number of an output is NaN or infinite */
export function checkFinite(logits: Float32Array, id: string): void {
  if (logits.every(Number.isFinite)) return;
  throw new DiapasonError(
    "evaluate/not-finite",
    `The model's output for "${id}" holds NaN or infinity.`,
    "Check the weights: a diverged run leaves such values; tune again with a smaller learning rate.",
  );
}
