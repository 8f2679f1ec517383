import { stringify } from "yaml";
import { count, duration, measured } from "../numbers.ts";
import { cardSettings } from "../report/card-settings.ts";
import { cardDataset, cardSources, sourceName } from "../report/card-sources.ts";
import type { CardFacts } from "../task.ts";
import { version } from "../version.ts";
import { leadOf } from "./report.ts";
import type { ScoredResult } from "./result.ts";

/** What a card says of a kind of model, beside its scores. */
export interface ScoredKind {
  /** The Hub's library and, where it has one, its name for the task. */
  readonly library: string;
  readonly pipeline?: string;
  readonly dataset: string;
  /** What lies in the folder. */
  readonly files: string;
}

/** The model card (README.md) of a model that is judged by a loss and metrics. */
export function scoredCard(
  { name, result, recipe }: CardFacts<ScoredResult>,
  { library, pipeline, dataset, files }: ScoredKind,
): string {
  const { before, after, split } = result;
  const head = stringify({
    ...cardSources(result),
    library_name: library,
    ...(pipeline && { pipeline_tag: pipeline }),
    tags: [...(pipeline ? [pipeline] : []), "onnx", "diapason"],
    "model-index": [
      {
        name,
        results: [
          {
            task: pipeline ? { type: pipeline } : { type: "other", name: result.loss },
            dataset: cardDataset(result, dataset, recipe),
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
      `| ${metric.replace(/\|/g, "\\|")}${metric === "loss" && result.judged ? ` (${result.judged})` : ""} | ${before[metric] === undefined ? "" : measured(metric, before[metric])} | **${measured(metric, value)}** |`,
  );
  return `---
${head}---

# ${name}

Fine-tuned from \`${sourceName(result.model)}\` with Diapason ${version}, to minimise \`${result.loss}\`.

## How good it is

| on ${count(result.examples)} ${split} examples | before tuning | after |
| --- | ---: | ---: |
${rows.join("\n")}

${leadOf(result)}
${split === "validation" ? "\nThere was no test split: the checkpoint was chosen on these same examples, so expect slightly less on new ones.\n" : ""}
## How it was made

- Data: ${count(result.trained)} training examples; splits: ${result.origin}.
- Plan: ${result.plan.name}; ${count(result.steps)} steps in ${duration(result.trainedSeconds)}.
- Settings: ${cardSettings(recipe)}.
- \`report.html\` beside this file has the curves, the rates of each block and the worst examples.

## Files

${files}
`;
}
