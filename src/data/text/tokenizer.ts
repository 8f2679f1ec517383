/** Special tokens by what they are for. */
export type SpecialTokenName = "pad" | "cls" | "sep" | "mask" | "bos" | "eos" | "unk";

export interface SpecialToken {
  readonly id: number;
  readonly token: string;
}

/** A text as the model reads it. */
export interface Encoding {
  /** Numbers of the tokens, special ones included. */
  readonly ids: Int32Array;
  /** 0 for the first text and 1 for the second, as the tokenizer's template says; as long as `ids`. */
  readonly typeIds: Uint8Array;
  /** For texts given as words: the word each token is a part of, −1 for special tokens; as long as `ids`. */
  readonly wordIds?: Int32Array;
  /** Whether tokens were cut off to keep within `maxLength`. */
  readonly isTruncated: boolean;
}

export interface EncodeOptions {
  /** The second text of a pair. */
  readonly pair?: string;
  /** Most tokens of the result, special ones included; absent: all. */
  readonly maxLength?: number;
  /** Whether the tokenizer's template adds its special tokens; absent: true. */
  readonly addSpecial?: boolean;
}

/** What is to be encoded: a text, or two. */
export type TextInput = string | { readonly text: string; readonly pair: string };

/**
 * A model's tokenizer. It gives what Python's `tokenizers` gives for the same files.
 *
 * What is cut to `maxLength` loses its end (its beginning where `truncationSide` is "left"); of a pair the longer text
 * is cut first. Special tokens stay.
 */
export interface TextTokenizer {
  /** Tokens there are: one more than the highest number. */
  readonly size: number;
  readonly special: { readonly [N in SpecialTokenName]?: SpecialToken };
  /** Numbers of all tokens that are marked as special. */
  readonly specialIds: ReadonlySet<number>;
  /** Most tokens that the model was made for, where the folder says it. */
  readonly maxLength: number | undefined;
  readonly paddingSide: "left" | "right";
  readonly truncationSide: "left" | "right";
  /** What fills short examples of a batch: the pad token, or the end-of-sequence token of a model without one. */
  readonly padId: number;
  /** The folder's chat template (Jinja), where it has one. */
  readonly chatTemplate: string | undefined;

  encode(text: string, options?: EncodeOptions): Encoding;
  /**
   * Encodes words that are split already, each as in a text where spaces lie between words, as `is_split_into_words` does
   * in Python (with `add_prefix_space=True` where there is that option).
   */
  encodeWords(words: readonly string[], options?: Omit<EncodeOptions, "pair">): Encoding;
  /** Text of tokens; special ones are left out unless `keepSpecial`. */
  decode(ids: ArrayLike<number>, options?: { readonly keepSpecial?: boolean }): string;
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
}

/** A tokenizer that encodes many texts off the main thread. */
export interface ThreadedTokenizer extends TextTokenizer {
  /** Encodes texts in the order given, in other threads where there are enough of them. */
  encodeMany(
    texts: readonly TextInput[],
    options?: Omit<EncodeOptions, "pair">,
  ): Promise<readonly Encoding[]>;
  /** Ends the threads. */
  close(): Promise<void>;
}

/** The files of a tokenizer, parsed. */
export interface TokenizerFiles {
  readonly tokenizer: Readonly<Record<string, unknown>>;
  /** tokenizer_config.json with what special_tokens_map.json adds; {} where neither is there. */
  readonly config: Readonly<Record<string, unknown>>;
  /** No tokenizer.json says what `tokenizer` does: it was made of older files, or its class reads the file otherwise. */
  readonly isDerived?: boolean;
  /** chat_template.jinja, where the folder has it. */
  readonly chatTemplate?: string;
}
