import { z } from "zod";

export const positive = z.number().positive();
export const count = z.int().min(1);
export const share = z.number().min(0).max(1);

/** Which part of a data set of the Hub is read. */
export const dataConfig = z
  .string()
  .optional()
  .describe(
    "config of a data set of the Hugging Face Hub that has several; default: the one it calls default",
  );

/** What a model may be tuned for. */
export type TaskName = (typeof taskNames)[number];
export const taskNames = [
  "image-classification",
  "text-classification",
  "token-classification",
  "fill-mask",
  "sentence-similarity",
  "causal-lm",
  "preference",
  "custom",
] as const;

/** What the task "custom" minimises, measures and feeds. */
export const declaredOptions = {
  loss: z
    .string()
    .optional()
    .describe(
      'what to minimise (custom): KIND:OUTPUT=ARRAY with mse, l1, huber, bce or cross-entropy, sums such as "2*mse:a=x + l1:b=y", or an ONNX file that ends in a scalar',
    ),
  metric: z
    .array(z.string())
    .optional()
    .describe(
      "what to measure beside the loss (custom): KIND:OUTPUT=ARRAY with mae, rmse, r2 or accuracy; the first one chooses the checkpoint",
    ),
  fix: z
    .array(z.string())
    .optional()
    .describe("inputs that are the same number for every example (custom), as NAME=NUMBER"),
} as const;

/** How images reach the model where no preprocessor_config.json says it. */
export const imageOptions = {
  size: count.optional().describe("image height and width in pixels, where the model does not say it"),
  mean: z.array(z.number()).optional().describe("mean per channel, after scaling to 0…1"),
  std: z.array(positive).optional().describe("standard deviation per channel, after scaling to 0…1"),
} as const;

/** How texts are read. */
export const textOptions = {
  maxTokens: count
    .optional()
    .describe("tokens of a text that are read; default: what the model takes, 512 at most"),
  textColumn: z.string().optional().describe("column of the text, where it has an unusual name"),
  pairColumn: z.string().optional().describe("column of the second text of a pair"),
  labelColumn: z
    .union([z.string(), z.array(z.string()).min(1)])
    .optional()
    .describe("column of the label; several columns of 0 and 1: a class each"),
  labels: z
    .enum(["class", "classes", "number"])
    .optional()
    .describe("what labels are: one class, any number of classes, or a number; default: as they look"),
} as const;

/** How conversations are learnt. */
export const turnsOption = {
  turns: z
    .enum(["all", "last", "each"])
    .optional()
    .describe(
      "which of the assistant's turns are learnt, or judged (causal-lm): all of a conversation; the last; each in an example of its own that ends there, as thinking models write it; default: all",
    ),
} as const;

/** How a language model goes on. */
export const generationOptions = {
  stop: z
    .array(z.string().min(1))
    .optional()
    .describe("texts that end what is written, each as soon as it is there; it is left out (causal-lm)"),
  maxNewTokens: count.default(128).describe("tokens that are written at most (causal-lm)"),
  temperature: z
    .number()
    .min(0)
    .default(0)
    .describe("0: always the likeliest token; 1: as the model would draw (causal-lm)"),
  topK: z.int().min(0).default(0).describe("draw among so many of the likeliest tokens; 0: all (causal-lm)"),
  topP: share
    .default(1)
    .describe("draw among the likeliest tokens that together have this share (causal-lm)"),
  repetitionPenalty: positive
    .default(1)
    .describe("above 1: tokens that are there already become less likely (causal-lm)"),
  chat: z.boolean().default(false).describe("inputs are what a user says to a chat model (causal-lm)"),
  seed: z.int().min(0).default(0).describe("seed of what is drawn"),
} as const;

/** Where graphs may run; docs/devices.md says what each needs. */
export type Device = "cpu" | "webgpu" | "cuda";
const devices = ["cpu", "webgpu", "cuda"] as const satisfies readonly Device[];

/** Where and how a verb computes. */
export const deviceOptions = {
  device: z.enum(devices).default("cpu").describe("where graphs run"),
  cpuFallback: z
    .boolean()
    .default(false)
    .describe("operators that the device lacks run on the CPU, instead of being named in an error"),
  threads: count.optional().describe("threads of one operator; default: the machine's cores"),
} as const;
