import { z } from "zod";
import { DiapasonError } from "../../base/errors.ts";
import { frozenKinds } from "../../models/adapters/frozen-kinds.ts";
import { adapterMethodNames } from "../../models/adapters/spec.ts";
import { optionMistake, unknownOption } from "./option-mistakes.ts";

/** Hugging Face's spellings that a recipe may use, and ours. */
export const aliases: Readonly<Record<string, string>> = {
  learning_rate: "learningRate",
  num_train_epochs: "epochs",
  per_device_train_batch_size: "batchSize",
  weight_decay: "weightDecay",
  lr_scheduler_type: "schedule",
  warmup_ratio: "warmup",
  max_grad_norm: "clipNorm",
  gradient_accumulation_steps: "accumulate",
  label_smoothing_factor: "labelSmoothing",
  output_dir: "out",
  lora_r: "rank",
  lora_alpha: "alpha",
  lora_dropout: "adapterDropout",
  target_modules: "targetModules",
  max_length: "maxTokens",
  max_seq_length: "maxTokens",
  images: "inputs",
  optim: "optimizer",
};

/** Our name of an option. Names come from files, and "constructor" is no alias. */
export const nameOf = (key: string): string => (Object.hasOwn(aliases, key) ? aliases[key]! : key);

/**
 * Options as a verb reads them: aliases resolved, defaults filled in, unknown keys refused with the nearest known one.
 *
 * @throws app/unknown-option, app/missing-option, app/bad-option.
 */
export function parseOptions<S extends z.ZodObject>(
  schema: S,
  input: Readonly<Record<string, unknown>>,
): z.output<S> {
  requireNames(input);
  const known = Object.keys(schema.shape);
  const spelled: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(input)) {
    if (value === undefined) continue;
    const name = nameOf(key);
    if (!known.includes(name)) throw unknownOption(key, known);
    if (name in spelled) {
      throw new DiapasonError(
        "app/bad-option",
        `"${name}" is given twice (once as "${key}").`,
        "Keep one of the two spellings.",
      );
    }
    // One item may stand for a list of one.
    spelled[name] = isList(schema.shape[name]) && !Array.isArray(value) ? [value] : value;
  }
  const parsed = schema.safeParse(spelled);
  if (parsed.success) return parsed.data;
  throw optionMistake(schema, spelled, parsed.error.issues[0]!);
}

/** Callers without types may give anything. @throws app/bad-option */
export function requireNames(input: unknown): void {
  if (typeof input === "object" && input !== null && !Array.isArray(input)) return;
  throw new DiapasonError(
    "app/bad-option",
    `The options are ${input === undefined ? "not given" : JSON.stringify(input)}; expected an object.`,
    "Give options by name.",
  );
}

const isList = (schema: unknown): boolean =>
  schema instanceof z.ZodOptional ? isList(schema.unwrap()) : schema instanceof z.ZodArray;

const positive = z.number().positive();
const count = z.int().min(1);
const share = z.number().min(0).max(1);

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

/** Small matrices or vectors that are tuned in place of the weights. */
export const adapterOptions = {
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
  labelColumn: z.string().optional().describe("column of the label"),
  labels: z
    .enum(["class", "classes", "number"])
    .optional()
    .describe("what labels are: one class, any number of classes, or a number; default: as they look"),
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
] as const;

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
    .describe(
      'what moves when: head, full, top-K (as "top-2"), lp-ft, gradual; default: lp-ft where the head is new, else full',
    ),
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
  ...deviceOptions,
});
export type TuneOptions = z.input<typeof tuneOptions>;

/** Options of a tuning with every default filled in and its run folder named. */
export type TuneSettings = z.output<typeof tuneOptions> & { readonly run: string; readonly task: TaskName };
