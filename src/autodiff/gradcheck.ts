import { DiapasonError } from "../base/errors.ts";
import { random } from "../base/random.ts";
import type { Graph } from "../graph/ir.ts";
import { interpret, type NdArray, toNdArray } from "../graph/kernels/interpret.ts";
import { removeDead } from "../graph/passes/remove-dead.ts";
import { differentiate } from "./differentiate.ts";
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
  /** Ends the check between two evaluations, with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface ParameterCheck {
  readonly name: string;
  readonly samples: number;
  /** Of |analytic − numeric|, relative to the larger of both and 1 % of the parameter's largest gradient. */
  readonly largestRelativeError: number;
  /** Absolute; 0 where the parameter has no effect on the loss at these inputs, which proves little. */
  readonly largestGradient: number;
}

export interface GradcheckResult {
  readonly parameters: readonly ParameterCheck[];
  readonly largestRelativeError: number;
  readonly tolerance: number;
  readonly verdict: "right" | "wrong";
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
 * Compares the gradients of `differentiate` with central differences of the loss, element by element.
 * @throws autodiff/loss-not-finite where the loss at the feeds is no number
 */
export async function gradcheck(graph: Graph, options: GradcheckOptions): Promise<GradcheckResult> {
  const { samples = 8, seed = 0, evaluate = interpret, symbols } = options;
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
  const found = await evaluate(backward.graph, feeds);
  const here = found.get(loss)!.data[0]!;
  if (!Number.isFinite(here))
    throw new DiapasonError(
      "autodiff/loss-not-finite",
      `"${loss}" is ${here} at the inputs of the check, so that it has no slope there.`,
      "Check another value with --loss, or other inputs with --seed.",
    );
  // A straight-through gradient is the slope of what is rounded, not of the steps that rounding makes of it.
  const forward =
    evaluate === interpret
      ? withFrozenRounding(lossOnly(graph, loss, parameters), feeds)
      : lossOnly(graph, loss, parameters);
  const values = evaluate === interpret ? interpret(forward, feeds, { keepAll: true }) : undefined;
  const lossAt = async (name: string, element: number, shift: number): Promise<number> => {
    await breath();
    options.signal?.throwIfAborted();
    const array = feeds.get(name)!;
    const data = array.data.slice();
    data[element]! += shift;
    const moved = new Map(feeds).set(name, { ...array, data });
    const outputs = values
      ? interpret(forward, moved, { since: { values, changed: new Set([name]) } })
      : await evaluate(forward, moved);
    return outputs.get(loss)!.data[0]!;
  };
  const checks: ParameterCheck[] = [];
  for (const name of parameters) {
    const analytic = found.get(backward.gradients.get(name)!)!.data;
    const elements = random(seed, "gradcheck", name).permutation(analytic.length).slice(0, samples);
    const largestGradient = analytic.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
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
  const largestRelativeError = Math.max(0, ...checks.map((check) => check.largestRelativeError));
  const verdict = largestRelativeError <= tolerance ? "right" : "wrong";
  return { parameters: checks, largestRelativeError, tolerance, verdict };
}

/** Lets a signal to stop come in between two long computations. */
const breath = () => new Promise((resolve) => setTimeout(resolve));

/**
 * Standard deviation of what rounding does to a loss, from its values at equal tiny steps: in their third differences all
 * that is smooth has gone (Moré and Wild, "Estimating computational noise", 2011).
 */
function noiseOf(values: readonly number[]): number {
  let differences = values;
  for (let order = 1; order <= 3; order++)
    differences = differences.slice(1).map((value, i) => value - differences[i]!);
  const meanSquare = differences.reduce((sum, d) => sum + d * d, 0) / differences.length;
  return Math.sqrt(meanSquare / 20); // (2·3)! / 3!², the variance of a third difference of independent numbers
}

function relativeError(a: number, b: number, floor: number, noise: number): number {
  const difference = Math.abs(a - b);
  return difference <= noise ? 0 : difference / Math.max(Math.abs(a), Math.abs(b), floor);
}

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
