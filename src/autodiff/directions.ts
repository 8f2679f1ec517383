import { random } from "../base/random.ts";
import type { NdArray } from "../graph/kernels/interpret.ts";
import { noiseOf, relativeError } from "./differences.ts";

export interface DirectionOptions {
  readonly parameters: readonly string[];
  /** Of each parameter, its value and its gradient as it is to be judged. */
  readonly valueOf: (name: string) => NdArray;
  readonly gradientOf: (name: string) => Float64Array;
  /** The loss where these parameters have other values. */
  readonly lossAt: (moved: ReadonlyMap<string, NdArray>) => Promise<number>;
  /** The loss where none has. */
  readonly loss: number;
  readonly directions: number;
  readonly seed: number;
  readonly tolerance: number;
  /** Spacing of numbers next to 1. */
  readonly unit: number;
}

/** What was found of a parameter's gradient; `resolution`: the relative error that rounding would hide. */
interface Slope {
  readonly error: number;
  readonly resolution: number;
}

interface Directions extends DirectionOptions {
  readonly rounding: Rounding;
}

/** What the loss is uncertain by, whatever moves; along some directions more of it is seen. */
interface Rounding {
  /** As far as it has been seen; the spacing of losses at first. */
  readonly known: () => number;
  /** Once it was looked for along a direction, at tiny steps. */
  readonly seen: (at: LossAlong) => Promise<number>;
  /** Once it was looked for also between losses at a share of this step. */
  readonly near: (at: LossAlong, step: number) => Promise<number>;
}

/** The loss where a group has moved by a step. */
type LossAlong = (step: number) => Promise<number>;

interface Mover {
  readonly name: string;
  readonly array: NdArray;
  readonly gradient: Float64Array;
  /** Root mean square of its elements, which steps are relative to; 1 where it is 0. */
  readonly size: number;
  /** What a step of its whole size does to the loss, typically: size · ‖gradient‖. */
  readonly reach: number;
}

/** Steps relative to a parameter's size. */
const steps = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2];
/** The one to begin with. Smaller ones cross fewer kinks, in larger ones rounding is less. */
const usualStep = 1e-5;
/** Between the losses from which rounding is measured. */
const tinyStep = 1e-8;
/** Steps that are tried before rounding is measured. */
const cheapTries = 3;
/** The share of the tolerance at which those after a step are left out. */
const clear = 0.1;
/**
 * Where the spacing of losses is a larger share of a slope, what is rounded on the way to the loss may be what parts it from
 * the gradient: tiny steps change numbers by less than their spacing, and show nothing of it.
 */
const coarse = 1e-5;
/** Of steps smaller than the largest those count that rounding makes no larger share of. */
const visible = 1e-2;
/** Parameters whose reaches differ by no more move together; where rounding hides much, those that differ by less. */
const span = 1e3;
const narrowSpan = 10;

/**
 * Errors of the gradients of parameters, found by moving all elements of many parameters at once in random directions, each
 * element up or down: the slope there is to be Σ gradient · direction.
 *
 * Each parameter moves as far as does to the loss what the least effective one of its group does, so that none hides
 * behind others; an error is relative to the slope such a direction typically has. Where a group fails its halves are
 * judged, down to single parameters. Where rounding hides more than the tolerance, those that do about as much are a group.
 */
export async function directionErrors(given: DirectionOptions): Promise<ReadonlyMap<string, Slope>> {
  const options: Directions = { ...given, rounding: roundingOf(given.unit * Math.abs(given.loss)) };
  const movers = options.parameters.map((name): Mover => {
    const [array, gradient] = [options.valueOf(name), options.gradientOf(name)];
    const size = norm(array.data) / Math.sqrt(array.data.length) || 1;
    return { name, array, gradient, size, reach: size * norm(gradient) };
  });
  const found = new Map<string, Slope>();
  for (const group of groupsOf(movers))
    for (const [name, slope] of await judged(group, options)) found.set(name, slope);
  return found;
}

function roundingOf(spacing: number): Rounding {
  let [known, isMeasured] = [spacing, false];
  const look = async (at: LossAlong, step: number): Promise<number> => {
    const losses: number[] = [];
    for (let i = -3; i <= 3; i++) losses.push(await at(i * step));
    known = Math.max(known, 4 * noiseOf(losses));
    return known;
  };
  return {
    known: () => known,
    seen: async (at) => {
      if (isMeasured) return known;
      isMeasured = true;
      return look(at, tinyStep);
    },
    // at a quarter of the step what is smooth leaves a twelfth of its part in the error
    near: (at, step) => look(at, step / 4),
  };
}

const norm = (data: Float64Array): number => {
  let sum = 0;
  for (const x of data) sum += x * x;
  return Math.sqrt(sum);
};

function groupsOf(movers: readonly Mover[]): readonly (readonly Mover[])[] {
  const groups: Mover[][] = [];
  for (const mover of [...movers].sort((a, b) => b.reach - a.reach)) {
    const group = groups.at(-1);
    const first = group?.[0]?.reach ?? 0;
    // those without a gradient are a group of their own
    if (group && mover.reach > 0 === first > 0 && mover.reach >= first / span) group.push(mover);
    else groups.push([mover]);
  }
  return groups;
}

async function judged(group: readonly Mover[], options: Directions): Promise<ReadonlyMap<string, Slope>> {
  const all = (slope: Slope) => new Map(group.map(({ name }) => [name, slope]));
  if (group.length === 1 && !Number.isFinite(group[0]!.reach))
    return all({ error: Number.POSITIVE_INFINITY, resolution: 0 });
  const [upper, lower] = byReach(group);
  const hidden = (movers: readonly Mover[]) => options.rounding.known() / (typicalOf(movers) * steps.at(-1)!);
  if (upper && lower && hidden(group) > options.tolerance && hidden(upper) < 1)
    return both(upper, lower, options);
  let worst: Slope = { error: 0, resolution: 0 };
  for (let direction = 0; direction < options.directions; direction++) {
    const { error, resolution } = await slopeAlong(group, direction, options);
    worst = { error: Math.max(worst.error, error), resolution: Math.max(worst.resolution, resolution) };
    if (worst.error <= options.tolerance || group.length === 1) continue;
    const half = group.length >> 1;
    return both(group.slice(0, half), group.slice(half), options);
  }
  return all(worst);
}

const both = async (a: readonly Mover[], b: readonly Mover[], options: Directions) =>
  new Map([...(await judged(a, options)), ...(await judged(b, options))]);

/** The slope that such a group has along a direction, typically: each of it does what the least effective one does. */
const typicalOf = (group: readonly Mover[]): number => group.at(-1)!.reach * Math.sqrt(group.length);

/** Those that do more to the loss, and those that do less; one group where all do about as much. */
function byReach(group: readonly Mover[]): readonly (readonly Mover[])[] {
  const [most, least] = [group[0]!.reach, group.at(-1)!.reach];
  if (least === 0 || most <= narrowSpan * least) return [group];
  const isUpper = ({ reach }: Mover) => reach * reach >= most * least;
  return [group.filter(isUpper), group.filter((mover) => !isUpper(mover))];
}

async function slopeAlong(
  group: readonly Mover[],
  direction: number,
  { seed, lossAt, loss, tolerance, unit, rounding: known }: Directions,
): Promise<Slope> {
  const least = group.at(-1)!.reach;
  const ways = group.map((mover) => {
    const signs = signsOf(mover, seed, direction);
    const by = least > 0 ? (mover.size * least) / mover.reach : mover.size;
    return { mover, signs, by };
  });
  const analytic = ways.reduce((sum, { mover, signs, by }) => sum + by * product(mover.gradient, signs), 0);
  const typical = typicalOf(group);
  const at = (step: number) =>
    lossAt(
      new Map(
        ways.map(({ mover: { name, array }, signs, by }) => [
          name,
          { ...array, data: shifted(array.data, step * by, signs) },
        ]),
      ),
    );
  const spacing = unit * Math.abs(loss);
  // at smaller ones rounding would hide what is to be seen
  const useful = steps.filter((step) => spacing <= 0.1 * tolerance * typical * step);
  const begin = Math.max(usualStep, useful[0] ?? steps.at(-1)!);
  const order = (useful.length > 0 ? useful : [begin]).toSorted(
    (a, b) => Math.abs(Math.log(a / begin)) - Math.abs(Math.log(b / begin)),
  );
  const tried: Difference[] = [];
  const best = () => tried.reduce((a, b) => (b.error < a.error ? b : a));
  const right = ({ error, step }: Difference): Slope => ({
    error,
    resolution: typical > 0 ? spacing / (typical * step) : 0,
  });
  for (const [i, step] of order.entries()) {
    // rounding is measured where it may be what a few steps failed for
    const rounding = i < cheapTries ? spacing : await known.seen(at);
    if (i >= cheapTries && rounding > visible * typical * step) continue;
    const numeric = ((await at(step)) - (await at(-step))) / (2 * step);
    // a step to where the loss has no finite value says nothing
    if (!Number.isFinite(numeric)) continue;
    const error = relativeError(analytic, numeric, typical, typical > 0 ? 0 : spacing / step);
    tried.push({ numeric, step, error });
    const enough = i + 1 < cheapTries ? clear * tolerance : tolerance;
    if (best().error <= enough) return right(best());
  }
  if (tried.length > 0 && best().error <= tolerance) return right(best());
  const [largest, ...smaller] = tried.toSorted((a, b) => b.step - a.step);
  if (!largest) return { error: Number.POSITIVE_INFINITY, resolution: 0 };
  const hidingAt = (noise: number) =>
    hiddenAt(analytic, [largest, ...smaller.filter(({ step }) => noise <= visible * typical * step)], noise);
  let rounding = Math.max(spacing, await known.seen(at));
  let hidingStep = hidingAt(rounding);
  if (!hidingStep && typical > 0 && spacing > coarse * typical * largest.step) {
    rounding = Math.max(rounding, await known.near(at, largest.step));
    hidingStep = hidingAt(rounding);
  }
  return {
    error: hidingStep ? 0 : Math.min(...tried.map(({ error }) => error)),
    resolution: typical > 0 ? rounding / (typical * (hidingStep ?? largest.step)) : 0,
  };
}

interface Difference {
  readonly numeric: number;
  readonly step: number;
  readonly error: number;
}

/**
 * The largest step at which rounding may be all that parts the slope from the gradient; none where a larger one and the one
 * after it tell the same other slope, which neither rounding nor what a large step passes over explains.
 */
function hiddenAt(analytic: number, descending: readonly Difference[], rounding: number): number | undefined {
  const isApart = ({ numeric, step }: Difference) => Math.abs(analytic - numeric) > rounding / step;
  for (const [i, at] of descending.entries()) {
    if (!isApart(at)) return at.step;
    const next = descending[i + 1];
    const alike =
      rounding / at.step + rounding / (next?.step ?? at.step) + 0.1 * Math.abs(analytic - at.numeric);
    if (next && isApart(next) && Math.abs(at.numeric - next.numeric) <= alike) return undefined;
  }
  return undefined;
}

/** 1 or −1 for each element. */
function signsOf({ name, array }: Mover, seed: number, direction: number): Int8Array {
  const draws = random(seed, "gradcheck direction", direction, name);
  const signs = new Int8Array(array.data.length);
  for (let i = 0, bits = 0; i < signs.length; i++, bits >>>= 1) {
    if (i % 32 === 0) bits = draws.uniform() * 2 ** 32;
    signs[i] = bits & 1 ? 1 : -1;
  }
  return signs;
}

function shifted(data: Float64Array, by: number, signs: Int8Array): Float64Array {
  const moved = new Float64Array(data.length);
  for (let i = 0; i < moved.length; i++) moved[i] = data[i]! + by * signs[i]!;
  return moved;
}

function product(gradient: Float64Array, signs: Int8Array): number {
  let sum = 0;
  for (let i = 0; i < signs.length; i++) sum += gradient[i]! * signs[i]!;
  return sum;
}
