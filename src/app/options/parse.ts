import { z } from "zod";
import { entryOf } from "../../base/entry-of.ts";
import { DiapasonError } from "../../base/errors.ts";
import { optionMistake, unknownOption } from "./option-mistakes.ts";

/** Hugging Face's spellings that a recipe may use, and ours. */
export const aliases: Readonly<Record<string, string>> = {
  learning_rate: "learningRate",
  num_train_epochs: "epochs",
  per_device_train_batch_size: "batchSize",
  weight_decay: "weightDecay",
  lr_scheduler_type: "schedule",
  warmup_ratio: "warmup",
  max_grad_norm: "clipNorm",
  gradient_accumulation_steps: "accumulate",
  label_smoothing_factor: "labelSmoothing",
  output_dir: "out",
  lora_r: "rank",
  lora_alpha: "alpha",
  lora_dropout: "adapterDropout",
  target_modules: "targetModules",
  max_length: "maxTokens",
  max_seq_length: "maxTokens",
  images: "inputs",
  optim: "optimizer",
};

/** Our name of an option. Names come from files, and "constructor" is no alias. */
export const nameOf = (key: string): string => entryOf(aliases, key) ?? key;

/**
 * Options as a verb reads them: aliases resolved, defaults filled in, unknown keys refused with the nearest known one.
 *
 * @throws app/unknown-option, app/missing-option, app/bad-option.
 */
export function parseOptions<S extends z.ZodObject>(
  schema: S,
  input: Readonly<Record<string, unknown>>,
): z.output<S> {
  requireNames(input);
  const known = Object.keys(schema.shape);
  const spelled: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(input)) {
    if (value === undefined) continue;
    const name = nameOf(key);
    if (!known.includes(name)) throw unknownOption(key, known);
    if (name in spelled) {
      throw new DiapasonError(
        "app/bad-option",
        `"${name}" is given twice (once as "${key}").`,
        "Keep one of the two spellings.",
      );
    }
    // One item may stand for a list of one.
    spelled[name] = isList(schema.shape[name]) && !Array.isArray(value) ? [value] : value;
  }
  const parsed = schema.safeParse(spelled);
  if (parsed.success) return parsed.data;
  throw optionMistake(schema, spelled, parsed.error.issues);
}

/** Callers without types may give anything. @throws app/bad-option */
export function requireNames(input: unknown): void {
  if (typeof input === "object" && input !== null && !Array.isArray(input)) return;
  throw new DiapasonError(
    "app/bad-option",
    `The options are ${input === undefined ? "not given" : JSON.stringify(input)}; expected an object.`,
    "Give options by name.",
  );
}

const isList = (schema: unknown): boolean =>
  schema instanceof z.ZodOptional || schema instanceof z.ZodDefault
    ? isList(schema.unwrap())
    : schema instanceof z.ZodArray;
