import { z } from "zod";
import { DiapasonError } from "../base/errors.ts";
import type { SplitName } from "../data/dataset.ts";
import { type OnnxFormatName, onnxFormats } from "../models/export/formats.ts";
import type { ClassificationMetrics } from "../tasks/classification-metrics.ts";
import type { RankedLabel } from "../tasks/image-classification.ts";
import type { Metrics } from "../tune/events.ts";
import {
  dataConfig,
  declaredOptions,
  deviceOptions,
  generationOptions,
  imageOptions,
  taskNames,
  textOptions,
  turnsOption,
} from "./options/common.ts";
import type { VerbEvent } from "./verb.ts";

const onnxNames = Object.keys(onnxFormats) as [OnnxFormatName, ...OnnxFormatName[]];
const form = z
  .enum(onnxNames)
  .optional()
  .describe(
    "which of the files that export wrote computes, as it is written: onnx (float32), fp16, int8, q4, q4f16; default: the model's own weights",
  );

const task = z
  .enum(taskNames)
  .optional()
  .describe("what the model does; default: what it was tuned for, else image-classification");

/** What `evaluate` takes. */
export const evaluateOptions = z.strictObject({
  model: z.string().describe("folder of a tuned model, ONNX file, or org/name of the Hugging Face Hub"),
  data: z
    .string()
    .describe("images, texts or arrays (as for tune), or org/name of a data set of the Hugging Face Hub"),
  dataConfig,
  task,
  form,
  split: z
    .enum(["train", "validation", "test", "all"])
    .optional()
    .describe("which examples; default: test, else all"),
  predictions: z.string().optional().describe("file for what the model said of each example (JSON lines)"),
  force: z.boolean().default(false).describe("replace the file of predictions"),
  batchSize: z.int().min(1).default(32).describe("examples at once"),
  ...declaredOptions,
  ...imageOptions,
  ...textOptions,
  ...turnsOption,
  ...deviceOptions,
});
export type EvaluateOptions = z.input<typeof evaluateOptions>;
export type EvaluateSettings = z.output<typeof evaluateOptions> & GraphFile & { readonly ofRun?: RunSplit };

/** How a run split its data, where what is judged is to be what it held out: the test split, else validation. */
export interface RunSplit {
  readonly seed: number;
  readonly validationShare: number;
  /** Training texts that were drawn before validation was. */
  readonly limit?: number;
}

/** The split to be judged: the one asked for; else test, else what a run held out, else all. */
export function splitOf(
  { split, ofRun }: Pick<EvaluateSettings, "split" | "ofRun">,
  sizes: { readonly test: number; readonly validation: number },
): NonNullable<EvaluateSettings["split"]> {
  return split ?? (sizes.test > 0 ? "test" : ofRun && sizes.validation > 0 ? "validation" : "all");
}

/** The examples to be judged, and which split they are. `unit`: what they are called. @throws app/empty-split */
export function chosenExamples<E>(
  { root, splits }: { readonly root: string; readonly splits: { readonly [S in SplitName]: readonly E[] } },
  unit: string,
  options: Pick<EvaluateSettings, "split" | "ofRun">,
): readonly [split: string, examples: readonly E[]] {
  const split = splitOf(options, { test: splits.test.length, validation: splits.validation.length });
  const examples = split === "all" ? [...splits.train, ...splits.validation, ...splits.test] : splits[split];
  if (examples.length > 0) return [split, examples];
  const there = (["train", "validation", "test"] as const).filter((name) => splits[name].length > 0);
  throw new DiapasonError(
    "app/empty-split",
    `"${root}" has no ${split} ${unit}; it has ${there.join(" and ")} ${unit}.`,
    `Ask for --split ${there[0]}, or for all.`,
  );
}

/** What `predict` takes. */
export const predictOptions = z.strictObject({
  model: z.string().describe("folder of a tuned model, ONNX file, or org/name of the Hugging Face Hub"),
  inputs: z
    .array(z.string())
    .min(1)
    .describe(
      "image files; texts, or files of them, for text tasks; for the task custom one file or folder of arrays; on the command line - for the lines of standard input",
    ),
  pair: z
    .string()
    .optional()
    .describe("second text of each text that is given (text-classification, sentence-similarity)"),
  task,
  form,
  top: z.int().min(1).default(5).describe("labels an image or text"),
  out: z
    .string()
    .optional()
    .describe("file for the outputs of the task custom: .npz, .safetensors or .jsonl; default: printed"),
  outputs: z
    .array(z.string())
    .optional()
    .describe("outputs to give (custom); default: all that have a batch"),
  force: z.boolean().default(false).describe("replace the file of outputs"),
  ...generationOptions,
  fix: declaredOptions.fix,
  batchSize: z.int().min(1).default(16).describe("examples at once"),
  ...imageOptions,
  ...textOptions,
  ...deviceOptions,
});
export type PredictOptions = z.input<typeof predictOptions>;
export type PredictSettings = z.output<typeof predictOptions> & GraphFile;

interface GraphFile {
  /** The ONNX file that computes in place of the model's own network. */
  readonly file?: string | undefined;
}

/** How a classifier does on labelled examples. */
export interface Evaluated extends VerbEvent {
  readonly type: "evaluated";
  readonly model: string;
  readonly data: string;
  readonly split: string;
  /** What an example is called: "images" or "texts". */
  readonly unit: string;
  readonly classes: readonly string[];
  readonly metrics: ClassificationMetrics;
  readonly worst: readonly Mistaken[];
}

/** A wrong prediction by class names. */
export interface Mistaken {
  readonly id: string;
  readonly label: string;
  readonly predicted: string;
  readonly probability: number;
}

/** How a graph does by its declared loss and metrics. */
export interface Scored extends VerbEvent {
  readonly type: "scored";
  readonly model: string;
  readonly data: string;
  readonly split: string;
  readonly examples: number;
  /** "loss" first, then the declared metrics. */
  readonly metrics: Metrics;
  /** Examples with the largest loss, where the loss tells examples apart. */
  readonly worst: readonly LossOf[];
}

export interface LossOf {
  readonly id: string;
  readonly loss: number;
  /** What the example is, where a line says it. */
  readonly text?: string;
}

/** What a model says of one image, most probable label first. */
export interface Predicted extends VerbEvent {
  readonly type: "prediction";
  readonly path: string;
  readonly labels: readonly RankedLabel[];
}

/** Names and the like in a text, in their order. */
export interface EntitiesOf extends VerbEvent {
  readonly type: "entities";
  readonly id: string;
  readonly entities: readonly FoundEntity[];
}

export interface FoundEntity {
  readonly label: string;
  readonly text: string;
  /** Words of the text, from and up to but not including. */
  readonly words: readonly [from: number, to: number];
  /** The same in UTF-16 units, as `String.slice` counts; absent where words came split already. */
  readonly characters?: readonly [from: number, to: number];
  /** Smallest probability among its words, 0…1. */
  readonly probability: number;
}

/** What a language model writes after a prompt. */
export interface Generated extends VerbEvent {
  readonly type: "generated";
  /** The prompt, or the row that it comes from. */
  readonly id: string;
  /** A text, or the last turn of a conversation. */
  readonly prompt: string;
  /** Whether the text answers the prompt as the next turn of a conversation, rather than going on with it. */
  readonly isAnswer: boolean;
  /** What follows the prompt. */
  readonly text: string;
  readonly tokens: number;
}

/** What a graph gives for one example: numbers, nested as the output's shape says. */
export interface OutputsOf extends VerbEvent {
  readonly type: "outputs";
  readonly id: string;
  readonly outputs: Readonly<Record<string, Nested>>;
}
export type Nested = number | readonly Nested[];

/** The outputs of a graph, written to a file. */
export interface Written extends VerbEvent {
  readonly type: "written";
  readonly path: string;
  readonly examples: number;
  readonly outputs: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly dims: readonly number[];
  }[];
}
