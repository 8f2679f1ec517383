import { DiapasonError } from "../base/errors.ts";
import { random } from "../base/random.ts";
import type { Graph } from "../graph/ir.ts";
import { interpret, type NdArray, toNdArray } from "../graph/kernels/interpret.ts";
import { removeDead } from "../graph/passes/remove-dead.ts";
import { noiseOf, relativeError } from "./differences.ts";
import { differentiate } from "./differentiate.ts";
import { directionErrors } from "./directions.ts";
import { withFrozenRounding } from "./frozen-rounding.ts";

type Arrays = ReadonlyMap<string, NdArray>;

export interface GradcheckOptions {
  readonly loss: string;
  readonly parameters: readonly string[];
  /** Arrays for the graph's inputs, and for parameters that have no constant. */
  readonly feeds: Arrays;
  /** Elements tried of each parameter (default 8); all of a smaller one. */
  readonly samples?: number;
  /** Chooses the elements. */
  readonly seed?: number;
  readonly symbols?: { readonly [symbol: string]: number };
  /** What computes a graph's outputs; by default the float64 reference kernels. */
  readonly evaluate?: (graph: Graph, feeds: Arrays) => Arrays | Promise<Arrays>;
  /** What `evaluate` computes in, which decides step and tolerance. Default float64. */
  readonly precision?: "float64" | "float32";
  /**
   * How many numbers the float64 kernels may compute to move element by element. Where it would be more, all weights move
   * at once, along as many random directions as it allows, one to three. Default: no limit.
   */
  readonly effort?: number;
  /** Ends the check between two evaluations, with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface ParameterCheck {
  readonly name: string;
  /** How many of its elements moved: one after the other, or all at once along each direction. */
  readonly samples: number;
  /**
   * Of |analytic − numeric|, relative to the larger of both and 1 % of the parameter's largest gradient; along directions to
   * the slope that those of its group typically have.
   */
  readonly largestRelativeError: number;
  /** Absolute; 0 where the parameter has no effect on the loss at these inputs, which proves little. */
  readonly largestGradient: number;
  /** Along directions: the relative error that rounding of the loss would hide. From 1 on nothing was shown. */
  readonly resolution?: number;
}

export interface GradcheckResult {
  readonly parameters: readonly ParameterCheck[];
  readonly largestRelativeError: number;
  readonly tolerance: number;
  readonly verdict: "right" | "wrong";
  /** Whether it was judged beside the point, which rounding had put on ties. */
  readonly besideTies: boolean;
  /** Along how many random directions all elements moved at once; 0 where one moved after the other. */
  readonly directions: number;
}

/**
 * Steps relative to an element's size, and the error allowed. Of the steps the best one counts: a step that crosses a
 * kink (of a ReLU, of a maximum) says nothing of the gradient on this side of it, and with a small one the parts of a loss
 * that cancel out leave little but rounding. `large`: steps that are tried where those fail, as what a deep network rounds
 * away of a small step may be the whole effect of an element. `unit`: spacing of numbers next to 1. `tiny`: step between
 * the losses from which rounding is measured.
 */
const settings = {
  float64: { steps: [1e-5, 1e-7, 1e-3], large: [1e-1, 1], tolerance: 1e-4, unit: 2 ** -52, tiny: 1e-7 },
  float32: { steps: [3e-2, 3e-3], large: [], tolerance: 5e-2, unit: 2 ** -23, tiny: 1e-4 },
} as const;

/**
 * Compares the gradients of `differentiate` with central differences of the loss, element by element or, where that would
 * take long (`effort`), along random directions of all elements.
 * @throws autodiff/loss-not-finite where the loss at the feeds is no number
 */
export async function gradcheck(graph: Graph, options: GradcheckOptions): Promise<GradcheckResult> {
  const { result, rounds } = await check(graph, options, 0);
  if (result.verdict === "right" || !rounds) return result;
  const { result: beside } = await check(graph, options, goneBack);
  return beside.verdict === "right" ? { ...beside, besideTies: true } : result;
}

/**
 * What of its rounding a number is spared when a point is judged a second time: of equal numbers that a maximum is taken
 * of, the rule chooses one, and a difference sees all of them.
 */
const goneBack = 0.2;

/** `rounds`: whether the graph rounds numbers that a gradient goes straight through. */
async function check(
  graph: Graph,
  options: GradcheckOptions,
  back: number,
): Promise<{ readonly result: GradcheckResult; readonly rounds: boolean }> {
  const { samples = 8, seed = 0, evaluate = interpret, symbols, effort = Number.POSITIVE_INFINITY } = options;
  const { steps, large, tolerance, unit, tiny } = settings[options.precision ?? "float64"];
  const leastLarge = Math.min(...large);
  const { loss, parameters } = options;
  const backward = differentiate(graph, { loss, parameters, ...(symbols && { symbols }) });
  const feeds = new Map(options.feeds);
  for (const name of parameters) {
    const constant = graph.get(name).constant;
    if (!feeds.has(name) && constant) feeds.set(name, toNdArray(constant));
  }
  keepOutputs(backward.graph, [loss, ...backward.gradients.values()]);
  const program = back > 0 ? withFrozenRounding(backward.graph, feeds, back) : backward.graph;
  const found = await evaluate(program, feeds);
  const here = found.get(loss)!.data[0]!;
  if (!Number.isFinite(here))
    throw new DiapasonError(
      "autodiff/loss-not-finite",
      `"${loss}" is ${here} at the inputs of the check, so that it has no slope there.`,
      "Check another value with --loss, or other inputs with --seed.",
    );
  // A straight-through gradient is the slope of what is rounded, not of the steps that rounding makes of it.
  const stepped = lossOnly(graph, loss, parameters);
  const forward = evaluate === interpret ? withFrozenRounding(stepped, feeds, back) : stepped;
  const rounds = forward !== stepped;
  const values = evaluate === interpret ? interpret(forward, feeds, { keepAll: true }) : undefined;
  const lossWith = async (others: Arrays): Promise<number> => {
    await breath();
    options.signal?.throwIfAborted();
    const moved = new Map([...feeds, ...others]);
    const outputs = values
      ? interpret(forward, moved, { since: { values, changed: new Set(others.keys()) } })
      : await evaluate(forward, moved);
    return outputs.get(loss)!.data[0]!;
  };
  const lossAt = (name: string, element: number, shift: number): Promise<number> => {
    const array = feeds.get(name)!;
    const data = array.data.slice();
    data[element]! += shift;
    return lossWith(new Map([[name, { ...array, data }]]));
  };
  const gradientOf = (name: string) => found.get(backward.gradients.get(name)!)!.data;
  const moves = parameters.reduce((sum, name) => sum + 2 * Math.min(samples, gradientOf(name).length), 0);
  if (values && moves * computedIn(values) > effort) {
    const directions = Math.max(1, Math.min(3, Math.floor(effort / (movesAlong * computedIn(values)))));
    const slopes = await directionErrors({
      ...{ parameters, gradientOf, directions, seed, tolerance, unit, loss: here },
      valueOf: (name) => feeds.get(name)!,
      lossAt: lossWith,
    });
    const checks = parameters.map((name) => {
      const gradient = gradientOf(name);
      const { error, resolution } = slopes.get(name)!;
      return {
        ...{ name, samples: gradient.length, largestRelativeError: error },
        ...{ largestGradient: largestOf(gradient), resolution },
      };
    });
    return { result: resultOf(checks, tolerance, directions), rounds };
  }
  const checks: ParameterCheck[] = [];
  for (const name of parameters) {
    const analytic = gradientOf(name);
    const elements = random(seed, "gradcheck", name).permutation(analytic.length).slice(0, samples);
    const largestGradient = largestOf(analytic);
    const floor = 1e-2 * largestGradient;
    let largest = analytic.some((value) => !Number.isFinite(value)) ? Number.POSITIVE_INFINITY : 0;
    for (const element of elements) {
      let best = Number.POSITIVE_INFINITY;
      const size = Math.max(1, Math.abs(feeds.get(name)!.data[element]!));
      const tried: { numeric: number; h: number }[] = [];
      for (const step of [...steps, ...large]) {
        const isLarge = step >= leastLarge;
        if (isLarge && best <= tolerance) break;
        const h = step * size;
        const [above, below] = [await lossAt(name, element, h), await lossAt(name, element, -h)];
        // what rounding the loss alone makes of a difference
        const noise = (unit * Math.max(Math.abs(above), Math.abs(below))) / h;
        const numeric = (above - below) / (2 * h);
        // a step to where the loss has no finite value says nothing
        if (!Number.isFinite(numeric)) continue;
        if (!isLarge) tried.push({ numeric, h });
        best = Math.min(best, relativeError(analytic[element]!, numeric, floor, noise));
        if (best <= tolerance / 10) break;
      }
      if (best > tolerance && tried.length > 0) {
        // a gradient far smaller than the loss: what all the layers round may be all that is seen of it
        const losses: number[] = [];
        for (let i = -4; i <= 4; i++) losses.push(await lossAt(name, element, i * tiny * size));
        const deviation = noiseOf(losses);
        const { numeric, h } = tried.reduce((a, b) => (a.h > b.h ? a : b)); // the step that rounding matters least to
        best = Math.min(best, relativeError(analytic[element]!, numeric, floor, (4 * deviation) / h));
      }
      largest = Math.max(largest, best);
    }
    checks.push({ name, samples: elements.length, largestRelativeError: largest, largestGradient });
  }
  return { result: resultOf(checks, tolerance, 0), rounds };
}

function resultOf(
  parameters: readonly ParameterCheck[],
  tolerance: number,
  directions: number,
): GradcheckResult {
  const largestRelativeError = Math.max(0, ...parameters.map((check) => check.largestRelativeError));
  const verdict = largestRelativeError <= tolerance ? "right" : "wrong";
  return { parameters, largestRelativeError, tolerance, verdict, directions, besideTies: false };
}

const largestOf = (gradient: Float64Array): number =>
  gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** How often the loss is computed along a direction: at two points, for some groups of parameters. */
const movesAlong = 6;

/** How many numbers a run computed. */
const computedIn = (values: Arrays): number =>
  [...values.values()].reduce((n, { data }) => n + data.length, 0);

/** Lets a signal to stop come in between two long computations. */
const breath = () => new Promise((resolve) => setTimeout(resolve));

/** Leaves these outputs and what they are computed from: beside the loss a graph may compute what nothing here can. */
function keepOutputs(graph: Graph, names: readonly string[]): void {
  const values = names.map((name) => graph.get(name));
  for (const output of [...graph.outputs]) if (!values.includes(output)) graph.removeOutput(output);
  for (const value of values) if (!graph.outputs.includes(value)) graph.addOutput(value);
  removeDead(graph);
}

/** The graph up to the loss, these of its parameters as inputs. */
export function lossOnly(source: Graph, loss: string, parameters: readonly string[] = []): Graph {
  const graph = source.clone();
  keepOutputs(graph, [loss]);
  for (const name of parameters) if (graph.get(name).constant) graph.initializerToInput(graph.get(name));
  return graph;
}
