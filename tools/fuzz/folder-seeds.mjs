import { readdirSync, readFileSync } from "node:fs";
import { writeSafetensors } from "../../dist/formats/safetensors.js";
import { shardsOf, writeShardIndex } from "../../dist/formats/shard-index.js";
import { float32 } from "../../dist/graph/tensor.js";
import { joined } from "./mutate.mjs";

const torch = new URL("../../tests/fixtures/torch/", import.meta.url);

/** Files that torch.save wrote, also those that hold what is refused. */
export const torchSeeds = readdirSync(torch)
  .filter((name) => name.endsWith(".pt"))
  .map((name) => new Uint8Array(readFileSync(new URL(name, torch))));

/** A checkpoint in two safetensors files with an index: name to bytes, and the index as JSON. */
export function shardedSeed() {
  const tensors = new Map(["a", "b", "c"].map((name) => [name, float32([8], new Float32Array(8).fill(1))]));
  const shards = shardsOf(tensors, 64);
  const files = shards.map(({ file, tensors: own }) => [
    file,
    joined(...writeSafetensors(own, { format: "pt" })),
  ]);
  return { files: new Map(files), index: JSON.parse(writeShardIndex(shards)) };
}

const special = (id, content) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});

/** A tokenizer of words and one of pairs of letters, as the tokenizers library writes them. */
export const tokenizerSeeds = [
  {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [special(0, "[PAD]"), special(1, "[UNK]"), special(2, "[CLS]"), special(3, "[SEP]")],
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [
        { SpecialToken: { id: "[CLS]", type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
        { SpecialToken: { id: "[SEP]", type_id: 0 } },
      ],
      pair: [
        { Sequence: { id: "A", type_id: 0 } },
        { SpecialToken: { id: "[SEP]", type_id: 0 } },
        { Sequence: { id: "B", type_id: 1 } },
      ],
      special_tokens: {
        "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] },
        "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] },
      },
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: {
        "[PAD]": 0,
        "[UNK]": 1,
        "[CLS]": 2,
        "[SEP]": 3,
        a: 4,
        b: 5,
        "##b": 6,
        ab: 7,
        "##a": 8,
        ",": 9,
      },
    },
  },
  {
    version: "1.0",
    added_tokens: [special(0, "<s>")],
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "▁" },
        { type: "Replace", pattern: { String: " " }, content: "▁" },
      ],
    },
    pre_tokenizer: { type: "Split", pattern: { Regex: "▁?[a-z]+|." }, behavior: "Isolated", invert: false },
    post_processor: null,
    decoder: {
      type: "Sequence",
      decoders: [{ type: "Replace", pattern: { String: "▁" }, content: " " }, { type: "Fuse" }],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: "<s>",
      byte_fallback: false,
      fuse_unk: false,
      vocab: { "<s>": 0, a: 1, b: 2, "▁": 3, ab: 4, "▁ab": 5 },
      merges: [
        ["a", "b"],
        ["▁", "ab"],
      ],
    },
  },
];

/** Whole tokenizers of the kinds that models have: byte-level, SentencePiece, patterns, character maps. */
export const fixtureTokenizers = ["qwen", "llama3", "clip", "deberta", "llama2", "gemma", "roberta"].map(
  (name) =>
    JSON.parse(
      readFileSync(
        new URL(`../../tests/fixtures/tokenizers/${name}/tokenizer.json`, import.meta.url),
        "utf8",
      ),
    ),
);

/** Tokenizers in the files that came before tokenizer.json. */
export const oldTokenizerSeeds = [
  { "vocab.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n##b\n," },
  {
    "vocab.json": JSON.stringify({ "<|endoftext|>": 0, a: 1, b: 2, ab: 3, Ġ: 4, Ġab: 5 }),
    "merges.txt": "#version: 0.2\na b\nĠ ab",
  },
];

export const tokenizerConfig = {
  pad_token: "[PAD]",
  cls_token: { content: "[CLS]" },
  model_max_length: 128,
  padding_side: "right",
  added_tokens_decoder: { 2: { content: "[CLS]", special: true } },
};

/** Rows of text in the shapes that people have, by file name. */
export const textSeeds = [
  ["rows.csv", 'text,label\n"a, b",good\nc,bad\n'],
  ["rows.tsv", "text\tlabel\na b\tgood\nc\tbad\n"],
  ["rows.jsonl", '{"text":"a","label":0}\n{"text":"b","label":1}\n'],
  ["chat.jsonl", '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n'],
  ["pairs.json", '[{"prompt":"a","chosen":"b","rejected":"c"},{"prompt":"d","chosen":"e","rejected":"f"}]'],
  ["shared.json", '[{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]}]'],
  ["task.json", '[{"instruction":"a","input":"","output":"b"}]'],
  ["tags.conll", "a B-PER\nb O\n\nc O\n"],
].map(([name, content]) => [name, new TextEncoder().encode(content)]);
