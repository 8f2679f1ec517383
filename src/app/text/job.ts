import type { TextBatch, TokenExample } from "../../data/text/text-batches.ts";
import type { LabelKind, TextRow, TextShapeName } from "../../data/text/text-dataset.ts";
import type { ThreadedTokenizer } from "../../data/text/tokenizer.ts";
import type { Graph } from "../../graph/ir.ts";
import type { HeadKind } from "../../models/architecture.ts";
import type { Model } from "../../models/model.ts";
import type { NetworkOptions } from "../../models/network/network.ts";
import type { HostTensor } from "../../runtime/runtime.ts";
import type { WeightedLoss } from "../../tasks/weighted-loss.ts";
import type { GoalMetric } from "../../tune/options.ts";
import type { EntitiesOf, Evaluated, OutputsOf, Predicted, Scored } from "../judging.ts";
import type { Proof, TaskRun } from "../task.ts";
import type { Scores } from "../tune/events.ts";

/** A text as numbers. */
export interface EncodedText extends TokenExample {
  /** Whether the text was longer. */
  readonly isTruncated: boolean;
}

/** Texts of one length, padded, with the texts themselves. */
export interface ExampleBatch<E extends EncodedText> extends TextBatch {
  readonly examples: readonly E[];
}

/** What a model says of one text. */
export type Said = EntitiesOf | OutputsOf | Predicted;

/** What the loss of a job adds to a graph. */
export interface AttachedText extends WeightedLoss {
  /** Outputs that an evaluation reads. */
  readonly outputs: readonly string[];
}

/** Takes what a model gives for one batch after the other, and judges all of it. */
export interface TextJudge<E extends EncodedText, V> {
  add(batch: ExampleBatch<E>, outputs: Readonly<Record<string, HostTensor>>): void;
  finish(): V;
}

/** Weights of a model that its network does not have. */
export interface WeightsBeside {
  /** The model with them among its parameters. */
  join(model: Model): Model;
  /** The model without them; what they are in it is what `more` writes. */
  part(model: Model): Model;
}

/** A text task over one dataset and one tokenizer: what is learnt, and how it is judged. */
export interface TextJob<E extends EncodedText, V> {
  readonly head: HeadKind;
  /** Names of the classes; undefined where there are none. */
  readonly labels: readonly string[] | undefined;
  /** How the network is built, where its tokens are not simply counted. */
  readonly network?: Pick<NetworkOptions, "positions" | "segments">;
  /** Learning rate where everything moves, where the usual one does not suit. */
  readonly learningRate?: number;
  /** What config.json gets beside the labels. */
  readonly config: Readonly<Record<string, unknown>>;
  /**
   * `packs`: whether short texts may be put together in rows, as for training; default false.
   * @throws data/… naming file and line of a row that does not fit
   */
  encode(rows: readonly TextRow[], how?: { readonly packs?: boolean }): Promise<E[]>;
  /** The same of texts that nobody has labelled. */
  encodeUnlabelled(rows: readonly TextRow[]): Promise<E[]>;
  /** The examples of an epoch, where they are not the same in each. `epoch`: from 0; −1 for judging. */
  epoch?(examples: readonly E[], epoch: number): readonly E[];
  /** Appends the loss to the graph of the model, in place. */
  attach(graph: Graph, model: Model): AttachedText;
  /** What the tokens of a batch are fed as, where a text is not a row. */
  feeds?(batch: ExampleBatch<E>): Readonly<Record<string, HostTensor>>;
  /** The same for what texts are said to be: rows of tokens, which the model's own graph reads. */
  feedsToSay?(batch: ExampleBatch<E>): Readonly<Record<string, HostTensor>>;
  /** Inputs of the graph beside the tokens, or in their place: targets. */
  targets(batch: ExampleBatch<E>): Readonly<Record<string, HostTensor>>;
  /** How much loss an example carries: 1, or its tokens that have a label. */
  countOf(example: E): number;
  judge(): TextJudge<E, V>;
  readonly goal: GoalMetric & { readonly tie?: GoalMetric };
  scores(evaluation: V): Scores;
  /** What an evaluation told, as an event. */
  judged(
    evaluation: V,
    of: { readonly model: string; readonly data: string; readonly split: string },
  ): Evaluated | Scored;
  /** What the model says of each text of a batch. `top`: labels a text. */
  say(batch: ExampleBatch<E>, outputs: Readonly<Record<string, HostTensor>>, top: number): readonly Said[];
  /** The evaluation of each example, for a file of predictions. */
  lines(evaluation: V): readonly object[];
  /** Examples with what the model made of them before it was tuned, where that is part of what is learnt. */
  refer?(examples: readonly E[], evaluation: V): readonly E[];
  /** Weights that lie beside the checkpoint and are tuned with it. */
  readonly beside?: WeightsBeside;
  /** Writes further files beside the weights. */
  more?(folder: string): Promise<void>;
  /** How many texts examples were made of, and how many of those were cut; absent: an example is a text. */
  textsIn?(examples: readonly E[]): { readonly texts: number; readonly cut: number };
  /** What a loss depends on beside its own text, as `TaskRun.batchBound`; absent: nothing. */
  readonly batchBound?: string;
  /** What to look at before the first step, beside how many texts are cut. */
  checks?(examples: readonly E[]): NonNullable<TaskRun["checks"]>;
  /** What result.json keeps for report and card. */
  details(before: V, after: V, texts: TextsOf<E>): Omit<Proof, "after">;
}

/** The texts that were trained on, and those that the result is proved on. */
export interface TextsOf<E extends EncodedText> {
  readonly trained: readonly E[];
  readonly held: readonly E[];
}

/** All turns of the assistant, the last one, or each in an example of its own that ends there. */
export type ChosenTurns = "all" | "last" | "each";

/** What a job is made of. */
export interface JobContext {
  /** The model's folder. */
  readonly folder: string;
  /** What rows are; undefined for texts that nobody has labelled. */
  readonly shape: TextShapeName | undefined;
  /** Names of the classes, in the order of their numbers; empty where there are none. */
  readonly classes: readonly string[];
  /** Undefined where there are no labels. */
  readonly labels: LabelKind | undefined;
  readonly tokenizer: ThreadedTokenizer;
  readonly maxTokens: number;
  readonly labelSmoothing: number;
  /** Which of the assistant's turns are learnt. */
  readonly turns: ChosenTurns;
  readonly seed: number;
}
