import { stringify } from "yaml";
import { count, duration, percent, probability } from "../numbers.ts";
import { cardSettings } from "../report/card-settings.ts";
import { cardDataset, cardSources, sourceName } from "../report/card-sources.ts";
import type { CardFacts } from "../task.ts";
import { version } from "../version.ts";
import type { ClassifierKind } from "./kind.ts";
import type { ClassifierResult } from "./result.ts";

/** A matrix of more classes is left to the report. */
const largestMatrix = 20;

/** The model card (README.md) of a tuned classifier, with the metadata that the Hugging Face Hub reads. */
export function classifierCard(
  { name, result, recipe }: CardFacts<ClassifierResult>,
  { task, unit, dataset, noun, files }: ClassifierKind,
): string {
  const { after, before, split } = result;
  const head = stringify({
    ...cardSources(result),
    library_name: "transformers.js",
    pipeline_tag: task,
    tags: [task, "onnx", "diapason"],
    metrics: ["accuracy", "f1"],
    "model-index": [
      {
        name,
        results: [
          {
            task: { type: task },
            dataset: cardDataset(result, dataset, recipe),
            metrics: [
              { type: "accuracy", value: rounded(after.accuracy) },
              { type: "f1", name: "Macro F1", value: rounded(after.macroF1) },
            ],
          },
        ],
      },
    ],
  });
  const [low, high] = after.accuracyInterval;
  const { gained, lost, pValue } = result.mcnemar;
  return `---
${head}---

# ${name}

${noun} for ${count(result.classes.length)} classes: ${list(result.classes)}. Fine-tuned from \`${sourceName(result.model)}\` with Diapason ${version}.

## How good it is

On ${count(after.examples)} ${split} ${unit} that it did not train on:

| | before tuning | after |
| --- | ---: | ---: |
| accuracy | ${percent(before.accuracy)}${result.isFreshHead ? " (new head)" : ""} | **${percent(after.accuracy)}** |
| macro F1 | ${percent(before.macroF1)} | ${percent(after.macroF1)} |
| negative log-likelihood | ${before.nll.toFixed(3)} | ${after.nll.toFixed(3)} |
| expected calibration error | ${percent(before.ece)} | ${percent(after.ece)} |

The 95 % interval of the accuracy is ${percent(low)} to ${percent(high)} (Wilson). Against the model before tuning ${gained} ${unit} were gained and ${lost} lost (exact McNemar test, p = ${probability(pValue)}).
${result.split === "validation" ? `\nThere was no test split: the checkpoint was chosen on these same ${unit}, so expect slightly less on new ones.\n` : ""}
${classTable(result, unit)}
${confusionTable(result)}## How it was made

- Data: ${count(result.trainCounts.reduce((a, b) => a + b, 0))} training ${unit}; splits: ${result.origin}.
- Plan: ${result.plan.name}; ${count(result.steps)} steps in ${duration(result.trainedSeconds)}.
- Settings: ${cardSettings(recipe)}.
- \`report.html\` beside this file has the curves, the rates of each block and the worst mistakes.

## Files

\`onnx/model.onnx\` runs in ONNX Runtime and transformers.js; \`model.safetensors\` holds the same weights under the base model's names; \`config.json\` has the class names, ${files}.
`;
}

function classTable({ classes, after }: ClassifierResult, unit: string): string {
  const rows = after.perClass.map(
    ({ precision, recall, f1, support }, i) =>
      `| ${cell(classes[i]!)} | ${percent(precision)} | ${percent(recall)} | ${percent(f1)} | ${support} |`,
  );
  return `| class | precision | recall | F1 | ${unit} |
| --- | ---: | ---: | ---: | ---: |
${rows.join("\n")}
`;
}

function confusionTable({ classes, after }: ClassifierResult): string {
  if (classes.length > largestMatrix) return "";
  const rows = after.confusion.map((row, i) => `| **${cell(classes[i]!)}** | ${row.join(" | ")} |`);
  return `Confusion matrix (rows: true class, columns: predicted):

| | ${classes.map(cell).join(" | ")} |
| --- |${" ---: |".repeat(classes.length)}
${rows.join("\n")}

`;
}

/** A name from the data as Markdown shows it, not as it might read it: no tag, no column, no line of its own. */
export const cell = (text: string): string =>
  text
    .replace(/\p{Cc}+/gu, " ")
    .replace(/[&<>`]/g, (sign) => `&#${sign.charCodeAt(0)};`)
    .replace(/\|/g, "\\|");
const rounded = (value: number): number => Number(value.toFixed(4));

function list(names: readonly string[]): string {
  const quoted = names.slice(0, 12).map((name) => `\`${name.replace(/[`\p{Cc}]/gu, " ")}\``);
  return names.length > 12 ? `${quoted.join(", ")} and ${names.length - 12} more` : quoted.join(", ");
}
