import { entryOf } from "../../base/entry-of.ts";
import type { ModulePattern } from "./spec.ts";

/** What PEFT targets in a model of a `model_type` unless told otherwise. */
interface DefaultTargets {
  readonly lora: ModulePattern;
  readonly ia3?: ModulePattern;
  /** Of IA3's, those whose input is scaled. */
  readonly feedforward?: ModulePattern;
  /** transformers' Conv1D: the checkpoint has weights [in, out]. */
  readonly fanInFanOut?: true;
}

const encoder: DefaultTargets = {
  lora: ["query", "value"],
  ia3: ["key", "value", "output.dense"],
  feedforward: ["output.dense"],
};
const decoder: DefaultTargets = {
  lora: ["q_proj", "v_proj"],
  ia3: ["q_proj", "v_proj", "down_proj"],
  feedforward: ["down_proj"],
};
const keyed: DefaultTargets = { ...decoder, ia3: ["k_proj", "v_proj", "down_proj"] };

/**
 * Source: PEFT 0.21's TRANSFORMERS_MODELS_TO_{LORA, IA3}_TARGET_MODULES_MAPPING and _FEEDFORWARD_MODULES_MAPPING. Rows that
 * PEFT does not have, and whose modules have other names, follow the same choice: queries and values; keys, values and the
 * second layer of the feed-forward part.
 */
const table: { readonly [modelType: string]: DefaultTargets } = {
  bert: encoder,
  roberta: encoder,
  "xlm-roberta": encoder,
  camembert: encoder,
  electra: encoder,
  distilbert: { lora: ["q_lin", "v_lin"], ia3: ["k_lin", "v_lin", "ffn.lin2"], feedforward: ["ffn.lin2"] },
  albert: { lora: ["query", "value"], ia3: ["key", "value", "ffn_output"], feedforward: ["ffn_output"] },
  mpnet: { lora: ["q", "v"], ia3: ["k", "v", "output.dense"], feedforward: ["output.dense"] },
  deberta: { lora: ["in_proj"], ia3: ["in_proj", "output.dense"], feedforward: ["output.dense"] },
  "deberta-v2": {
    lora: ["query_proj", "value_proj"],
    ia3: ["key_proj", "value_proj", "output.dense"],
    feedforward: ["output.dense"],
  },
  modernbert: { lora: ["Wqkv"], ia3: ["Wqkv", "mlp.Wo"], feedforward: ["mlp.Wo"] },
  gpt2: {
    lora: ["c_attn"],
    ia3: ["c_attn", "mlp.c_proj"],
    feedforward: ["mlp.c_proj"],
    fanInFanOut: true,
  },
  gpt_neox: {
    lora: ["query_key_value"],
    ia3: ["query_key_value", "dense_4h_to_h"],
    feedforward: ["dense_4h_to_h"],
  },
  opt: { lora: ["q_proj", "v_proj"], ia3: ["q_proj", "k_proj", "fc2"], feedforward: ["fc2"] },
  llama: keyed,
  mistral: keyed,
  olmo2: keyed,
  qwen2: decoder,
  qwen3: decoder,
  gemma: decoder,
  gemma2: decoder,
  gemma3_text: decoder,
  phi: { lora: ["q_proj", "v_proj", "fc1", "fc2"], ia3: ["q_proj", "v_proj", "fc2"], feedforward: ["fc2"] },
  phi3: { lora: ["qkv_proj"], ia3: ["qkv_proj", "down_proj"], feedforward: ["down_proj"] },
  vit: encoder,
  deit: encoder,
  dinov2: encoder,
  swin: encoder,
};

/** PEFT's choice for a model's config.json, where there is one. */
export function defaultTargets(config: Readonly<Record<string, unknown>>): DefaultTargets | undefined {
  const type = config["model_type"];
  return typeof type === "string" ? entryOf(table, type) : undefined;
}
