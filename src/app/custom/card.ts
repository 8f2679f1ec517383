import { stringify } from "yaml";
import { count, duration, measured } from "../numbers.ts";
import type { CardFacts } from "../task.ts";
import { version } from "../version.ts";
import { leadOf } from "./report.ts";
import type { CustomResult } from "./result.ts";

/** The model card (README.md) of a graph that was tuned by a declared loss. */
export function customCard({ name, result, recipe }: CardFacts<CustomResult>): string {
  const { before, after, split } = result;
  const head = stringify({
    library_name: "onnx",
    tags: ["onnx", "diapason"],
    "model-index": [
      {
        name,
        results: [
          {
            task: { type: "other", name: result.loss },
            dataset: { name: lastPart(result.data), type: "arrays", split },
            metrics: Object.entries(after).map(([type, value]) => ({
              type,
              value: Number(value.toPrecision(6)),
            })),
          },
        ],
      },
    ],
  });
  const rows = Object.entries(after).map(
    ([metric, value]) =>
      `| ${metric.replace(/\|/g, "\\|")} | ${before[metric] === undefined ? "" : measured(metric, before[metric])} | **${measured(metric, value)}** |`,
  );
  const settings = Object.entries(recipe).filter(([key]) => shown.has(key));
  return `---
${head}---

# ${name}

Fine-tuned from \`${lastPart(result.model)}\` with Diapason ${version}, to minimise \`${result.loss}\`.

## How good it is

| on ${count(result.examples)} ${split} examples | before tuning | after |
| --- | ---: | ---: |
${rows.join("\n")}

${leadOf(result)}
${split === "validation" ? "\nThere was no test split: the checkpoint was chosen on these same examples, so expect slightly less on new ones.\n" : ""}
## How it was made

- Data: ${count(result.trained)} training examples; splits: ${result.origin}.
- Plan: ${result.plan.name}; ${count(result.steps)} steps in ${duration(result.trainedSeconds)}.
- Settings: ${settings.map(([key, value]) => `${key} ${String(value)}`).join(", ")}.
- \`report.html\` beside this file has the curves, the rates of each block and the worst examples.

## Files

\`onnx/model.onnx\` has the inputs and outputs that the base model had and runs in ONNX Runtime; \`model.safetensors\` holds the same weights under the base model's names; \`config.json\` says what it was tuned for, so that \`diapason evaluate\` and \`diapason predict\` need no more than the folder and arrays.
`;
}

const shown = new Set([
  "epochs",
  "learningRate",
  "decay",
  "schedule",
  "optimizer",
  "weightDecay",
  "batchSize",
  "batchNorm",
  "metric",
  "fix",
  "seed",
]);

const lastPart = (path: string): string =>
  path
    .replace(/[\\/]+$/, "")
    .split(/[\\/]/)
    .at(-1)!;
