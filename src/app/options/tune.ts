import { z } from "zod";
import { frozenKinds } from "../../models/adapters/frozen-kinds.ts";
import { adapterMethodNames } from "../../models/adapters/spec.ts";
import type { ScheduleSpec } from "../../tune/plan.ts";
import { planWords } from "../../tune/plans.ts";
import {
  count,
  dataConfig,
  declaredOptions,
  deviceOptions,
  imageOptions,
  positive,
  share,
  type TaskName,
  taskNames,
  textOptions,
  turnsOption,
} from "./common.ts";

/** Small matrices or vectors that are tuned in place of the weights. */
const adapterOptions = {
  adapter: z
    .enum(["none", ...adapterMethodNames])
    .default("none")
    .describe("what is tuned in place of the weights: an adapter of this kind, beside the head"),
  rank: count.optional().describe("inner size of an adapter's matrices; default 8"),
  alpha: positive
    .optional()
    .describe(
      "scale of what an adapter adds, over the rank; default: twice the rank (rslora, pissa: the rank)",
    ),
  targetModules: z
    .array(z.string())
    .optional()
    .describe(
      'layers to adapt, by the ends of their names, or "all-linear", or a regular expression; default: PEFT\'s for the architecture, else all linear ones',
    ),
  adapterDropout: z.number().min(0).lt(1).default(0).describe("dropout before an adapter's matrices"),
  frozenWeights: z
    .enum(frozenKinds)
    .default("float32")
    .describe(
      "how weights under an adapter are held while training: int8 is faster, int4 and nf4 take less memory; the tuned model is float32",
    ),
} as const;

const augmentOptions = z.strictObject({
  flip: share.optional(),
  crop: z
    .union([
      z.strictObject({ kind: z.literal("pad"), pixels: count }),
      z.strictObject({ kind: z.literal("resized"), minArea: share }),
    ])
    .optional(),
  color: share.optional(),
  randAugment: z.strictObject({ operations: count, magnitude: z.number().min(0).max(10) }).optional(),
  mixup: z.number().min(0).optional(),
});

export const scheduleKinds = [
  "constant",
  "linear",
  "cosine",
  "slanted-triangular",
  "one-cycle",
  "wsd",
  "restarts",
] as const satisfies readonly ScheduleSpec["kind"][];

const stageOptions = z.strictObject({
  name: z.string().optional(),
  blocks: z
    .union([z.string(), z.array(z.string())])
    .describe('block names, globs, "head", "all", "top:3", "all-but:stem"'),
  epochs: positive.optional(),
  learningRate: positive.optional(),
  multipliers: z.record(z.string(), z.number().min(0)).optional(),
  decay: positive.optional(),
  schedule: z.enum(scheduleKinds).optional(),
  warmup: share.optional(),
  batchNorm: z.enum(["frozen", "training"]).optional(),
});

/** What `tune` takes, in a recipe file, as flags or from code. */
export const tuneOptions = z.strictObject({
  model: z
    .string()
    .describe(
      "Hugging Face folder, ONNX file, folder with onnx/model.onnx, or org/name (or org/name@revision) of the Hugging Face Hub",
    ),
  data: z
    .string()
    .describe(
      "folder of images: class folders, or metadata.csv / metadata.jsonl; texts: CSV, TSV, JSONL, JSON, Parquet or a folder of them; for the task custom named arrays: .npz, .safetensors, .jsonl, or a folder of .npy files or of splits; or org/name (or org/name@revision) of a data set of the Hugging Face Hub",
    ),
  dataConfig,
  out: z.string().describe("folder for the tuned model"),
  task: z.enum(taskNames).optional().describe("what the model is to do; default: what its head is for"),
  ...declaredOptions,
  run: z.string().optional().describe("folder for the run; default: runs/NAME of the output folder"),
  force: z.boolean().default(false).describe("replace an existing output or run folder"),
  plan: z
    .string()
    .optional()
    .describe(`what moves when: ${planWords}; default: lp-ft where the head is new, else full`),
  stages: z.array(stageOptions).min(1).optional().describe("stages of a plan of your own (recipe only)"),
  epochs: positive.optional().describe("passes over the training examples; default: depends on the plan"),
  learningRate: positive.optional().describe("highest learning rate; default: depends on the plan"),
  headLearningRate: positive.optional().describe("learning rate while only the head moves (lp-ft, gradual)"),
  decay: positive.optional().describe("divide the rate by this for each block below the top (ULMFiT: 2.6)"),
  schedule: z
    .enum(scheduleKinds)
    .optional()
    .describe("course of the learning rate in a stage; default: the plan's own"),
  warmup: share.optional().describe("share of a stage spent warming up; default 0.1"),
  ...adapterOptions,
  optimizer: z.enum(["adamw", "adam", "sgd"]).default("adamw").describe("optimizer"),
  momentum: share.default(0.9).describe("momentum of sgd"),
  nesterov: z.boolean().default(false).describe("Nesterov momentum for sgd"),
  weightDecay: z.number().min(0).default(0.01).describe("weight decay of matrices and kernels"),
  clipNorm: positive.default(1).describe("largest norm of the gradient"),
  batchSize: count.default(32).describe("examples a step"),
  accumulate: count.default(1).describe("steps whose gradients are added up before an update"),
  batchNorm: z
    .enum(["auto", "frozen", "training"])
    .default("auto")
    .describe(
      "statistics of thawed BatchNormalization: frozen keeps the pretrained ones, training uses those of the batch, auto decides by how far the data lie from the pretrained ones",
    ),
  labelSmoothing: z.number().min(0).lt(1).default(0).describe("share of the target spread over all classes"),
  dropout: z
    .number()
    .min(0)
    .lt(1)
    .optional()
    .describe(
      "share of features left out while training: before the head of image networks (default 0), in every layer and before the classifier of text encoders, GPT-2 and GPT-NeoX (default: what the model's config says)",
    ),
  augment: z
    .union([z.enum(["none", "light", "strong"]), augmentOptions])
    .default("light")
    .describe("random changes to training images: none, light, strong"),
  zeroShot: z
    .boolean()
    .default(false)
    .describe(
      "begin with a head made of the classes' names, by the model's own tower for texts (CLIP, SigLIP)",
    ),
  prompt: z
    .string()
    .default("a photo of a {}.")
    .describe("what is said of a class for --zero-shot, with {} where its name stands"),
  validationShare: z
    .number()
    .min(0)
    .lt(1)
    .default(0.1)
    .describe(
      "share of the training examples held out, without a validation split; 0: none, all of them train and the last step is kept",
    ),
  evaluateEvery: count.optional().describe("evaluate every this many steps; default: every epoch"),
  patience: count.optional().describe("stop after this many evaluations without a better one"),
  limit: count.optional().describe("use at most this many training texts"),
  limitPerClass: count.optional().describe("use at most this many training images of a class"),
  maxSeconds: positive.optional().describe("stop training after this many seconds"),
  checkpointEvery: count
    .optional()
    .describe("write a checkpoint every this many steps; default: every epoch"),
  ignoreMemory: z
    .boolean()
    .default(false)
    .describe("run even where the memory that is predicted is more than there is"),
  seed: z.int().min(0).default(0).describe("seed of everything random"),
  ...imageOptions,
  ...textOptions,
  ...turnsOption,
  ...deviceOptions,
});
export type TuneOptions = z.input<typeof tuneOptions>;

/** Options of a tuning with every default filled in and its run folder named. */
export type TuneSettings = z.output<typeof tuneOptions> & { readonly run: string; readonly task: TaskName };
