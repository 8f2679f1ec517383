import type { Graph, Value } from "../graph/ir.ts";
import { tensorsIn } from "../graph/passes/fold-sequences.ts";

/** What a guess is made from. */
interface Facts {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Operators, without their domains, those of bodies too. */
  readonly operators: ReadonlySet<string>;
  /** Elements of all parameters. */
  readonly weights: number;
}

/** A kind of network: what it is called, with the sign that gave it away, or undefined where it is another. */
type Kind = (facts: Facts) => string | undefined;

const isFloat = ({ dtype }: Value): boolean => dtype?.startsWith("float") ?? false;
const named = (values: readonly Value[], pattern: RegExp) => values.find(({ name }) => pattern.test(name));
const quoted = ({ name }: Value): string => `"${name}"`;
const anyOf = (operators: ReadonlySet<string>, ...names: readonly string[]) =>
  names.find((name) => operators.has(name));

/** A picture: four axes, one, three or four channels behind the batch or at the end, and the rest no strip. */
const isImage = (value: Value): boolean => {
  const [, first, second, third] = value.shape ?? [];
  const isChannels = (dim: unknown) => dim === 1 || dim === 3 || dim === 4;
  const areWide = (...dims: unknown[]) => dims.every((dim) => typeof dim === "string" || Number(dim) >= 8);
  const isFirst = isChannels(first) && areWide(second, third);
  return (
    isFloat(value) && value.shape?.length === 4 && (isFirst || (isChannels(third) && areWide(first, second)))
  );
};

/** Scores of classes: [batch, n] of floats, with axes of size 1 behind or without. */
const scoresOf = (outputs: readonly Value[]): Value | undefined =>
  outputs.find((value) => {
    const [, width, ...rest] = value.shape ?? [];
    return isFloat(value) && Number(width) > 1 && rest.every((dim) => dim === 1);
  });

const classes = (value: Value): string => `${value.shape![1]} classes or numbers in ${quoted(value)}`;

const sound = /^sr$|sampl(e|ing)_?rate|samples|audio|wave(form)?$|^wav|\bmel|spectrogram/i;

const tokenIds = /input_ids|tokens|token_ids/i;

/** Operators that read or make whole numbers in the place of real ones. */
const quantizing =
  /(^|\.)((Dynamic)?(De)?QuantizeLinear|QLinear|QGemm|MatMulInteger|ConvInteger|MatMulNBits|MatMulBnb4|QAttention)/;

/** Classical models that no gradient goes through. */
const stepwise = /(^|\.)(TreeEnsemble|SVM)/;

/** From the most telling sign to the least; the first that fits. */
const kinds: readonly Kind[] = [
  ({ operators }) => {
    const classical = [...operators].find((name) => stepwise.test(name));
    return (
      classical &&
      `${classical.includes("SVM") ? "a support vector machine" : "decision trees"} (${classical}), whose numbers lie in attributes and cannot be tuned by gradients`
    );
  },
  ({ weights }) =>
    weights === 0 ? "a computation without weights, such as preprocessing: nothing to tune" : undefined,
  ({ inputs, outputs }) => {
    const action = named(outputs, /action/i);
    const seen = named(inputs, /obs|state|vector/i);
    return action && seen && `a policy, from observations (${quoted(seen)}) to actions (${quoted(action)})`;
  },
  ({ inputs, outputs, operators }) => {
    const sign = named(inputs, sound) ?? named(outputs, sound);
    const spectrum = anyOf(operators, "STFT", "DFT", "MelWeightMatrix");
    return sign || spectrum ? `a network for sound (${sign ? quoted(sign) : spectrum})` : undefined;
  },
  ({ inputs }) => {
    const [tokens, image] = [named(inputs, tokenIds), inputs.find(isImage)];
    return (
      tokens &&
      image &&
      `a network over images (${quoted(image)}) and texts (${quoted(tokens)}), such as one that compares them`
    );
  },
  ({ inputs, outputs }) => {
    const tokens = named(inputs, tokenIds);
    const vocabulary = outputs.find(({ shape }) => shape?.length === 3 && Number(shape[2]) > 500);
    if (!tokens) return undefined;
    const scores = scoresOf(outputs);
    if (vocabulary)
      return `a language model, from token ids (${quoted(tokens)}) to a score of each of ${vocabulary.shape![2]} tokens`;
    return scores
      ? `a text classifier, from token ids (${quoted(tokens)}) to ${classes(scores)}`
      : `a text encoder, from token ids (${quoted(tokens)})`;
  },
  ({ inputs, outputs, operators }) => {
    const image = inputs.find(isImage);
    if (!image) return undefined;
    const size = `[${image.shape!.join(", ")}]`;
    if (operators.has("NonMaxSuppression"))
      return `a detector with its boxes chosen, on images ${quoted(image)} ${size}`;
    const map = outputs.find(({ shape }) => shape?.length === 4 && shape.slice(2).some((dim) => dim !== 1));
    if (map)
      return `a network from images ${quoted(image)} ${size} to maps ${quoted(map)}, such as a detector's or a segmentation's`;
    const boxes = outputs.find(({ shape }) => shape?.length === 3);
    if (boxes)
      return `a network from images ${quoted(image)} ${size} to rows of numbers (${quoted(boxes)}), such as a detector's boxes`;
    const scores = scoresOf(outputs);
    return scores && `an image classifier, from ${quoted(image)} ${size} to ${classes(scores)}`;
  },
  ({ inputs, outputs, operators }) => {
    const recurrent = anyOf(operators, "LSTM", "GRU", "RNN", "Scan", "Loop");
    const out = outputs[0];
    return (
      recurrent &&
      out &&
      `a network over sequences (${recurrent}), from ${quoted(inputs[0]!)} to ${quoted(out)}`
    );
  },
  ({ inputs, outputs }) => {
    const ids = inputs.find(({ dtype, shape }) => dtype?.startsWith("int") && shape?.length === 2);
    const scores = scoresOf(outputs);
    return (
      ids &&
      scores &&
      `a classifier of sequences of whole numbers (${quoted(ids)}: tokens, bytes, items), to ${classes(scores)}`
    );
  },
  ({ inputs, outputs }) => {
    const vector = inputs.find((value) => isFloat(value) && (value.shape?.length ?? 0) >= 2);
    const out = outputs.find(isFloat);
    return (
      vector &&
      out &&
      `a network from numbers ${quoted(vector)} [${vector.shape!.join(", ")}] to ${quoted(out)} [${out.shape?.join(", ") ?? "?"}]`
    );
  },
];

/** What a graph seems to be for, in one phrase that names the signs; a guess from names, shapes and operators. */
export function purposeOf(graph: Graph, weights: number, operators: ReadonlySet<string>): string {
  const inputs = graph.inputs.filter((input) => !input.constant);
  const outputs = graph.outputs.flatMap((value) => (value.opaqueType && tensorsIn(value)) || [value]);
  const facts = { inputs, outputs, operators, weights };
  const isQuantized = weights === 0 && [...operators].some((name) => quantizing.test(name));
  for (const kind of kinds) {
    const found = kind(isQuantized ? { ...facts, weights: 1 } : facts);
    if (found)
      return isQuantized
        ? `${found}; its weights are quantised, tune the float32 file it was made of`
        : found;
  }
  return "a network whose inputs and outputs tell nothing of its use";
}
