import type { z } from "zod";
import type { DropoutShares } from "./network/dropout-shares.ts";
import type { Network, NetworkOptions } from "./network/network.ts";

/** What a network gives, beside what it is made of. Each has one name for its outputs, whatever the architecture. */
export type HeadKind =
  | "features"
  | "sequence-classification"
  | "token-classification"
  | "masked-lm"
  | "causal-lm"
  | "image-classification"
  | "zero-shot-classification"
  | "image-text";

/** How a network is built to be run elsewhere, where that is not how it is trained: a decoder keeps what it has read. */
export const exportedAs: { readonly [K in HeadKind]?: Pick<NetworkOptions, "cache"> } = {
  "causal-lm": { cache: true },
};

/** A network with one kind of head. */
export interface Head<C> {
  /** The class of transformers that has this head, as config.json names it; a name of its own where there is none. */
  readonly className: string;
  /** Other classes of transformers that have it, one of which a config may name; `build` tells them apart by that. */
  readonly otherClassNames?: readonly string[];
  /** transformers.js has no class for the head, so that its pipelines do not open such a folder. */
  readonly lacksJsClass?: true;
  /**
   * Adds inputs, nodes and outputs. Inputs and outputs have transformers' names: `input_ids`, `attention_mask`,
   * `token_type_ids` int64 [batch, tokens], `pixel_values` float32 [batch, channels, height, width];
   * `last_hidden_state` [batch, tokens, width], `logits` [batch, classes] or [batch, tokens, classes].
   */
  build(m: Network, config: C): void;
  /** Path of the table by which hidden states become logits of words, which may be the embeddings'. */
  wordTable?(config: C): string;
}

/**
 * A family of networks that Diapason builds from a checkpoint: one file each.
 *
 * Weights have the names of transformers' checkpoints, so that what is saved loads there.
 */
export interface Architecture<C extends object = object> {
  /** Values of `model_type` in config.json. */
  readonly modelTypes: readonly string[];
  /** Fields of config.json that the network reads, with transformers' defaults. */
  readonly config: z.ZodType<C>;
  /** transformers' `base_model_prefix`: where the body's weights lie in a network with a head; a bare one has them at the root. */
  readonly prefix: string;
  /** Paths of the body's blocks, from the input end, without the prefix: what freezing counts. What is in none of them is "head". A path may also lead beside the body. */
  blocks(config: C): readonly string[];
  readonly heads: { readonly [K in HeadKind]?: Head<C> };
  /** What the config would have training leave out, with transformers' defaults; absent where nothing can be. */
  dropout?(config: C, head: HeadKind): DropoutShares;
  /** Weights of the body that a checkpoint may lack, because its own head had no use for them; matched without the prefix. */
  readonly optional?: RegExp;
  /**
   * Weights of the body that the network does not read and transformers' class has; matched without the prefix. What a
   * checkpoint has of them stays beside the network and is saved with it.
   */
  readonly kept?: RegExp;
  /** Learnt places, of those that its config counts, that no token of a text has. Default: none. */
  unusedPlaces?(config: C): number;
  /** Spellings that older checkpoints have, and what they are called now. */
  readonly renames?: readonly (readonly [RegExp, string])[];
  /**
   * What today's transformers calls modules whose weights keep older names in checkpoints: adapters have these. Applied one
   * after the other to paths of modules and of weights.
   */
  readonly modules?: readonly (readonly [RegExp, string])[];
}

/** The same, with the types of its config kept inside: how a table holds several. */
export const architecture = <C extends object>(row: Architecture<C>): Architecture =>
  row as unknown as Architecture;
