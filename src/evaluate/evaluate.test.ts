import { describe, expect, test } from "vitest";
import type { ImageExample, ImageLoader } from "../data/dataset.ts";
import type { Executable, HostTensor } from "../runtime/runtime.ts";
import { evaluateClassifier } from "./evaluate.ts";

/** Images of one pixel that holds the class the model will predict, in batches as a loader gives them. */
function loaderOf(predicted: readonly number[]): ImageLoader {
  return {
    preprocessor: {
      ...{ height: 1, width: 1, channels: 1, rescaleFactor: 1, mean: [0], std: [1] },
      ...{ resize: "exact", layout: "nchw" },
    },
    async *batches({ examples, batchSize, classes }) {
      for (let start = 0; start < examples.length; start += batchSize) {
        const part = examples.slice(start, start + batchSize);
        yield {
          ids: part.map((example) => example.id),
          pixels: Float32Array.from(part, (_, i) => predicted[start + i]!),
          dims: [part.length, 1, 1, 1],
          labels: Int32Array.from(part, (example) => example.label),
          targets: new Float32Array(part.length * classes),
        };
      }
    },
    close: async () => {},
  };
}

/** Gives class `pixel` a logit of 2 + pixel, all others 0; NaN for a negative pixel. */
const executable: Executable = {
  async run(feeds) {
    const { data, dims } = feeds["image"] as HostTensor;
    const logits = new Float32Array(dims[0]! * 3);
    (data as Float32Array).forEach((pixel, i) => {
      if (pixel < 0) logits.fill(Number.NaN);
      else logits[i * 3 + pixel] = 2 + pixel;
    });
    return { logits: { dtype: "float32", dims: [dims[0]!, 3], data: logits } };
  },
  dispose: async () => {},
};

const example = (label: number, i: number): ImageExample => ({
  id: `${i}.png`,
  path: `/data/${i}.png`,
  label,
});
const evaluate = (labels: readonly number[], predicted: readonly number[], classes = 3) =>
  evaluateClassifier({
    ...{ executable, input: "image", output: "logits", loader: loaderOf(predicted), batchSize: 2, classes },
    examples: labels.map(example),
    keepWorst: 2,
  });

describe("evaluating a classifier", () => {
  test("metrics, predictions in order, the worst mistakes first, across an incomplete batch", async () => {
    const { metrics, predictions, worst } = await evaluate([0, 1, 2, 0, 0], [0, 1, 0, 1, 2]);
    expect(metrics.accuracy).toBeCloseTo(0.4, 12);
    expect(predictions.map((p) => [p.id, p.label, p.predicted])).toEqual([
      ["0.png", 0, 0],
      ["1.png", 1, 1],
      ["2.png", 2, 0],
      ["3.png", 0, 1],
      ["4.png", 0, 2],
    ]);
    expect(worst.map((p) => p.path)).toEqual(["/data/4.png", "/data/3.png"]);
    expect(worst[0]!.loss).toBeCloseTo(Math.log(Math.exp(4) + 2), 6);
  });
  test("progress is told after each batch", async () => {
    const seen: number[] = [];
    await evaluateClassifier({
      ...{
        executable,
        input: "image",
        output: "logits",
        loader: loaderOf([0, 0, 0]),
        batchSize: 2,
        classes: 3,
      },
      examples: [0, 0, 0].map(example),
      onProgress: (done, total) => seen.push(done, total),
    });
    expect(seen).toEqual([2, 3, 3, 3]);
  });
  test("refuses no examples, NaN, and an output of another width", async () => {
    await expect(evaluate([], [])).rejects.toMatchObject({ code: "evaluate/no-examples" });
    await expect(evaluate([0], [-1])).rejects.toMatchObject({ code: "evaluate/not-finite" });
    await expect(evaluate([0], [0], 4)).rejects.toMatchObject({ code: "models/labels-mismatch" });
  });
});
