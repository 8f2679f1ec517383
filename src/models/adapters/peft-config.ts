import { z } from "zod";
import { DiapasonError } from "../../base/errors.ts";
import type { AdapterMethodName } from "./spec.ts";

const pattern = z.union([z.array(z.string()), z.string()]).nullish();
/** Beyond any matrix that is adapted, so that memory is not asked for by a number alone. */
const rank = z
  .int()
  .min(1)
  .max(2 ** 20);
/** The scale of what is added; 0 would add nothing. */
const alpha = z.number().positive().max(1e9);
const table = z.record(z.string(), alpha).nullish();

/** What Diapason reads of PEFT's adapter_config.json. Keys that it does not know are left alone: newer versions have more. */
const adapterConfig = z.looseObject({
  peft_type: z.string(),
  task_type: z.string().nullish(),
  base_model_name_or_path: z.string().nullish(),
  revision: z.string().nullish(),
  r: rank.default(8),
  lora_alpha: alpha.default(8),
  lora_dropout: z.number().min(0).lt(1).default(0),
  bias: z.enum(["none", "all", "lora_only"]).default("none"),
  target_modules: pattern,
  feedforward_modules: pattern,
  rank_pattern: z.record(z.string(), rank).nullish(),
  alpha_pattern: table,
  use_rslora: z.boolean().nullish(),
  use_dora: z.boolean().nullish(),
  init_lora_weights: z.union([z.boolean(), z.string()]).nullish(),
});
export type PeftConfig = z.output<typeof adapterConfig>;

/** Which of our methods computes what PEFT's type does. */
const methodOf: {
  readonly [type: string]: ((config: PeftConfig) => AdapterMethodName) | undefined;
} = {
  LORA(config) {
    if (/^pissa/.test(`${config.init_lora_weights}`)) return "pissa";
    if (config.use_dora) return "dora";
    return config.use_rslora ? "rslora" : "lora";
  },
  IA3: () => "ia3",
};

/** Settings that make a LoRA compute something else. Unset they are absent, null, false or empty. */
const otherMeanings = [
  "alora_invocation_tokens",
  "kasa_config",
  "layer_replication",
  "lora_bias",
  "monteclora_config",
  "target_parameters",
  "trainable_token_indices",
  "use_bdlora",
  "use_qalora",
  "velora_config",
  "arrow_config",
];
/** First values that are taken out of the base weights by a computation of PEFT's own. */
const otherStarts = ["olora", "corda", "lora_ga", "loftq"];

/**
 * Reads an adapter_config.json.
 *
 * @throws models/bad-adapter-config when it is no such file; models/unsupported-adapter, which names the type or the
 * setting, for adapters that Diapason does not compute.
 */
export function readPeftConfig(
  text: string,
  path: string,
): { readonly config: PeftConfig; readonly method: AdapterMethodName } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw badConfig(path, "is not JSON", cause);
  }
  const parsed = adapterConfig.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const found = issue.path.reduce<unknown>(
      (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
      json,
    );
    throw badConfig(
      path,
      `is no adapter's config: "${issue.path.join(".")}" is ${JSON.stringify(found)?.slice(0, 60) ?? "not there"}: ${issue.message}`,
    );
  }
  const config = parsed.data;
  const row = Object.hasOwn(methodOf, config.peft_type) ? methodOf[config.peft_type] : undefined;
  if (!row) throw unsupported(path, `has the peft_type "${config.peft_type}"`);
  const setting = otherMeanings.find((key) => !isUnset(config[key]));
  if (setting) throw unsupported(path, `sets "${setting}"`);
  const start = otherStarts.find((name) => `${config.init_lora_weights}`.toLowerCase() === name);
  if (start)
    throw unsupported(path, `starts with init_lora_weights "${start}", which changes the base's weights`);
  if (config.use_dora && /^pissa/.test(`${config.init_lora_weights}`))
    throw unsupported(path, "combines use_dora with PiSSA's first weights");
  return { config, method: row(config) };
}

const isUnset = (value: unknown): boolean =>
  !value ||
  (Array.isArray(value) ? value.length === 0 : typeof value === "object" && Object.keys(value).length === 0);

const badConfig = (path: string, what: string, cause?: unknown): DiapasonError =>
  new DiapasonError(
    "models/bad-adapter-config",
    `${path} ${what}.`,
    "Give a folder that PEFT or Diapason wrote, with adapter_config.json and adapter_model.safetensors.",
    cause,
  );

const unsupported = (path: string, what: string): DiapasonError =>
  new DiapasonError(
    "models/unsupported-adapter",
    `${path} ${what}; Diapason reads adapters of the types ${Object.keys(methodOf).join(" and ")}.`,
    "Merge the adapter into its model with PEFT (merge_and_unload), and give the merged model.",
  );
