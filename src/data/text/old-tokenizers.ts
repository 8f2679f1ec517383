import { specialToken } from "./added-tokens.ts";

/** What RoBERTa and its kin call their special tokens. */
export const robertaTokens: Readonly<Record<string, string>> = {
  bos_token: "<s>",
  eos_token: "</s>",
  sep_token: "</s>",
  cls_token: "<s>",
  unk_token: "<unk>",
  pad_token: "<pad>",
  mask_token: "<mask>",
};

/** The files that tokenizers came in before tokenizer.json. */
export interface OldFiles {
  /** vocab.txt: a token a line. */
  readonly vocabTxt?: string;
  /** vocab.json and merges.txt. */
  readonly vocabJson?: Readonly<Record<string, number>>;
  readonly mergesTxt?: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** model_type of config.json. */
  readonly modelType?: string;
}

type Files = { readonly tokenizer: Record<string, unknown>; readonly config: Record<string, unknown> };

/** The tokenizer.json that older files amount to: BERT's vocab.txt, or vocab.json and merges.txt of GPT-2 and RoBERTa. */
export function convertOldTokenizer(files: OldFiles): Files | undefined {
  if (files.vocabTxt !== undefined) return fromVocabTxt(files.vocabTxt, files.config);
  if (files.vocabJson && files.mergesTxt !== undefined)
    return fromMerges(files.vocabJson, files.mergesTxt, files.config, files.modelType);
  return undefined;
}

/** Special tokens by their roles: those of the configuration, or else these, where the vocabulary has them. */
function specialOf(
  vocab: ReadonlyMap<string, number>,
  config: Readonly<Record<string, unknown>>,
  usual: Readonly<Record<string, string>>,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [role, token] of Object.entries(usual)) {
    const said = config[role];
    const name =
      typeof said === "string" ? said : ((said as { content?: string } | undefined)?.content ?? token);
    if (vocab.has(name)) found[role] = name;
  }
  return found;
}

function fromVocabTxt(text: string, config: Readonly<Record<string, unknown>>): Files {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  const vocab = new Map(lines.map((token, id) => [token, id]));
  const special = specialOf(vocab, config, {
    pad_token: "[PAD]",
    unk_token: "[UNK]",
    cls_token: "[CLS]",
    sep_token: "[SEP]",
    mask_token: "[MASK]",
  });
  const { cls_token: cls, sep_token: sep, unk_token: unk } = special;
  if (cls === undefined || sep === undefined || unk === undefined)
    throw new Error("vocab.txt lacks [CLS], [SEP] or [UNK]");
  return {
    tokenizer: {
      added_tokens: Object.values(special).map((token) => specialToken(vocab.get(token)!, token)),
      normalizer: {
        type: "BertNormalizer",
        clean_text: true,
        handle_chinese_chars: config["tokenize_chinese_chars"] ?? true,
        strip_accents: config["strip_accents"] ?? null,
        lowercase: config["do_lower_case"] ?? true,
      },
      pre_tokenizer: { type: "BertPreTokenizer" },
      post_processor: { type: "BertProcessing", cls: [cls, vocab.get(cls)], sep: [sep, vocab.get(sep)] },
      decoder: { type: "WordPiece", prefix: "##", cleanup: true },
      model: { type: "WordPiece", unk_token: unk, vocab: Object.fromEntries(vocab) },
    },
    config: { ...special, ...config },
  };
}

function fromMerges(
  vocabulary: Readonly<Record<string, number>>,
  mergesTxt: string,
  config: Readonly<Record<string, unknown>>,
  modelType: string | undefined,
): Files {
  const vocab = new Map(Object.entries(vocabulary));
  const isRoberta = modelType === undefined ? vocab.has("<mask>") : /roberta|bart|longformer/.test(modelType);
  const special: Record<string, string> = isRoberta
    ? specialOf(vocab, config, robertaTokens)
    : specialOf(vocab, config, {
        bos_token: "<|endoftext|>",
        eos_token: "<|endoftext|>",
        unk_token: "<|endoftext|>",
      });
  const merges = mergesTxt.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#version"));
  const space = config["add_prefix_space"] ?? false;
  const { cls_token: cls, sep_token: sep } = special;
  return {
    tokenizer: {
      added_tokens: [...new Set(Object.values(special))].map((token) =>
        specialToken(vocab.get(token)!, token, { lstrip: token === special["mask_token"] }),
      ),
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: space, use_regex: true },
      post_processor:
        cls !== undefined && sep !== undefined
          ? { type: "RobertaProcessing", cls: [cls, vocab.get(cls)], sep: [sep, vocab.get(sep)] }
          : { type: "ByteLevel" },
      decoder: { type: "ByteLevel" },
      model: { type: "BPE", vocab: vocabulary, merges },
    },
    config: { ...special, ...config },
  };
}
