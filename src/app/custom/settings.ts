import { DiapasonError } from "../../base/errors.ts";
import { withPurpose } from "../../models/config.ts";
import type { Model } from "../../models/model.ts";

/** What a tuning of the task custom minimises, measures and feeds, in the words of its options. */
export interface CustomSettings {
  /** A declaration, or the path of an ONNX file. */
  readonly loss: string;
  readonly metric: readonly string[];
  readonly fix: readonly string[];
}

interface Given {
  readonly loss?: string | undefined;
  readonly metric?: readonly string[] | undefined;
  readonly fix?: readonly string[] | undefined;
}

/** Whether a loss is the path of a graph. */
export const isLossFile = (loss: string): boolean =>
  /\.onnx$/i.test(loss) && !/[:=]/.test(loss.replace(/^[A-Za-z]:/, ""));

/**
 * What was asked, else what the model's config.json says it was tuned for. `inFolder`: the path of a file that lies in
 * the model's folder.
 * @throws app/no-loss when neither declares a loss
 */
export function settingsOf(given: Given, model: Model, inFolder: (name: string) => string): CustomSettings {
  const kept = keptIn(model);
  const loss = given.loss ?? (kept?.loss && isLossFile(kept.loss) ? inFolder(kept.loss) : kept?.loss);
  if (loss === undefined)
    throw new DiapasonError(
      "app/no-loss",
      `No loss is declared; the model gives ${model.graph.outputs.map(({ name }) => `"${name}"`).join(", ")}.`,
      `Declare one, such as --loss mse:${model.graph.outputs[0]?.name ?? "OUTPUT"}=ARRAY.`,
    );
  return { loss, metric: given.metric ?? kept?.metric ?? [], fix: given.fix ?? kept?.fix ?? [] };
}

/** The inputs that are fixed, from options or from the model's config.json. */
export const fixedOf = (given: Given, model: Model): readonly string[] =>
  given.fix ?? keptIn(model)?.fix ?? [];

function keptIn({ config }: Model): Given | undefined {
  const kept = config["diapason"] as Readonly<Record<string, unknown>> | undefined;
  if (kept?.["task"] !== "custom") return undefined;
  const texts = (value: unknown) =>
    Array.isArray(value) && value.every((one) => typeof one === "string") ? (value as string[]) : undefined;
  const loss = kept["loss"];
  return {
    loss: typeof loss === "string" ? loss : undefined,
    metric: texts(kept["metric"]),
    fix: texts(kept["fix"]),
  };
}

/** Where a loss that is a graph lies in a tuned model's folder: apart, so that it is not taken for the model. */
export const lossFile = "loss/loss.onnx";

/** The config.json of a tuned model: what was there, with what it was tuned for. */
export const configWith = (model: Model, { loss, metric, fix }: CustomSettings): Model["config"] =>
  withPurpose(model.config, { task: "custom", loss: isLossFile(loss) ? lossFile : loss, metric, fix });
