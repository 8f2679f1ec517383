import type { ScheduleSpec } from "./plan.ts";

/**
 * Multiplier on the base learning rate at progress t (0 at the first step, 1 after the last). Unitless, never negative.
 */
export type Schedule = (t: number) => number;

export const constant = (): Schedule => () => 1;

/** A straight line from 1 down to `floor`. */
export const linear =
  (floor = 0): Schedule =>
  (t) =>
    between(1, floor, t);

/** Half a cosine from 1 down to `floor`. Source: Loshchilov & Hutter 2017, eq. 5 (one cycle, no restart). */
export const cosine =
  (floor = 0): Schedule =>
  (t) =>
    halfCosine(1, floor, t);

/**
 * A short climb to 1 at `cut`, then a long descent, both straight, from and to 1 / `ratio`.
 * Source: Howard & Ruder 2018, eq. 3, with the descent stretched to end at t = 1 where the paper's rounding misses it.
 */
export const slantedTriangular =
  (cut = 0.1, ratio = 32): Schedule =>
  (t) =>
    t < cut ? between(1 / ratio, 1, t / cut) : between(1, 1 / ratio, (t - cut) / (1 - cut));

/** Half cosines from `first` up to 1 at `peak`, then down to `last`. Source: Smith & Topin 2018, as fastai anneals it. */
export const oneCycle =
  (peak = 0.25, first = 1 / 25, last = 1e-5): Schedule =>
  (t) =>
    // at a peak of 1, as at one of 0, one of the two has no length
    peak > 0 && t <= peak ? halfCosine(first, 1, t / peak) : halfCosine(1, last, (t - peak) / (1 - peak));

/** 1 until the last `decayShare`, then down to `floor`. Source: Hu et al. 2024 (MiniCPM), §4.3. */
export const wsd =
  (decayShare = 0.1, floor = 0, shape: keyof typeof decays = "cosine"): Schedule =>
  (t) =>
    between(floor, 1, decays[shape](Math.max(0, (t - (1 - decayShare)) / decayShare)));

/**
 * Half cosines from 1 down to `floor`, `cycles` of them, each `growth` times as long as the one before; after the last
 * it stays at `floor`. Source: Loshchilov & Hutter 2017, eq. 5.
 */
export const restarts =
  (cycles = 2, floor = 0, growth = 1): Schedule =>
  (t) => {
    if (t >= 1) return floor;
    // Position counted in cycles; a restart must not be missed by a rounding error.
    const at = growth === 1 ? t * cycles : Math.log(t * (growth ** cycles - 1) + 1) / Math.log(growth);
    const cycle = Math.floor(at + 1e-9);
    if (growth === 1) return halfCosine(1, floor, Math.max(0, at - cycle));
    const start = (growth ** cycle - 1) / (growth ** cycles - 1);
    const length = growth ** cycle * ((growth - 1) / (growth ** cycles - 1));
    return halfCosine(1, floor, Math.max(0, (t - start) / length));
  };

/** A straight line from `from` to 1 over the first `share`, then the whole of `schedule`. */
export const warmup =
  (share: number, schedule: Schedule, from = 0): Schedule =>
  (t) =>
    t < share ? between(from, 1, t / share) : schedule((t - share) / (1 - share));

/**
 * The multiplier of each optimizer step 0 … steps−1.
 *
 * Conventions are those people know: warm-up of ⌈share · steps⌉ steps and t = step / steps as in transformers'
 * `get_*_schedule`, torch's CosineAnnealingLR and CosineAnnealingWarmRestarts; one-cycle peaks and ends on the steps
 * where torch's OneCycleLR does (cut · steps − 1 and steps − 1).
 */
export function scheduleOf(spec: ScheduleSpec, steps: number): (step: number) => number {
  // At least one step is left to train at a rate above 0.
  const warmupSteps = Math.min(wholeSteps(spec.warmupShare ?? 0, steps), steps - 1);
  const main = rows[spec.kind](spec, steps - warmupSteps);
  const schedule = warmupSteps > 0 ? warmup(warmupSteps / steps, main, spec.warmupFrom) : main;
  return (step) => schedule(Math.min(1, step / steps));
}

/** What a spec means for a stretch of `steps` steps. */
const rows: { readonly [K in ScheduleSpec["kind"]]: (spec: ScheduleSpec, steps: number) => Schedule } = {
  constant,
  linear: ({ floor }) => linear(floor),
  cosine: ({ floor }) => cosine(floor),
  "slanted-triangular": ({ cut = 0.1, ratio }, steps) =>
    slantedTriangular(Math.max(1, Math.floor(steps * cut)) / steps, ratio),
  "one-cycle": ({ cut = 0.3, divide = 25, finalDivide = 1e4 }, steps) => {
    const last = Math.max(1, steps - 1);
    const peak = Math.max(0, cut * steps - 1) / last;
    const cycle = oneCycle(peak, 1 / divide, 1 / (divide * finalDivide));
    return (t) => cycle(Math.min(1, (t * steps) / last));
  },
  wsd: ({ decayShare = 0.1, floor, decayShape }, steps) =>
    wsd(Math.max(1, wholeSteps(decayShare, steps)) / steps, floor, decayShape),
  restarts: ({ cycles, floor, growth }) => restarts(cycles, floor, growth),
};

/** Remaining height, 1 … 0, at progress t of a decay. */
const decays = {
  linear: (t: number) => 1 - t,
  cosine: (t: number) => halfCosine(1, 0, t),
  sqrt: (t: number) => 1 - Math.sqrt(t),
} as const;

const between = (a: number, b: number, t: number) => a + (b - a) * t;
const halfCosine = (a: number, b: number, t: number) => b + ((a - b) * (1 + Math.cos(Math.PI * t))) / 2;

/** ⌈share · steps⌉, where a share that stands for a whole number of steps is not rounded past it. */
const wholeSteps = (share: number, steps: number) => Math.min(steps, Math.ceil(share * steps - 1e-6));
