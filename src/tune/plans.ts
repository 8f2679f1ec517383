import { DiapasonError, nearest } from "../base/errors.ts";
import type { Block } from "../models/model.ts";
import { chooseBlocks } from "./block-patterns.ts";
import type { Plan, ScheduleSpec, Stage } from "./plan.ts";

/** What may be asked of any plan; what is absent has the plan's own default. */
export interface PlanOptions {
  /** Of the whole plan, shared out over its stages. Default 5. */
  readonly epochs?: number | undefined;
  /** Of the topmost moving block, in the last stage. Default 1e-3 while only the head or biases move, else 1e-4 (meant for AdamW). */
  readonly learningRate?: number | undefined;
  /** Of stages in which only the head moves. Default: the plan's own ratio to `learningRate`. */
  readonly headLearningRate?: number | undefined;
  /** What the rate is divided by for each block further down, 1 or more. Default 1; gradual: 2.6 as in ULMFiT. */
  readonly decay?: number | undefined;
  /** Default: warm-up over a tenth, then cosine; gradual: slanted triangular. */
  readonly schedule?: ScheduleSpec | undefined;
  /** Default "frozen": small batches spoil pretrained statistics. */
  readonly batchNorm?: Stage["batchNorm"] | undefined;
  /** Gradual: number of stages, at most one a block. Default 4. */
  readonly stages?: number | undefined;
}

/** A stage as a recipe writes it; what is absent comes from the plan's options. */
export interface StageSpec extends Omit<PlanOptions, "stages" | "headLearningRate"> {
  readonly name?: string | undefined;
  /** Patterns of `chooseBlocks`. */
  readonly blocks: string | readonly string[];
  /** Rate multipliers by block pattern, instead of `decay`'s. */
  readonly multipliers?: Readonly<Record<string, number>> | undefined;
  readonly parameters?: Stage["parameters"] | undefined;
}

const probeRate = 1e-3;
const tuneRate = 1e-4;
/** Of a stage that says nothing else. */
export const defaultSchedule = { kind: "cosine", warmupShare: 0.1 } as const satisfies ScheduleSpec;

/** A named plan in the words of a recipe. `epochs` is the sum over its stages. */
type NamedPlan = (epochs: number, blocks: readonly Block[], options: PlanOptions) => readonly StageSpec[];

const namedPlans = {
  /** Only the head. */
  head: (epochs) => [{ name: "head", blocks: "head", epochs, learningRate: probeRate }],
  /** Everything at once. */
  full: (epochs) => [{ name: "full", blocks: "all", epochs }],
  /** The head alone for a third of the epochs, then everything. Source: Kumar et al. 2022. */
  "lp-ft": (epochs) => {
    const [probe, tune] = shareOut(epochs, [1, 2]);
    return [
      { name: "probe", blocks: "head", epochs: probe, learningRate: probeRate },
      { name: "tune", blocks: "all", epochs: tune },
    ];
  },
  /** From the top down, a group of blocks more in each stage, the rest of the epochs for the last, which moves everything. */
  gradual: (epochs, blocks, options) => {
    const count = Math.max(1, Math.min(options.stages ?? 4, blocks.length));
    const perStage = epochs >= count ? Array(count - 1).fill(1) : Array(count - 1).fill(epochs / count);
    const last = epochs - perStage.reduce((sum: number, n: number) => sum + n, 0);
    return [...perStage, last].map((share: number, i) => {
      const below = Math.round((i * (blocks.length - 1)) / Math.max(1, count - 1));
      return {
        name: i === count - 1 ? "all" : i === 0 ? "head" : `top-${below}`,
        blocks: i === count - 1 ? "all" : i === 0 ? "head" : `top:${below}`,
        epochs: share,
        decay: 2.6,
        learningRate: i === 0 ? probeRate : tuneRate,
        schedule: { kind: "slanted-triangular" },
      };
    });
  },
  /** Only biases and scales, and the head. Source: Ben Zaken et al. 2022. */
  biases: (epochs) => [
    { name: "biases", blocks: "all", epochs, parameters: "biases", learningRate: probeRate },
  ],
} as const satisfies Record<string, NamedPlan>;

/** Every plan that goes by its number of blocks: top-1, top-2 and so on. */
const anyTop = "top-K";

const planNames: readonly string[] = [...Object.keys(namedPlans), anyTop];

/** The plans there are, as help says them. */
export const planWords = `${planNames.join(", ")} (as "top-2")`;

/**
 * A plan by name, or from the stages of a recipe. Blocks are ordered from the input to the head.
 * @throws tune/unknown-plan, tune/unknown-block, tune/bad-plan
 */
export function planOf(
  plan: string | readonly StageSpec[],
  blocks: readonly Block[],
  options: PlanOptions = {},
): Plan {
  if (blocks.length === 0) throw badPlan("The model has no block with a parameter", "Choose another model");
  const epochs = options.epochs ?? 5;
  if (!(epochs > 0)) throw badPlan(`epochs is ${epochs}`, "Give a number above 0");
  if (typeof plan === "string") {
    const specs = specsOf(plan)(epochs, blocks, options);
    const scale = (options.learningRate ?? 0) / (specs.at(-1)!.learningRate ?? tuneRate);
    return { name: plan, stages: specs.map((spec, i) => stageOf(override(spec, options, scale), blocks, i)) };
  }
  if (plan.length === 0) throw badPlan("The plan has no stage", "List at least one stage, or name a plan");
  const shares = shareOut(epochs, Array(plan.length).fill(1));
  const defaults = (i: number) => ({ ...options, epochs: shares[i]! });
  return {
    name: "stages",
    stages: plan.map((spec, i) => stageOf({ ...defaults(i), ...defined(spec) }, blocks, i)),
  };
}

function specsOf(name: string): NamedPlan {
  const top = /^top-(\d+)$/.exec(name);
  if (top) return (epochs) => [{ name, blocks: `top:${top[1]}`, epochs }];
  if (Object.hasOwn(namedPlans, name)) return namedPlans[name as keyof typeof namedPlans];
  const count = /^top\D?(\d+)$/.exec(name)?.[1];
  const near = count ? `top-${count}` : nearest(name, planNames);
  throw new DiapasonError(
    "tune/unknown-plan",
    `There is no plan "${name}"; the plans are ${planWords}.`,
    near && near !== anyTop ? `Write "${near}".` : "Write one of them.",
  );
}

/** What the user asked for goes before the plan's defaults; rates keep their ratio to that of the last stage. */
function override(spec: StageSpec, options: PlanOptions, scale: number): StageSpec {
  const { schedule, batchNorm, decay, learningRate, headLearningRate } = options;
  const scaled = learningRate === undefined ? spec.learningRate : (spec.learningRate ?? tuneRate) * scale;
  const rate = (spec.blocks === "head" ? headLearningRate : undefined) ?? scaled;
  return { ...spec, ...defined({ schedule, batchNorm, decay }), learningRate: rate };
}

function stageOf(spec: StageSpec, blocks: readonly Block[], index: number): Stage {
  const chosen = chooseBlocks([spec.blocks].flat(), blocks);
  const name = spec.name ?? `stage ${index + 1}`;
  if (chosen.length === 0)
    throw badPlan(`Stage "${name}" moves no block`, "Name at least one block in `blocks`");
  const { epochs = 1, learningRate = chosen.length === 1 ? probeRate : tuneRate, decay = 1 } = spec;
  if (!(epochs > 0)) throw badPlan(`Stage "${name}" has epochs ${epochs}`, "Give a number above 0");
  if (!(learningRate > 0 && Number.isFinite(learningRate)))
    throw badPlan(`Stage "${name}" has the learning rate ${learningRate}`, "Give a number above 0");
  if (!(decay >= 1 && Number.isFinite(decay)))
    throw badPlan(
      `Stage "${name}" has decay ${decay}`,
      "Give what rates are divided by, a number of 1 or more",
    );
  return {
    name,
    blocks: chosen,
    multipliers: { ...decayed(chosen, blocks, decay), ...multipliersOf(spec, blocks, chosen) },
    parameters: spec.parameters ?? "all",
    epochs,
    learningRate,
    schedule: spec.schedule ?? defaultSchedule,
    batchNorm: spec.batchNorm ?? "frozen",
  };
}

/** Discriminative rates: divided once for each block below the topmost one that moves. */
function decayed(
  chosen: readonly string[],
  blocks: readonly Block[],
  divisor: number,
): Record<string, number> {
  const depth = new Map(blocks.map((block, i) => [block.name, i]));
  const top = depth.get(chosen.at(-1)!)!;
  return Object.fromEntries(chosen.map((name) => [name, divisor ** (depth.get(name)! - top)]));
}

function multipliersOf(
  { multipliers = {} }: StageSpec,
  blocks: readonly Block[],
  chosen: readonly string[],
): Record<string, number> {
  const rows = Object.entries(multipliers).flatMap(([pattern, factor]) => {
    if (!(factor >= 0 && Number.isFinite(factor)))
      throw badPlan(`The multiplier of "${pattern}" is ${factor}`, "Give a number, 0 or above");
    return chooseBlocks([pattern], blocks).map((name) => [name, factor] as const);
  });
  return Object.fromEntries(rows.filter(([name]) => chosen.includes(name)));
}

/** Epochs for each stage in proportion to `weights`: whole numbers where there are enough, at least one each. */
function shareOut(epochs: number, weights: readonly number[]): readonly number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const exact = weights.map((weight) => (epochs * weight) / total);
  if (!Number.isInteger(epochs) || epochs < weights.length) return exact;
  const shares = exact.map((share) => Math.max(1, Math.floor(share)));
  shares[shares.length - 1]! += epochs - shares.reduce((sum, share) => sum + share, 0);
  return shares;
}

function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

const badPlan = (found: string, fix: string) => new DiapasonError("tune/bad-plan", `${found}.`, `${fix}.`);
