import { DiapasonError } from "../base/errors.ts";
import { parseJson } from "../base/json-numbers.ts";

/** Hugging Face's config.json as far as a classifier has one. */
export type ModelConfig = Readonly<Record<string, unknown>>;

/** Parses a config.json. @throws models/bad-config when it is not a JSON object. */
export function parseConfig(text: string, path: string): ModelConfig {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw badConfig(path, "is not JSON", cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badConfig(path, "is not an object");
  return value as ModelConfig;
}

/** More classes than this are no classifier's: their names alone would fill memory. */
const mostClasses = 2 ** 20;

/** `num_labels`, or undefined where the config does not say it. @throws models/bad-config for what is no number of classes. */
export function classCount(config: ModelConfig, path: string): number | undefined {
  const given = config["num_labels"];
  if (typeof given !== "number") return undefined;
  if (!Number.isInteger(given) || given < 0 || given > mostClasses)
    throw badConfig(path, `has num_labels = ${given}; expected a whole number from 0 to ${mostClasses}`);
  return given;
}

/** Class names in order of `id2label`, or undefined where there are none. @throws models/bad-config when ids have gaps. */
export function labelsOf(config: ModelConfig, path: string): readonly string[] | undefined {
  const names = config["id2label"];
  if (names === undefined || names === null) return undefined;
  if (typeof names !== "object") throw badConfig(path, "has an id2label that is not an object");
  const entries = Object.entries(names);
  const labels = new Array<string | undefined>(entries.length);
  for (const [id, label] of entries) {
    const index = Number(id);
    if (!Number.isInteger(index) || index < 0 || index >= labels.length || typeof label !== "string")
      throw badConfig(
        path,
        `has the entry ${JSON.stringify(id)} in id2label; ids must count from 0 without gaps`,
      );
    labels[index] = label;
  }
  return labels as string[];
}

/**
 * The config of a tuned classifier: what was there, with these classes.
 *
 * transformers.js picks its class by `model_type` and refuses one it does not know. Every class it has for images feeds
 * `pixel_values` and reads `logits`, so a model without a type is given "resnet", and the file says why.
 */
export function withLabels(config: ModelConfig, labels: readonly string[]): ModelConfig {
  const borrowed = config["model_type"] === undefined;
  const told = config["diapason"] as object | undefined;
  return {
    ...config,
    ...(borrowed && {
      model_type: "resnet",
      diapason: {
        ...told,
        model_type:
          "borrowed, so that transformers.js loads onnx/model.onnx; the weights are not those of this type",
      },
    }),
    num_labels: labels.length,
    id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    problem_type:
      config["problem_type"] ?? (labels.length > 1 ? "single_label_classification" : "regression"),
    "transformers.js_config": { dtype: "fp32" },
  };
}

/** The config of a model that was tuned for something else than before. That its type is borrowed stays true. */
export function withPurpose(config: ModelConfig, purpose: Readonly<Record<string, unknown>>): ModelConfig {
  const { model_type: borrowed } = (config["diapason"] ?? {}) as Readonly<Record<string, unknown>>;
  return { ...config, diapason: { ...purpose, ...(borrowed !== undefined && { model_type: borrowed }) } };
}

/**
 * The config of a folder in which `onnx/model.onnx` of float32 lies: what another folder's config told transformers.js of
 * its files (their type, caches of half precision, weights apart) is not true of it. `isApart`: its weights lie beside it.
 */
export const withGraphFile = (
  config: ModelConfig,
  { isApart }: { readonly isApart: boolean },
): ModelConfig => ({
  ...config,
  "transformers.js_config": {
    dtype: "fp32",
    ...(isApart && { use_external_data_format: { "model.onnx": 1 } }),
  },
});

/**
 * The config of a folder of which graphs have their weights in files beside them. `apart`: how many, by the name of the graph's
 * file. What else it tells transformers.js stays.
 */
export function withFilesApart(config: ModelConfig, apart: ReadonlyMap<string, number>): ModelConfig {
  const told = config["transformers.js_config"];
  const { use_external_data_format: before, ...rest } = (told ?? {}) as Readonly<Record<string, unknown>>;
  if (config["model_type"] === undefined || (apart.size === 0 && before === undefined)) return config;
  const now = apart.size > 0 ? { use_external_data_format: Object.fromEntries(apart) } : {};
  return { ...config, "transformers.js_config": { ...rest, ...now } };
}

function badConfig(path: string, what: string, cause?: unknown): DiapasonError {
  return new DiapasonError(
    "models/bad-config",
    `${path} ${what}.`,
    "Mend the file, or remove it to go on without class names.",
    cause,
  );
}
