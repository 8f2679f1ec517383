import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { random } from "../../src/base/random.ts";
import { buildNetwork } from "../../src/models/network/build-network.ts";
import { saveModel } from "../../src/models/save.node.ts";
import { tokenizerFiles } from "./tokenizer-fixtures.ts";

/** Words that tiny models know, after the special tokens. */
const words = [
  "good",
  "bad",
  "fine",
  "poor",
  "film",
  "book",
  "was",
  "a",
  "the",
  "anna",
  "paris",
  "in",
  "lives",
  ".",
];
const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

const added = special.map((content, id) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
}));

/** A tokenizer of whole words, with BERT's special tokens where `template` says so. */
function writeTokenizer(folder: string, { hasTemplate }: { readonly hasTemplate: boolean }): void {
  const vocab = Object.fromEntries([...special, ...words].map((word, id) => [word, id]));
  const token = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const template = {
    type: "TemplateProcessing",
    single: [token("[CLS]"), { Sequence: { id: "A", type_id: 0 } }, token("[SEP]")],
    pair: [
      token("[CLS]"),
      { Sequence: { id: "A", type_id: 0 } },
      token("[SEP]"),
      { Sequence: { id: "B", type_id: 1 } },
      { SpecialToken: { id: "[SEP]", type_id: 1 } },
    ],
    special_tokens: Object.fromEntries(
      ["[CLS]", "[SEP]"].map((id) => [id, { id, ids: [special.indexOf(id)], tokens: [id] }]),
    ),
  };
  const tokenizer = {
    version: "1.0",
    added_tokens: added,
    normalizer: { type: "Lowercase" },
    pre_tokenizer: { type: "Whitespace" },
    post_processor: hasTemplate ? template : null,
    decoder: null,
    model: { type: "WordLevel", vocab, unk_token: "[UNK]" },
  };
  const config = {
    model_max_length: 32,
    pad_token: "[PAD]",
    unk_token: "[UNK]",
    ...(hasTemplate
      ? { cls_token: "[CLS]", sep_token: "[SEP]", mask_token: "[MASK]" }
      : { bos_token: "[CLS]", eos_token: "[SEP]" }),
  };
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(config));
}

/** A tiny BERT with random weights and its tokenizer, as a Hugging Face folder. */
export async function writeTinyEncoder(folder: string, width = 16): Promise<void> {
  const config = {
    model_type: "bert",
    architectures: ["BertForMaskedLM"],
    vocab_size: special.length + words.length,
    hidden_size: width,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 2 * width,
    max_position_embeddings: 32,
    initializer_range: 0.3,
    // so narrow a network would need many steps with it
    hidden_dropout_prob: 0,
  };
  await saveModel(buildNetwork({ config, tensors: undefined, source: folder, seed: 5 }), folder);
  writeTokenizer(folder, { hasTemplate: true });
}

/** A tiny Llama with random weights and its tokenizer. */
export async function writeTinyDecoder(folder: string, width = 16, more: object = {}): Promise<void> {
  const config = {
    model_type: "llama",
    architectures: ["LlamaForCausalLM"],
    vocab_size: special.length + words.length,
    hidden_size: width,
    intermediate_size: 2 * width,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    max_position_embeddings: 32,
    initializer_range: 0.3,
    bos_token_id: 2,
    eos_token_id: 3,
    ...more,
  };
  await saveModel(buildNetwork({ config, tensors: undefined, source: folder, seed: 5 }), folder);
  writeTokenizer(folder, { hasTemplate: false });
}

/** `count` texts, each with an opinion or none: "the film was good ." */
export function opinions(
  count: number,
): { readonly text: string; readonly isGood: boolean; readonly isBook: boolean }[] {
  const draw = random(3, "opinions");
  return Array.from({ length: count }, () => {
    const isGood = draw.uniform() < 0.5;
    const isBook = draw.uniform() < 0.5;
    const opinion = (isGood ? ["good", "fine"] : ["bad", "poor"])[draw.integer(2)];
    const end = draw.uniform() < 0.5 ? " ." : "";
    return { text: `the ${isBook ? "book" : "film"} was ${opinion}${end}`, isGood, isBook };
  });
}

/** Writes rows as JSON lines. */
export function writeRows(folder: string, name: string, rows: readonly object[]): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

/** A tiny RoBERTa with random weights and a byte-level tokenizer, whose words begin with their spaces. */
export async function writeTinyByteEncoder(folder: string): Promise<void> {
  const { tokenizer, config: tokenizerConfig } = tokenizerFiles("roberta");
  const { vocab } = tokenizer["model"] as { readonly vocab: Readonly<Record<string, number>> };
  const config = {
    model_type: "roberta",
    architectures: ["RobertaForMaskedLM"],
    vocab_size: Math.max(...Object.values(vocab)) + 1,
    hidden_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 32,
    max_position_embeddings: 70,
    initializer_range: 0.3,
    hidden_dropout_prob: 0,
    pad_token_id: 1,
  };
  await saveModel(buildNetwork({ config, tensors: undefined, source: folder, seed: 5 }), folder);
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(tokenizerConfig));
}
