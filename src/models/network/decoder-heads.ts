import type { Value } from "../../graph/ir.ts";
import type { Head, HeadKind } from "../architecture.ts";
import { lastTokenOf } from "./last-token.ts";
import { type Network, numberAt } from "./network.ts";

type ClassifierKind = "sequence-classification" | "token-classification";

/** What a family of causal decoders puts under its heads. */
export interface DecoderHeads<C> {
  /** Start of transformers' class names: "Llama". */
  readonly classStem: string;
  /** transformers' class names that do not follow from it. */
  readonly classNames?: { readonly [K in HeadKind]?: string };
  /** The body's path in a network with a head. */
  readonly prefix: string;
  /** Hidden states after the last normalisation, [batch, tokens, width]; `m` is at the body. */
  readonly decoded: (m: Network, c: C) => Value;
  /** Path of the table [words, width] by which hidden states become logits of words, which may be the embeddings'. */
  readonly wordTable: (c: C) => string;
  readonly words: (c: C) => number;
  /** What is done to the logits of words. */
  readonly afterWords?: (m: Network, c: C, logits: Value) => Value;
  /** Path of the last layer of each classifier that transformers has for the family. */
  readonly classifiers: { readonly [K in ClassifierKind]?: string };
}

/** The heads of a causal decoder: none, words, a class read at the last token, a class of every token. */
export function decoderHeads<C>(row: DecoderHeads<C>): { readonly [K in HeadKind]?: Head<C> } {
  const { classStem, classNames = {}, classifiers, prefix } = row;
  const body = (m: Network, c: C) => row.decoded(m.at(prefix), c);
  const sequence = classifiers["sequence-classification"];
  const token = classifiers["token-classification"];
  return {
    features: {
      className: classNames.features ?? `${classStem}Model`,
      build: (m, c) => m.output("last_hidden_state", row.decoded(m, c)),
    },
    "causal-lm": {
      className: classNames["causal-lm"] ?? `${classStem}ForCausalLM`,
      build(m, c) {
        const hidden = body(m, c);
        const table = m.weight(row.wordTable(c), [row.words(c), numberAt(hidden, -1)], "matrix");
        const logits = m.affine(hidden, table);
        m.output("logits", row.afterWords?.(m, c, logits) ?? logits);
      },
      wordTable: row.wordTable,
    },
    ...(sequence && {
      "sequence-classification": {
        className: classNames["sequence-classification"] ?? `${classStem}ForSequenceClassification`,
        lacksJsClass: true,
        build(m, c) {
          const last = lastTokenOf(m, body(m, c));
          m.output("logits", m.linear(sequence, last, m.options.classes, { bias: false }));
        },
      },
    }),
    ...(token && {
      "token-classification": {
        className: classNames["token-classification"] ?? `${classStem}ForTokenClassification`,
        lacksJsClass: true,
        build: (m, c) =>
          m.output("logits", m.linear(token, m.dropped("classifier", token, body(m, c)), m.options.classes)),
      },
    }),
  };
}
