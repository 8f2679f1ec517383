/** How adapters are made: the rows of the table in `methods.ts`. */
export const adapterMethodNames = ["lora", "rslora", "dora", "lora-plus", "pissa", "ia3", "bitfit"] as const;
export type AdapterMethodName = (typeof adapterMethodNames)[number];

/**
 * Which modules, as PEFT reads it: a list of names, each equal to a module's path or to its end ("query" is
 * "encoder.layer.0.attention.self.query"); "all-linear" for every linear layer but the head; any other text is a regular
 * expression that the whole path must match.
 */
export type ModulePattern = readonly string[] | string;

/** What is asked of adapters. What is absent has PEFT's default, or the method's own. */
export interface AdapterSpec {
  readonly method: AdapterMethodName;
  /** Inner size of the low-rank matrices, 1 or more. Default 8. */
  readonly rank?: number | undefined;
  /** Numerator of the scale of what is added. Default: 2·rank, for rslora and pissa rank. */
  readonly alpha?: number | undefined;
  /** Whether B·A is divided by the root of the rank, PEFT's `use_rslora`. Default: with rslora alone. */
  readonly isRankStabilized?: boolean | undefined;
  /** Default: PEFT's for the architecture, else "all-linear" (for a network of convolutions, all of those). */
  readonly targetModules?: ModulePattern | undefined;
  readonly excludeModules?: ModulePattern | undefined;
  /** Rank and alpha of single modules, by the end of their path or a regular expression. */
  readonly rankPattern?: Readonly<Record<string, number>> | undefined;
  readonly alphaPattern?: Readonly<Record<string, number>> | undefined;
  /** Numbers of the layers to adapt, counted as their paths do. */
  readonly layersToTransform?: readonly number[] | undefined;
  /** The word before that number in a path, where any will not do. */
  readonly layersPattern?: readonly string[] | undefined;
  /** Modules tuned as a whole beside the adapters, by name. Default: a classifier's head and what the checkpoint lacked. */
  readonly modulesToSave?: readonly string[] | undefined;
  /** Which biases move. Default "none". */
  readonly bias?: "none" | "all" | "lora_only" | undefined;
  /** Share of an adapter's inputs set to 0 while training, 0 ≤ p < 1. Default 0. */
  readonly dropout?: number | undefined;
  /** IA3: of the targets, those whose input is scaled instead of their output. Default: PEFT's for the architecture. */
  readonly feedforwardModules?: ModulePattern | undefined;
  /** LoRA+: how many times as fast as A B moves. Default 16. */
  readonly rateRatio?: number | undefined;
  /** Seed of the first values. Default 0. */
  readonly seed?: number | undefined;
}
