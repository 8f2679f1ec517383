import { bug } from "../base/errors.ts";
import { GraphBuilder, range } from "../graph/builder.ts";
import type { Graph, Value } from "../graph/ir.ts";
import { type Declared, type Kinds, numberOption, parseDeclared, wordOption } from "./declared.ts";
import { logitsOfClasses, logitsOfShares, type Said } from "./logits.ts";
import { addUp, type Elements, type LossParts, sumsOf } from "./loss-parts.ts";
import { binaryCrossEntropy, huber, l1, labelCrossEntropy, mse } from "./losses.ts";
import {
  type Allowed,
  type ArrayInfo,
  arrayOf,
  type Fit,
  fitClasses,
  fitMask,
  fitNumbers,
  fitShares,
  outputOf,
  rowOf,
} from "./target.ts";

/** Losses of single elements, as one term gives them. */
interface TermElements extends Elements {
  /** Whether the output was taken for logits only because nothing says otherwise. */
  readonly isGuessed?: boolean;
}

interface LossRow {
  readonly options: readonly string[];
  /** How the array must look. @throws tasks/loss-shape */
  fit(term: Declared, output: Value, array: ArrayInfo): Fit;
  /** `target`: of the type and sizes that `fit` said. */
  build(g: GraphBuilder, output: Value, target: Value, term: Declared, fit: Fit): TermElements;
}

const lossRows = {
  /** (output − target)² */
  mse: {
    options: ["mask"],
    fit: fitNumbers,
    build: (g, output, target) => ({ losses: mse(g, output, target, "none") }),
  },
  /** |output − target| */
  l1: {
    options: ["mask"],
    fit: fitNumbers,
    build: (g, output, target) => ({ losses: l1(g, output, target, "none") }),
  },
  /** Squared up to `delta`, then straight. */
  huber: {
    options: ["delta", "mask"],
    fit: fitNumbers,
    build(g, output, target, term) {
      const delta = numberOption(term, "delta", 1, (value) => value > 0, "a number above 0");
      return { losses: huber(g, output, target, { delta, reduction: "none" }) };
    },
  },
  /** Of independent yes-or-no answers, given as logits or by a Sigmoid. */
  bce: {
    options: ["positive", "from", "mask"],
    fit: fitShares,
    build(g, output, target, term) {
      const weight = numberOption(term, "positive", 1, (value) => value > 0, "a number above 0");
      const positiveWeight = weight === 1 ? {} : { positiveWeight: g.scalar(weight, output) };
      const from = wordOption(term, "from", said);
      const logits = logitsOfShares(g, output, from);
      const losses = binaryCrossEntropy(g, logits, target, { ...positiveWeight, reduction: "none" });
      return { losses, isGuessed: logits === output && !from };
    },
  },
  /** Of one class of several, given as logits or by a Softmax. */
  "cross-entropy": {
    options: ["smoothing", "ignore", "axis", "from", "mask"],
    fit: fitClasses,
    build: crossEntropy,
  },
} satisfies { readonly [name: string]: LossRow };

const said: readonly Said[] = ["probabilities", "logits"];

export type LossKind = keyof typeof lossRows;
const rows: Readonly<Record<LossKind, LossRow>> = lossRows;

/** Reads the text of a declared loss. @throws tasks/bad-declaration */
export const parseLoss = (text: string): readonly Declared<LossKind>[] =>
  parseDeclared(text, lossRows satisfies Kinds<LossKind>, "loss");

/** An array that a graph must be fed, as an input of its own. */
export interface ReadArray {
  readonly array: string;
  /** The graph's input. */
  readonly input: string;
  readonly dtype: "float32" | "int64";
  readonly allowed?: Allowed;
}

/** What a loss adds to a graph. */
export interface AttachedLoss {
  /** Scalar output. */
  readonly loss: string;
  /** Input: how much each example counts, float32 [batch], 0 for padding; undefined where the loss takes none. */
  readonly weights: string | undefined;
  /** Arrays that are fed beside the model's own inputs. */
  readonly reads: readonly ReadArray[];
  /** Outputs of the model that the loss depends on. */
  readonly outputs: readonly string[];
  /** Outputs that were taken for logits only because nothing says otherwise. */
  readonly guesses?: readonly LogitsGuess[];
  /** How to put a loss over many batches together; undefined: each batch by its examples. */
  readonly parts?: LossParts;
}

/** An output that a term of the loss takes for logits; `classAxis`: where its classes lie, if it has some. */
export interface LogitsGuess {
  readonly term: string;
  readonly output: string;
  readonly classAxis?: number;
}

/**
 * Appends a declared loss: Σ over terms of factor · Σᵢ wᵢ Σⱼ lᵢⱼ / Σᵢ wᵢ Σⱼ cᵢⱼ, where l is the loss of element j of
 * example i, c what it counts (1, but for masked and ignored ones) and w the example's weight.
 *
 * `arrays`: what the data hold. The graph is changed in place; its inputs have known sizes, all but "batch".
 * @throws tasks/unknown-output, tasks/bad-output, tasks/unknown-array, tasks/loss-shape, tasks/bad-declaration
 */
export function attachDeclaredLoss(
  graph: Graph,
  terms: readonly Declared<LossKind>[],
  arrays: ReadonlyMap<string, ArrayInfo>,
): AttachedLoss {
  const g = new GraphBuilder(graph);
  const inputs = new ArrayInputs(graph, g);
  const fits = terms.map((term) => fitOf(graph, term, arrays));
  const weights = graph.addInput(graph.freshName("weights"), "float32", ["batch"]);
  const guesses: LogitsGuess[] = [];
  const parts = fits.map(({ term, output, array, fit }) => {
    const given = inputs.read(term.target, array, fit);
    const maskOf = maskIn(inputs, term, output, arrays);
    const target = withoutMissing(g, given, fit, maskOf);
    const elements = rows[term.kind].build(g, g.cast(output, "float32"), target, term, fit);
    const { classAxis } = fit;
    if (elements.isGuessed)
      guesses.push({ term: term.text, output: output.name, ...(classAxis !== undefined && { classAxis }) });
    return sumsOf(g, masked(g, elements, term, maskOf), weights);
  });
  return {
    ...addUp(
      g,
      parts,
      terms.map(({ weight }) => weight),
    ),
    weights: weights.name,
    reads: inputs.reads,
    outputs: [...new Set(terms.map(({ output }) => output))],
    guesses,
  };
}

function fitOf(graph: Graph, term: Declared<LossKind>, arrays: ReadonlyMap<string, ArrayInfo>) {
  const output = outputOf(graph, term);
  const array = arrayOf(arrays, term.target, term);
  return { term, output, array, fit: rows[term.kind].fit(term, output, array) };
}

/** The graph's inputs for arrays of the data, one for each array and type. */
class ArrayInputs {
  readonly reads: ReadArray[] = [];
  readonly #graph: Graph;
  readonly #g: GraphBuilder;
  /** Inputs that the model had, which are fed anyway. */
  readonly #own: ReadonlySet<string>;

  constructor(graph: Graph, g: GraphBuilder) {
    this.#graph = graph;
    this.#g = g;
    this.#own = new Set(graph.inputs.filter((input) => !input.constant).map(({ name }) => name));
  }

  /** An array as `fit` wants it, [batch, …]. */
  read(name: string, array: ArrayInfo, { dtype, dims, allowed }: Fit): Value {
    const value = this.#own.has(name)
      ? this.#g.cast(this.#graph.get(name), dtype)
      : this.#input(name, array, dtype, allowed);
    const isAsItIs = dims.length === array.dims.length && dims.every((size, i) => size === array.dims[i]);
    return isAsItIs ? value : this.#g.reshape(value, [-1, ...dims]);
  }

  #input(array: string, info: ArrayInfo, dtype: ReadArray["dtype"], allowed: Allowed | undefined): Value {
    const known = this.reads.find((read) => read.array === array && read.dtype === dtype);
    if (known) return this.#graph.get(known.input);
    const input = this.#graph.addInput(this.#graph.freshName(array), dtype, ["batch", ...info.dims]);
    this.reads.push({ array, input: input.name, dtype, ...(allowed && { allowed }) });
    return input;
  }
}

/** The mask of a term over elements of these sizes, [batch, …row]. */
type MaskOf = (row: readonly number[]) => Value;

function maskIn(
  inputs: ArrayInputs,
  term: Declared,
  output: Value,
  arrays: ReadonlyMap<string, ArrayInfo>,
): MaskOf | undefined {
  const name = term.options["mask"];
  if (name === undefined) return undefined;
  return (row) => {
    const dims = fitMask(term, output, row, name, arrays);
    return inputs.read(name, arrays.get(name)!, { dtype: "float32", dims });
  };
}

/** Target numbers with 0 where a mask leaves them out: there they may be missing, and a NaN times 0 is none. */
function withoutMissing(
  g: GraphBuilder,
  target: Value,
  { dtype, dims, classAxis }: Fit,
  maskOf: MaskOf | undefined,
): Value {
  if (!maskOf || dtype !== "float32" || classAxis !== undefined) return target;
  return g.where(g.equal(maskOf(dims), 0), g.scalar(0, target), target);
}

/** The losses with those that a mask leaves out at 0 and not counted. */
function masked(
  g: GraphBuilder,
  { losses, counts }: Elements,
  term: Declared,
  maskOf: MaskOf | undefined,
): Elements {
  if (!maskOf) return { losses, ...(counts && { counts }) };
  const row = rowOf(losses) ?? bug(`the losses of "${term.text}" have open sizes`);
  const mask = g.expandLike(maskOf(row), losses);
  return { losses: g.mul(losses, mask), counts: counts ? g.mul(counts, mask) : mask };
}

function crossEntropy(g: GraphBuilder, output: Value, target: Value, term: Declared, fit: Fit): TermElements {
  const smoothing = numberOption(term, "smoothing", 0, (s) => s >= 0 && s < 1, "a share from 0 to below 1");
  const axis = fit.classAxis ?? bug("a cross-entropy without classes");
  const toFront = [0, axis, ...range(1, output.shape!.length).filter((one) => one !== axis)];
  const from = wordOption(term, "from", said);
  const scores = logitsOfClasses(g, output, axis, from);
  const isGuessed = scores === output && !from;
  const logits = g.transpose(scores, toFront);
  if (fit.dtype === "int64") {
    const ignoreIndex = fit.allowed!.also!;
    const losses = labelCrossEntropy(g, logits, target, { ignoreIndex, smoothing, reduction: "none" });
    const counts = g.cast(g.op("Not", [g.equal(target, ignoreIndex)]), losses);
    return { losses, counts, isGuessed };
  }
  const classes = logits.shape![1] as number;
  const shares = g.transpose(target, toFront);
  const smooth = smoothing === 0 ? shares : g.add(g.mul(1 - smoothing, shares), smoothing / classes);
  const log = g.op("LogSoftmax", [logits], { axis: 1 });
  return { losses: g.neg(g.sum(g.mul(smooth, log), [1])), isGuessed };
}
