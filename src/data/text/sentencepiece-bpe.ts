import type { SentencePieceModel } from "../../formats/sentencepiece.ts";
import { specialToken } from "./added-tokens.ts";
import { base64 } from "./base64.ts";

type Part = Readonly<Record<string, unknown>>;

/** What a folder says a special token is: a text, or an object that holds it. */
export const tokenText = (said: unknown): string | undefined =>
  typeof said === "string" ? said : (said as { readonly content?: string } | null | undefined)?.content;

/** What transformers makes of a `tokenizer.model`: its class for Llama, that for Gemma, or what the model itself says. */
export type BpeStyle = "llama" | "gemma" | "own";

/** Types of models whose `tokenizer_class` transformers passes over. Source: transformers, tokenization_auto.py. */
const ownTypes: ReadonlySet<string> = new Set([
  ...["mistral", "mistral3", "ministral", "ministral3", "mixtral", "pixtral", "voxtral"],
  ...["phi3", "phi3_v", "phimoe", "llava", "llava_next", "vipllava", "internlm2", "internlm3", "minicpm3"],
]);
const gemmaTypes = /^(gemma|shieldgemma|recurrent_gemma|paligemma|t5gemma)/;

/** Which class of transformers reads the tokenizer of a folder. */
export function bpeStyleOf(config: Part, modelType: string): BpeStyle {
  if (ownTypes.has(modelType)) return "own";
  const name = String(config["tokenizer_class"] ?? "").replace(/Fast$/, "");
  if (name === "LlamaTokenizer") return "llama";
  return name === "GemmaTokenizer" || (name === "" && gemmaTypes.test(modelType)) ? "gemma" : "own";
}

/** The parts of a tokenizer.json that a class puts in the place of the file's own. */
export interface BpeParts {
  readonly normalizer: object | null;
  readonly pre_tokenizer: object | null;
  readonly decoder: object;
  readonly model: Part;
}

const spaces = (content: string, pattern = " ") => ({
  type: "Replace",
  pattern: { String: pattern },
  content,
});
const decoder = (stripsSpace: boolean) => ({
  type: "Sequence",
  decoders: [
    spaces(" ", "▁"),
    { type: "ByteFallback" },
    { type: "Fuse" },
    ...(stripsSpace ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
  ],
});
const bpeModel = { type: "BPE", fuse_unk: true, byte_fallback: true };

/**
 * Parts of a Llama tokenizer. One that is "legacy" puts a space before every stretch between special tokens; others
 * before the text alone. Source: transformers, tokenization_llama.py.
 */
export function llamaParts(config: Part): BpeParts {
  const prefixes = (config["add_prefix_space"] ?? true) !== false;
  const scheme = prefixes ? (config["legacy"] ? "always" : "first") : "never";
  return {
    normalizer: null,
    pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: scheme, split: false },
    decoder: decoder(prefixes),
    model: { ...bpeModel, unk_token: null },
  };
}

function gemmaParts(config: Part): BpeParts {
  return {
    normalizer: spaces("▁"),
    pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false },
    decoder: decoder(false),
    model: { ...bpeModel, unk_token: tokenText(config["unk_token"]) ?? "<unk>" },
  };
}

/** Parts as the model says: what SentencePiece itself does. Source: transformers, `build_tokenizer_from_spm_proto`. */
function ownParts(model: SentencePieceModel, config: Part, users: readonly string[]): BpeParts {
  const isLegacy = (config["legacy"] ?? true) === true;
  const { normalizer, trainer } = model;
  const prefixes = normalizer.addsPrefix;
  const cuts = [
    ...(prefixes
      ? [
          {
            type: "Metaspace",
            replacement: "▁",
            prepend_scheme: isLegacy ? "always" : "first",
            split: false,
          },
        ]
      : []),
    ...(users.length > 0
      ? [{ type: "Split", pattern: { Regex: anyOf(users) }, behavior: "Isolated", invert: false }]
      : []),
  ];
  return {
    normalizer: {
      type: "Sequence",
      normalizers: [
        ...(model.charsmap.length > 0
          ? [{ type: "Precompiled", precompiled_charsmap: base64(model.charsmap) }]
          : []),
        ...(normalizer.joinsSpaces
          ? [
              { type: "Replace", pattern: { Regex: "\\A +| +\\z" }, content: "" },
              { type: "Replace", pattern: { Regex: " {2,}" }, content: " " },
            ]
          : []),
        ...(normalizer.marksSpaces ? [spaces("▁")] : []),
        // Metaspace puts no mark before a text that begins with one; SentencePiece does.
        ...(prefixes && isLegacy ? [{ type: "Replace", pattern: { Regex: "\\A▁" }, content: "▁▁" }] : []),
      ],
    },
    pre_tokenizer: cuts.length > 0 ? { type: "Sequence", pretokenizers: cuts } : null,
    decoder: {
      type: "Sequence",
      decoders: [
        spaces(" ", "▁"),
        ...(trainer.fallsBackToBytes ? [{ type: "ByteFallback" }] : []),
        ...(prefixes || trainer.fallsBackToBytes ? [{ type: "Fuse" }] : []),
        ...(prefixes ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      ...bpeModel,
      byte_fallback: trainer.fallsBackToBytes,
      unk_token: trainer.unknown,
      ignore_merges: users.length > 0,
    },
  };
}

/** A pattern of texts, the longest first. */
const anyOf = (texts: readonly string[]): string =>
  [...texts]
    .sort((a, b) => b.length - a.length)
    .map((text) => text.replace(/[\\^$.*+?()[\]{}|#\-~&\s]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`)))
    .join("|");

/** Special tokens by roles, where the folder does not name them. */
function usualSpecial(style: BpeStyle, { trainer }: SentencePieceModel): Readonly<Record<string, string>> {
  if (style === "llama") return { unk_token: "<unk>", bos_token: "<s>", eos_token: "</s>" };
  if (style === "gemma")
    return {
      unk_token: "<unk>",
      bos_token: "<bos>",
      eos_token: "<eos>",
      pad_token: "<pad>",
      mask_token: "<mask>",
    };
  return {
    unk_token: trainer.unknown,
    ...(trainer.start !== undefined && { bos_token: trainer.start }),
    ...(trainer.end !== undefined && { eos_token: trainer.end }),
  };
}

const roles = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map((name) => `${name}_token`);

/**
 * The tokenizer.json that a byte-pair model of SentencePiece amounts to, and the config with its special tokens, as
 * transformers 5 reads a folder of Llama, Mistral, Phi-3 or Gemma that has no tokenizer.json.
 *
 * @throws Error for a model of another kind
 */
export function bpeFromSentencePiece(
  model: SentencePieceModel,
  config: Part,
  modelType: string,
): { readonly tokenizer: Record<string, unknown>; readonly config: Record<string, unknown> } {
  if (model.kind !== "bpe")
    throw new Error(
      `it is a model of the kind ${model.kind}, and a tokenizer.model must be of byte pairs (bpe)`,
    );
  const style = bpeStyleOf(config, modelType);
  const { pieces } = model;
  const declared = (config["added_tokens_decoder"] ?? {}) as Readonly<Record<string, unknown>>;
  const names = pieces.map(({ text }) => text);
  if (style === "own") rename(names, declared);
  const vocab = new Map(names.map((text, id) => [text, id]));
  const users = names.filter((_, id) => pieces[id]!.type === "user");
  const parts =
    style === "llama"
      ? llamaParts(config)
      : style === "gemma"
        ? gemmaParts(config)
        : ownParts(model, config, users);
  const special: Record<string, string> = {};
  for (const role of roles) {
    const token = tokenText(config[role]) ?? usualSpecial(style, model)[role];
    if (token !== undefined) special[role] = token;
  }
  const ids = new Map(vocab);
  for (const [id, token] of Object.entries(declared)) ids.set(tokenText(token) ?? "", Number(id));
  const added = new Map<number, object>();
  const add = (content: string, isSpecial: boolean) => {
    const id = ids.get(content) ?? Math.max(...ids.values()) + 1;
    ids.set(content, id);
    // What the config says of a token goes before, and is read beside this file.
    if (added.has(id) || Object.hasOwn(declared, String(id))) return;
    added.set(id, specialToken(id, content, { special: isSpecial }));
  };
  for (const token of Object.values(special)) add(token, true);
  for (const [id, { type }] of pieces.entries())
    if (type === "control" || (type === "user" && style !== "own")) add(names[id]!, type === "control");
  for (const [id, token] of Object.entries(declared))
    added.set(Number(id), {
      lstrip: false,
      rstrip: false,
      single_word: false,
      special: false,
      ...(token as object),
      id: Number(id),
      // A space is put before what follows a special token, so these are found in the text as it is given.
      normalized: style !== "own" && ((token as { normalized?: boolean }).normalized ?? true),
    });
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: [...added.entries()].sort(([a], [b]) => a - b).map(([, token]) => token),
      normalizer: parts.normalizer,
      pre_tokenizer: parts.pre_tokenizer,
      post_processor: endsTemplate(config, special, ids),
      decoder: parts.decoder,
      model: {
        ...parts.model,
        vocab: Object.fromEntries(vocab),
        merges: style === "own" ? mergesByScore(model, names) : mergesByNumber(names),
      },
    },
    config: { ...special, ...config },
  };
}

/** Gives pieces the names that the config has for their numbers, but for names that other pieces keep. */
function rename(names: string[], declared: Readonly<Record<string, unknown>>): void {
  const kept = new Set(names.filter((_, id) => !Object.hasOwn(declared, String(id))));
  for (const id of names.keys()) {
    const name = tokenText(declared[String(id)]);
    if (name !== undefined && !kept.has(name)) names[id] = name;
  }
}

/** Every way to put a piece together of two others, in the order of the pieces. */
function mergesByNumber(names: readonly string[]): readonly (readonly [string, string])[] {
  const known = new Set(names);
  return names.flatMap((name) => cutsOf(name, known));
}

/** The same of ordinary pieces alone, the best first. */
function mergesByScore(
  { pieces }: SentencePieceModel,
  names: readonly string[],
): readonly (readonly [string, string])[] {
  const order = [...pieces.keys()].filter((id) => pieces[id]!.type === "normal");
  const known = new Set(order.map((id) => names[id]!));
  order.sort((a, b) => pieces[b]!.score - pieces[a]!.score || a - b);
  return order.flatMap((id) => cutsOf(names[id]!, known));
}

function cutsOf(name: string, known: ReadonlySet<string>): readonly (readonly [string, string])[] {
  const found: [string, string][] = [];
  for (let at = 1; at < name.length; at++) {
    const [left, right] = [name.slice(0, at), name.slice(at)];
    if (known.has(left) && known.has(right)) found.push([left, right]);
  }
  return found;
}

/** Beginning and end of texts, where the config asks for them. */
function endsTemplate(
  config: Part,
  special: Readonly<Record<string, string>>,
  ids: ReadonlyMap<string, number>,
): object {
  const [start, end] = (["bos", "eos"] as const).map((name) =>
    config[`add_${name}_token`] === true ? special[`${name}_token`] : undefined,
  );
  const items = (id: string, typeId: number) => [
    ...(start === undefined ? [] : [{ SpecialToken: { id: start, type_id: typeId } }]),
    { Sequence: { id, type_id: typeId } },
    ...(end === undefined ? [] : [{ SpecialToken: { id: end, type_id: typeId } }]),
  ];
  return {
    type: "TemplateProcessing",
    single: items("A", 0),
    pair: [...items("A", 0), ...items("B", 1)],
    special_tokens: Object.fromEntries(
      [start, end]
        .filter((token) => token !== undefined)
        .map((token) => [token, { id: token, ids: [ids.get(token)], tokens: [token] }]),
    ),
  };
}
