import { type Graph, readsOf, type Value } from "../graph/ir.ts";
import { tensorsIn } from "../graph/passes/fold-sequences.ts";
import { namesSampleRate } from "../graph/sample-rate.ts";

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
  const isNumbers = isFloat(value) || value.dtype === "uint8";
  return isNumbers && value.shape?.length === 4 && (isFirst || (isChannels(third) && areWide(first, second)));
};

/** Scores of classes: [batch, n] of floats, with axes of size 1 behind or without. */
const scoresOf = (outputs: readonly Value[]): Value | undefined =>
  outputs.find((value) => {
    const [, width, ...rest] = value.shape ?? [];
    return isFloat(value) && Number(width) > 1 && rest.every((dim) => dim === 1);
  });

const classes = (value: Value): string => `${value.shape![1]} classes or numbers in ${quoted(value)}`;

/** Outputs and inputs by name, the first few of them. */
const listed = (values: readonly Value[]): string => {
  const names = values.map(quoted);
  const rest = names.length - 3;
  if (rest > 1) return `${names.slice(0, 3).join(", ")} and ${rest} more`;
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : (names[0] ?? "");
};

/** Whole numbers that say which and where, not what. */
const aside = /mask|len(gth)?s?$|^pos(itions?|_ids?)?$|position_ids?$|seq_?len/i;

/** Whole numbers in a place where a table is looked up, one or a list of them an example. */
const isId = ({ name, dtype, shape }: Value): boolean =>
  (dtype?.startsWith("int") ?? false) && (shape?.length === 1 || shape?.length === 2) && !aside.test(name);

/** What a recurrent network carries from one step to the next. */
const isMemory = ({ name, dtype }: Value): boolean =>
  (dtype?.startsWith("float") ?? false) &&
  /^[hc]_?(n|t|in|out|0|prev|next)?$|^(hidden|cell|rnn|lstm|gru|initial)_?(state|h|c)?|^state(N|s|_?in|_?out)?$|recurrent|^memory(_?(in|out))?$/i.test(
    name,
  );

/** The name of an open size that counts moments of a sound. */
const sampled = /^(num_)?samples$|^audio/i;

/** What sound is called, beside its sampling rate. */
const sound = /samples|audio|wave(form)?$|^wav|\bmel|spectrogram/i;

const tokenIds = /input_ids|tokens|token_ids/i;

/** Maps of what is where, however many channels they have. */
const marks = /logits|mask|seg|heat|score|prob|depth/i;

/** Keys and values of tokens that were read before. */
const past = /^past[_.]|past_key|cache/i;

/** Vectors, not scores of a vocabulary, however long they are. */
const hidden = /hidden|embed|encod|memory|feature/i;

/** The two ends of each edge. */
const edges = /edge(s$|_?ind)|adjacency|senders|receivers/i;

/** How noisy what a diffusion model is given is. */
const noiseLevel = /^(timesteps?|sigmas?|noise_level)$/i;

const forecast = /forecast|horizon|prediction_outputs|quantile/i;
const history = /^(past|past_values|context|history|series|lookback|x_enc)$/i;

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
    const actions = outputs.filter(({ name }) => /action/i.test(name) && !/shape|is_|num_/i.test(name));
    const masks = inputs.filter(({ name }) => /mask/i.test(name));
    const seen = inputs.filter((input) => /obs|state|vector/i.test(input.name) && !masks.includes(input));
    const observed = seen.filter((input) => !isMemory(input));
    const masked = masks.length > 0 ? `, of which ${listed(masks)} rules some out` : "";
    if (actions.length > 0 && observed.length > 0)
      return `a policy, from observations (${listed(observed)}) to actions (${listed(actions)})${masked}`;
    const one = named(inputs, /^obs(ervations?)?$/i);
    return (
      one &&
      `a policy, from observations (${quoted(one)}) to ${listed(outputs.filter((out) => !isMemory(out)))}`
    );
  },
  ({ inputs, outputs, operators }) => {
    const heard = inputs.find(
      ({ shape, name }) =>
        sound.test(name) || namesSampleRate(name) || shape?.some((dim) => sampled.test(`${dim}`)),
    );
    const sign = heard ?? (inputs.some(isImage) ? undefined : named(outputs, sound));
    const spectrum = anyOf(operators, "STFT", "MelWeightMatrix");
    if (!sign && !spectrum) return undefined;
    const from = inputs.find((input) => isFloat(input) && !isMemory(input));
    const to = outputs.filter((output) => isFloat(output) && !isMemory(output));
    const why = sign
      ? namesSampleRate(sign.name)
        ? `"${sign.name}" is a sampling rate`
        : ""
      : `${spectrum}`;
    const way =
      from && to.length > 0
        ? `, from ${quoted(from)} to ${listed(to)}`
        : ` (${sign ? quoted(sign) : spectrum})`;
    return `a network for sound${way}${why && from && to.length > 0 ? ` (${why})` : ""}`;
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
    if (!tokens) return undefined;
    const each = outputs.find(
      (value) => isFloat(value) && value.shape?.length === 3 && !hidden.test(value.name),
    );
    const width = Number(each?.shape?.[2]);
    const scores = scoresOf(outputs);
    const written = named(inputs, /^decoder_input_ids$/);
    if (width > 1 && written && tokens !== written)
      return `a network from texts to texts, such as a translator: token ids (${quoted(tokens)}) and those written so far (${quoted(written)}), to a score of each of ${width} tokens`;
    const goesOn = named(inputs, past) ? ", given the keys and values of those before" : "";
    if (width > 500 || (width > 1 && goesOn))
      return `a language model, from token ids (${quoted(tokens)})${goesOn} to a score of each of ${width} tokens`;
    if (width > 1 && each?.name === "logits")
      return `a network that gives each token ${width} scores (${quoted(each)}), from token ids (${quoted(tokens)})`;
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
    const channels = /^[134]$/.test(String(image.shape![1])) ? 1 : 3;
    if (map && map.shape![channels] === image.shape![channels] && !marks.test(map.name))
      return `a network from images ${quoted(image)} ${size} to images ${quoted(map)}, such as one that enlarges or restyles them`;
    if (map)
      return `a network from images ${quoted(image)} ${size} to maps ${quoted(map)}, such as a detector's or a segmentation's`;
    const boxes = outputs.find(({ shape }) => shape?.length === 3);
    const recurrent = boxes && anyOf(operators, "LSTM", "GRU", "RNN");
    if (recurrent)
      return `a network from images ${quoted(image)} ${size} to a sequence (${recurrent}) in ${quoted(boxes)}, such as a reader's of text`;
    if (boxes)
      return `a network from images ${quoted(image)} ${size} to rows of numbers (${quoted(boxes)}), such as a detector's boxes`;
    const scores = scoresOf(outputs);
    return scores && `an image classifier, from ${quoted(image)} ${size} to ${classes(scores)}`;
  },
  ({ inputs }) => {
    const ends = named(inputs, edges);
    const nodes = inputs.find(isFloat);
    return ends && nodes && `a network over graphs, of nodes ${quoted(nodes)} and edges ${quoted(ends)}`;
  },
  ({ inputs, outputs }) => {
    const [level, noisy] = [named(inputs, noiseLevel), inputs.find(isFloat)];
    const out = outputs.find(({ shape }) => shape?.length === noisy?.shape?.length);
    return (
      level &&
      noisy &&
      out &&
      `a step of a diffusion model, from ${quoted(noisy)} at ${quoted(level)} to ${quoted(out)}`
    );
  },
  ({ inputs, outputs }) => {
    const [seen, told] = [inputs.filter(isFloat), outputs.filter(isFloat)];
    const [before, after] = [named(seen, history), named(told, forecast)];
    if (!before && !after) return undefined;
    const [from, to] = [before ?? seen[0], after ?? told[0]];
    return from && to && `a forecaster, from ${quoted(from)} to ${quoted(to)}`;
  },
  ({ inputs, outputs, operators }) => {
    const cell = anyOf(operators, "LSTM", "GRU", "RNN");
    // A loop runs over anything; over a sequence where the input has an axis of steps.
    const isLong = inputs.some((value) => isFloat(value) && (value.shape?.length ?? 0) >= 3);
    const recurrent = cell ?? (isLong ? anyOf(operators, "Scan", "Loop") : undefined);
    const out = outputs[0];
    return (
      recurrent &&
      out &&
      `a network over sequences (${recurrent}), from ${quoted(inputs[0]!)} to ${quoted(out)}`
    );
  },
  ({ inputs, outputs }) => {
    const ids = inputs.some(isFloat)
      ? undefined
      : inputs.find((value) => isId(value) && value.shape?.length === 2);
    const scores = scoresOf(outputs);
    return (
      ids &&
      scores &&
      `a classifier of sequences of whole numbers (${quoted(ids)}: tokens, bytes, items), to ${classes(scores)}`
    );
  },
  ({ inputs, outputs }) => {
    const ids = inputs.filter(isId);
    const out = outputs.filter(isFloat);
    const numbers = inputs.find(isFloat);
    const others = numbers ? ` and numbers (${quoted(numbers)})` : "";
    const isList = ids.length === 1 && ids[0]!.shape!.length === 2 && !numbers;
    const such = isList ? "a reader of tokens or items" : "a recommender";
    return ids.length > 0 && out.length > 0
      ? `a network from ids (${listed(ids)})${others} to ${listed(out)}, such as ${such}`
      : undefined;
  },
  ({ inputs, outputs }) => {
    const vector = inputs.find((value) => isFloat(value) && (value.shape?.length ?? 0) >= 1);
    const [out, ...others] = outputs.filter(isFloat);
    return (
      vector &&
      out &&
      `a network from numbers ${quoted(vector)} [${vector.shape!.join(", ")}] to ${quoted(out)} [${out.shape?.join(", ") ?? "?"}]${others.length > 0 ? `, and to ${listed(others)}` : ""}`
    );
  },
];

/** Operators that make arrays, which may take the place of stored weights. */
const filling = ["ConstantOfShape", "RandomNormal", "RandomUniform"];

/** The outputs that depend on an input. */
export function dependentOutputs(graph: Graph): readonly Value[] {
  const fed = new Set(graph.inputs.filter((input) => !input.constant));
  const found = new Set<Value>(fed);
  for (const node of graph.nodes)
    if (readsOf(node).some((value) => found.has(value)))
      for (const output of node.outputs) if (output) found.add(output);
  return graph.outputs.filter((output) => found.has(output));
}

/** What a graph seems to be for, in one phrase that names the signs; a guess from names, shapes and operators. */
export function purposeOf(graph: Graph, weights: number, operators: ReadonlySet<string>): string {
  const inputs = graph.inputs.filter((input) => !input.constant);
  const given = dependentOutputs(graph);
  const told = given.length > 0 ? given : graph.outputs;
  const outputs = told.flatMap((value) => (value.opaqueType && tensorsIn(value)) || [value]);
  const facts = { inputs, outputs, operators, weights };
  const isQuantized = weights === 0 && [...operators].some((name) => quantizing.test(name));
  const isFilled =
    weights === 0 && ["Conv", "Gemm"].some((op) => operators.has(op)) && anyOf(operators, ...filling);
  const carried = [inputs.filter(isMemory), outputs.filter(isMemory)] as const;
  const isRecurrent = carried.every((list) => list.length > 0);
  const state = isRecurrent
    ? `, with a state that goes on (${listed(carried[0])} to ${listed(carried[1])})`
    : "";
  for (const kind of kinds) {
    const found = kind(isQuantized || isFilled ? { ...facts, weights: 1 } : facts);
    if (!found) continue;
    if (isQuantized)
      return `${found}${state}; its weights are quantised, tune the float32 file it was made of`;
    if (isFilled) return `${found}${state}; its weights are not in the file: ${isFilled} makes them`;
    return `${found}${state}`;
  }
  return "a network whose inputs and outputs tell nothing of its use";
}
