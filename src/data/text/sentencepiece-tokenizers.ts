import type { Piece, SentencePieceModel } from "../../formats/sentencepiece.ts";
import { specialToken } from "./added-tokens.ts";
import { base64 } from "./base64.ts";
import { robertaTokens } from "./old-tokenizers.ts";
import { bpeFromSentencePiece } from "./sentencepiece-bpe.ts";

type Config = Readonly<Record<string, unknown>>;
type Scored = readonly [text: string, score: number];

/** How a family of models turns its SentencePiece model into a tokenizer. */
interface Family {
  readonly file: string;
  /** Pieces with what the family puts before, between and after them. */
  readonly vocab: (pieces: readonly Piece[]) => readonly Scored[];
  /** The number of what is unknown; absent: the model's own. */
  readonly unknownId?: number;
  /** Normalisers before that of the model, and after it. */
  readonly before: (config: Config) => readonly object[];
  readonly after: readonly object[];
  readonly splitsPunctuation?: (config: Config) => boolean;
  /** Special tokens by their roles, where the folder does not name them. */
  readonly special: Readonly<Record<string, string>>;
  /** A text and a pair: special tokens by roles, "A" and "B" for the texts, each with its kind of text. */
  readonly single: Template;
  readonly pair: Template;
}
type Template = readonly (readonly [item: string, typeId: number])[];

const scored = (pieces: readonly Piece[]): Scored[] => pieces.map(({ text, score }) => [text, score]);

/** Several spaces as one. */
const spacesAs = (content: string) => ({ type: "Replace", pattern: { Regex: " {2,}" }, content });

const oneText = [
  ["cls_token", 0],
  ["A", 0],
  ["sep_token", 0],
] as const;

const robertaLike = {
  file: "sentencepiece.bpe.model",
  unknownId: 3,
  before: () => [],
  after: [{ type: "Strip", strip_left: false, strip_right: true }, spacesAs("▁")],
  special: robertaTokens,
  single: oneText,
  pair: [
    ["cls_token", 0],
    ["A", 0],
    ["sep_token", 0],
    ["sep_token", 0],
    ["B", 0],
    ["sep_token", 0],
  ],
} as const satisfies Partial<Family>;

const bertLike = {
  after: [spacesAs(" ")],
  single: oneText,
  pair: [
    ["cls_token", 0],
    ["A", 0],
    ["sep_token", 0],
    ["B", 1],
    ["sep_token", 1],
  ],
} as const satisfies Partial<Family>;

const lowercase = (config: Config, usual: boolean) =>
  (config["do_lower_case"] ?? usual) === true ? [{ type: "Lowercase" }] : [];

/** Models whose tokenizers are read without a tokenizer.json, by `model_type`. Source: transformers, convert_slow_tokenizer.py. */
const families: Readonly<Record<string, Family>> = {
  "deberta-v2": {
    ...bertLike,
    file: "spm.model",
    vocab: scored,
    before: (config) => [...lowercase(config, false), { type: "Strip", strip_left: true, strip_right: true }],
    splitsPunctuation: (config) => config["split_by_punct"] === true,
    special: {
      bos_token: "[CLS]",
      eos_token: "[SEP]",
      unk_token: "[UNK]",
      sep_token: "[SEP]",
      pad_token: "[PAD]",
      cls_token: "[CLS]",
      mask_token: "[MASK]",
    },
  },
  albert: {
    ...bertLike,
    file: "spiece.model",
    // a number before a comma is cut from it
    vocab: (pieces) => pieces.map(({ text, score }) => [text, /[0-9],$/.test(text) ? score - 100 : score]),
    before: (config) => [
      { type: "Replace", pattern: { String: "``" }, content: '"' },
      { type: "Replace", pattern: { String: "''" }, content: '"' },
      ...(config["keep_accents"] === true ? [] : [{ type: "NFKD" }, { type: "StripAccents" }]),
      ...lowercase(config, true),
    ],
    special: {
      bos_token: "[CLS]",
      eos_token: "[SEP]",
      unk_token: "<unk>",
      sep_token: "[SEP]",
      pad_token: "<pad>",
      cls_token: "[CLS]",
      mask_token: "[MASK]",
    },
  },
  "xlm-roberta": {
    ...robertaLike,
    vocab: (pieces) => [
      ...["<s>", "<pad>", "</s>", "<unk>"].map((text): Scored => [text, 0]),
      ...scored(pieces.slice(3)),
      ["<mask>", 0],
    ],
  },
  camembert: {
    ...robertaLike,
    vocab: (pieces) => [
      ...["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>"].map((text): Scored => [text, 0]),
      ["<unk>NOTUSED", -100],
      ...scored(pieces.slice(1)),
      ["<mask>", 0],
    ],
  },
};

/** The file of the SentencePiece model of a type of models. */
export const sentencePieceFileOf = (modelType: string): string =>
  Object.hasOwn(families, modelType) ? families[modelType]!.file : "tokenizer.model";

/**
 * The tokenizer.json that a SentencePiece model and tokenizer_config.json amount to, and the config with its special tokens.
 * @throws Error for a model that is of another kind than its family's, or lacks a special token
 */
export function fromSentencePiece(
  model: SentencePieceModel,
  modelType: string,
  config: Config,
): { readonly tokenizer: Record<string, unknown>; readonly config: Record<string, unknown> } {
  if (!Object.hasOwn(families, modelType)) return bpeFromSentencePiece(model, config, modelType);
  const family = families[modelType]!;
  if (model.kind !== "unigram")
    throw new Error(
      `${family.file} is a model of the kind ${model.kind}, and those of this type are unigram`,
    );
  const vocab = family.vocab(model.pieces);
  const ids = new Map(vocab.map(([text], id) => [text, id]));
  const special = specialTokens(config, family.special);
  const added = new Set(
    model.pieces
      .filter(isAdded)
      .map(({ text }) => text)
      .filter((text) => ids.has(text)),
  );
  for (const token of Object.values(special)) {
    if (!ids.has(token)) ids.set(token, ids.size);
    added.add(token);
  }
  const users = new Set(model.pieces.filter(({ type }) => type === "user").map(({ text }) => text));
  const roles = new Set(Object.values(special));
  const items = (template: Template) =>
    template.map(([item, typeId]) =>
      item === "A" || item === "B"
        ? { Sequence: { id: item, type_id: typeId } }
        : { SpecialToken: { id: special[item], type_id: typeId } },
    );
  const [cls, sep] = [special["cls_token"]!, special["sep_token"]!];
  const space = { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true };
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: [...added]
        .map((content) =>
          specialToken(ids.get(content)!, content, {
            lstrip: content === special["mask_token"] && modelType !== "deberta-v2",
            special: roles.has(content) || !users.has(content),
          }),
        )
        .sort((a, b) => a.id - b.id),
      normalizer: {
        type: "Sequence",
        normalizers: [
          ...family.before(config),
          ...(model.charsmap.length > 0
            ? [{ type: "Precompiled", precompiled_charsmap: base64(model.charsmap) }]
            : []),
          ...family.after,
        ],
      },
      pre_tokenizer: family.splitsPunctuation?.(config)
        ? { type: "Sequence", pretokenizers: [{ type: "Punctuation", behavior: "Isolated" }, space] }
        : space,
      post_processor: {
        type: "TemplateProcessing",
        single: items(family.single),
        pair: items(family.pair),
        special_tokens: Object.fromEntries(
          [...new Set([cls, sep])].map((token) => [
            token,
            { id: token, ids: [ids.get(token)], tokens: [token] },
          ]),
        ),
      },
      decoder: space,
      model: {
        type: "Unigram",
        unk_id: family.unknownId ?? model.unknownId,
        vocab,
        byte_fallback: false,
      },
    },
    config: { ...special, ...config },
  };
}

const isAdded = ({ type }: Piece): boolean => type === "control" || type === "user";

/** Special tokens by roles, as the folder names them or else the family. */
const specialTokens = (config: Config, usual: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(usual).map(([role, token]) => {
      const said = config[role];
      const name =
        typeof said === "string" ? said : (said as { content?: string } | null | undefined)?.content;
      return [role, name ?? token];
    }),
  );
