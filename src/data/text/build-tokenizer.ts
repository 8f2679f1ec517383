import { DiapasonError } from "../../base/errors.ts";
import { type AddedToken, AddedTokens } from "./added-tokens.ts";
import { buildPreTokenizer, type PreTokenizer } from "./pre-tokenizers.ts";
import { buildDecoder, cleanUp } from "./token-decoders.ts";
import { buildModel, type TokenModel } from "./token-models.ts";
import { buildNormalizer, type Normalizer, stripsStart } from "./token-normalizers.ts";
import { countSpecial, cutPair, type TemplateItem, tokenTemplate } from "./token-template.ts";
import type {
  EncodeOptions,
  Encoding,
  SpecialToken,
  SpecialTokenName,
  TextTokenizer,
  TokenizerFiles,
} from "./tokenizer.ts";
import { type SpaceWord, wordSpacing } from "./word-spaces.ts";

/** Tokens of texts that are kept, by what the pre-tokenizer cuts out: most words come again. */
const keptPieces = 100_000;

/** Numbers of tokens lie below this; the largest vocabularies have some 260,000. */
const mostTokens = 2 ** 23;

/**
 * A tokenizer from its parsed files. `where`: what messages call them.
 *
 * @throws data/bad-tokenizer for parts that are missing or not known
 */
export function buildTokenizer(files: TokenizerFiles, where: string): TextTokenizer {
  return usable(where, () => new FileTokenizer(files, where));
}

/** What a tokenizer's parts give; those that do not fit together may say so only when they are used. */
function usable<T>(where: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof DiapasonError) throw cause;
    throw new DiapasonError(
      "data/bad-tokenizer",
      `${where} cannot be used: ${(cause as Error).message}.`,
      "Take the tokenizer files that the model was published with.",
      cause,
    );
  }
}

class FileTokenizer implements TextTokenizer {
  readonly size: number;
  readonly special: { readonly [N in SpecialTokenName]?: SpecialToken };
  readonly specialIds: ReadonlySet<number>;
  readonly maxLength: number | undefined;
  readonly paddingSide: "left" | "right";
  readonly truncationSide: "left" | "right";
  readonly chatTemplate: string | undefined;
  readonly #normalize: Normalizer;
  readonly #stripsStart: (text: string) => boolean;
  readonly #cut: PreTokenizer;
  readonly #preTokenizer: unknown;
  #spaceWord: SpaceWord | undefined;
  readonly #model: TokenModel;
  readonly #decode: (tokens: readonly string[]) => string;
  /** By their numbers; and the numbers by tokens, the added ones included. */
  readonly #tokens: string[] = [];
  readonly #ids: ReadonlyMap<string, number>;
  readonly #literal: AddedTokens;
  readonly #normalized: AddedTokens;
  readonly #single: readonly TemplateItem[];
  readonly #pair: readonly TemplateItem[];
  readonly #pieces = new Map<string, readonly number[]>();

  readonly #where: string;

  constructor({ tokenizer, config, chatTemplate }: TokenizerFiles, where: string) {
    this.#where = where;
    const added = addedTokensOf(tokenizer, config);
    const given = tokenizer["normalizer"];
    this.#normalize = buildNormalizer(given);
    this.#stripsStart = stripsStart(given);
    this.#cut = buildPreTokenizer(tokenizer["pre_tokenizer"]);
    this.#preTokenizer = tokenizer["pre_tokenizer"];
    this.#model = buildModel(tokenizer["model"]);
    const decode = buildDecoder(tokenizer["decoder"]);
    const cleans = config["clean_up_tokenization_spaces"] === true;
    this.#decode = (tokens) => (cleans ? cleanUp(decode(tokens)) : decode(tokens));
    this.#ids = new Map([...this.#model.ids, ...added.map(({ content, id }) => [content, id] as const)]);
    for (const [token, id] of this.#ids) {
      if (!Number.isInteger(id) || id < 0 || id >= mostTokens)
        throw new Error(
          `its token ${JSON.stringify(token.slice(0, 40))} has the number ${id}; expected a whole number from 0 to ${mostTokens - 1}`,
        );
      this.#tokens[id] = token;
    }
    this.size = this.#tokens.length;
    const isNormalized = (token: AddedToken) => token.normalized && Boolean(given);
    this.#literal = new AddedTokens(
      added.filter((token) => !isNormalized(token)),
      ({ content }) => content,
    );
    this.#normalized = new AddedTokens(added.filter(isNormalized), ({ content }) => this.#normalize(content));
    const template = tokenTemplate(tokenizer["post_processor"]);
    for (const item of [...template.single, ...template.pair])
      for (const id of "special" in item ? item.special : [])
        if (!(id in this.#tokens))
          throw new Error(`its post-processor puts in the token ${id}, and there is none of that number`);
    this.#single = template.single;
    this.#pair = template.pair;
    this.special = this.#findSpecial(config, added);
    this.specialIds = new Set([
      ...added.filter(({ special }) => special).map(({ id }) => id),
      ...Object.values(this.special).map(({ id }) => id),
    ]);
    const longest = Number(config["model_max_length"]);
    this.maxLength = longest > 0 && longest < 1e9 ? longest : undefined;
    this.paddingSide = config["padding_side"] === "left" ? "left" : "right";
    this.truncationSide = config["truncation_side"] === "left" ? "left" : "right";
    this.chatTemplate = chatTemplate ?? templateText(config["chat_template"]);
  }

  get padId(): number {
    const token = this.special.pad ?? this.special.eos;
    if (token) return token.id;
    throw new DiapasonError(
      "data/no-token",
      "The tokenizer has neither a pad token nor an end-of-sequence token, so examples of different lengths make no batch.",
      'Set "pad_token" in its tokenizer_config.json to a token that it has.',
    );
  }

  encode(text: string, options: EncodeOptions = {}): Encoding {
    return usable(this.#where, () => {
      // What is cut off at the end need not be read; of a pair the longer one is cut, so both are.
      const enough =
        options.pair === undefined && this.truncationSide === "right" ? options.maxLength : undefined;
      const first = this.#idsOf(text, enough);
      const second = options.pair === undefined ? undefined : this.#idsOf(options.pair);
      return this.#assemble(first, second, undefined, options);
    });
  }

  encodeWords(words: readonly string[], options: Omit<EncodeOptions, "pair"> = {}): Encoding {
    return usable(this.#where, () => {
      const ids: number[] = [];
      const wordIds: number[] = [];
      this.#spaceWord ??= wordSpacing(this.#preTokenizer, this.#normalize, this.#cut);
      for (const [i, word] of words.entries())
        for (const id of this.#idsOf(this.#spaceWord(word, i))) {
          ids.push(id);
          wordIds.push(i);
        }
      return this.#assemble(ids, undefined, wordIds, options);
    });
  }

  decode(ids: ArrayLike<number>, { keepSpecial = false }: { readonly keepSpecial?: boolean } = {}): string {
    const tokens: string[] = [];
    for (let i = 0; i < ids.length; i++) {
      const token = this.#tokens[ids[i]!];
      if (token !== undefined && (keepSpecial || !this.specialIds.has(ids[i]!))) tokens.push(token);
    }
    const text = usable(this.#where, () => this.#decode(tokens));
    const { wordEnd } = this.#model;
    // No decoder of such a vocabulary knows what its words end in.
    return wordEnd === undefined ? text : text.replaceAll(wordEnd, " ").trim();
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  tokenOf(id: number): string | undefined {
    return this.#tokens[id];
  }

  /** Tokens of a text without the template's; reading ends where there are more than `enough`. */
  #idsOf(text: string, enough = Number.POSITIVE_INFINITY): readonly number[] {
    const ids: number[] = [];
    for (const part of this.#literal.split(text)) {
      if (ids.length > enough) break;
      if ("id" in part) {
        ids.push(part.id);
        continue;
      }
      const isFirst = part.start === 0 && !this.#stripsStart(part.text);
      for (const inner of this.#normalized.split(this.#normalize(part.text))) {
        if ("id" in inner) {
          ids.push(inner.id);
          continue;
        }
        for (const piece of this.#cut([{ text: inner.text, isStart: isFirst && inner.start === 0 }])) {
          if (ids.length > enough) break;
          for (const id of this.#idsOfPiece(piece.text)) ids.push(id);
        }
      }
    }
    return ids;
  }

  #idsOfPiece(piece: string): readonly number[] {
    if (piece === "") return [];
    const kept = this.#pieces.get(piece);
    if (kept) return kept;
    const ids = this.#model.encode(piece);
    if (piece.length <= 64) {
      if (this.#pieces.size >= keptPieces) this.#pieces.clear();
      this.#pieces.set(piece, ids);
    }
    return ids;
  }

  #assemble(
    first: readonly number[],
    second: readonly number[] | undefined,
    words: readonly number[] | undefined,
    { maxLength, addSpecial = true }: EncodeOptions,
  ): Encoding {
    const given = second ? this.#pair : this.#single;
    const items = addSpecial ? given : given.filter((item) => "sequence" in item);
    const total = first.length + (second?.length ?? 0);
    const room = Math.max(0, (maxLength ?? Number.POSITIVE_INFINITY) - countSpecial(items));
    const [keptFirst, keptSecond] =
      total <= room
        ? [first.length, second?.length ?? 0]
        : second
          ? cutPair(first.length, second.length, room)
          : [room, 0];
    const length = keptFirst + keptSecond + countSpecial(items);
    const ids = new Int32Array(length);
    const typeIds = new Uint8Array(length);
    const wordIds = words && new Int32Array(length).fill(-1);
    let at = 0;
    for (const item of items) {
      const isFirst = "sequence" in item && item.sequence === "A";
      const from = "special" in item ? item.special : isFirst ? first : second!;
      const count = "special" in item ? from.length : isFirst ? keptFirst : keptSecond;
      const start = this.truncationSide === "left" && "sequence" in item ? from.length - count : 0;
      for (let i = 0; i < count; i++, at++) {
        ids[at] = from[start + i]!;
        typeIds[at] = item.typeId;
        if (wordIds && isFirst) wordIds[at] = words[start + i]!;
      }
    }
    return { ids, typeIds, ...(wordIds && { wordIds }), isTruncated: keptFirst + keptSecond < total };
  }

  #findSpecial(
    config: Readonly<Record<string, unknown>>,
    added: readonly AddedToken[],
  ): { readonly [N in SpecialTokenName]?: SpecialToken } {
    const found: { [N in SpecialTokenName]?: SpecialToken } = {};
    const isSaid = specialNames.some((name) => config[`${name}_token`] !== undefined);
    const marked = new Set(added.filter(({ special }) => special).map(({ content }) => content));
    for (const name of specialNames) {
      const said = isSaid ? config[`${name}_token`] : usualTokens[name].find((token) => marked.has(token));
      const token =
        typeof said === "string" ? said : (said as { content?: string } | null | undefined)?.content;
      const id = token === undefined ? undefined : this.#ids.get(token);
      if (token !== undefined && id !== undefined) found[name] = { id, token };
    }
    return found;
  }
}

const specialNames = ["pad", "cls", "sep", "mask", "bos", "eos", "unk"] as const;

/** What special tokens are called where no file says which they are: those of BERT, RoBERTa and models of SentencePiece. */
const usualTokens: { readonly [N in SpecialTokenName]: readonly string[] } = {
  pad: ["[PAD]", "<pad>"],
  cls: ["[CLS]", "<s>"],
  sep: ["[SEP]", "</s>"],
  mask: ["[MASK]", "<mask>"],
  bos: ["<s>", "<bos>"],
  eos: ["</s>", "<eos>", "<|endoftext|>"],
  unk: ["[UNK]", "<unk>"],
};

/** Added tokens of both files, in the order of their numbers. */
function addedTokensOf(
  tokenizer: TokenizerFiles["tokenizer"],
  config: TokenizerFiles["config"],
): readonly AddedToken[] {
  const found = new Map<number, AddedToken>();
  const add = (id: number, token: Partial<AddedToken>) => {
    if (found.has(id) || typeof token.content !== "string") return;
    found.set(id, {
      id,
      content: token.content,
      single_word: token.single_word ?? false,
      lstrip: token.lstrip ?? false,
      rstrip: token.rstrip ?? false,
      special: token.special ?? false,
      normalized: token.normalized ?? !(token.special ?? false),
    });
  };
  for (const token of (tokenizer["added_tokens"] ?? []) as readonly AddedToken[]) add(token.id, token);
  const decoder = (config["added_tokens_decoder"] ?? {}) as Readonly<Record<string, Partial<AddedToken>>>;
  for (const [id, token] of Object.entries(decoder)) add(Number(id), token);
  return [...found.values()].sort((x, y) => x.id - y.id);
}

/** The template of tokenizer_config.json: a text, or the one called "default" of several. */
function templateText(said: unknown): string | undefined {
  if (typeof said === "string") return said;
  if (!Array.isArray(said)) return undefined;
  const list = said as readonly { readonly name?: string; readonly template?: string }[];
  return (list.find(({ name }) => name === "default") ?? list[0])?.template;
}
