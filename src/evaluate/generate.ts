import { DiapasonError } from "../base/errors.ts";
import { random } from "../base/random.ts";
import { int64 } from "../graph/tensor.ts";
import type { Model } from "../models/model.ts";
import { rebuilt } from "../models/rebuild.ts";
import type { Executable, HostTensor, Runtime } from "../runtime/runtime.ts";
import { argmax } from "../tasks/classification-metrics.ts";
import { type Cache, cachesOf, emptyPast } from "./empty-past.ts";
import { lastTokenLogits } from "./last-logits.ts";

/** How the next token is chosen. */
export interface Sampling {
  /** Scores are divided by it before one is drawn; 0: the likeliest token is taken. */
  readonly temperature: number;
  /** Only so many of the likeliest tokens may be drawn; 0: all. */
  readonly topK: number;
  /** Only the likeliest tokens that together have this share may be drawn, 0…1. */
  readonly topP: number;
  /** Scores of tokens that are there already are divided by it where above 0, else multiplied; 1: left alone. */
  readonly repetitionPenalty: number;
  /** Tokens that end a text; they are not given. */
  readonly stop: ReadonlySet<number>;
  readonly seed: number;
}

/** What a text begins with. */
export interface Prompt {
  readonly ids: Int32Array;
  /** Names the random numbers of this text, which so do not depend on the texts beside it. */
  readonly stream: string;
  /** Tokens at most that follow. */
  readonly maxTokens: number;
  /** Whether the text ends with the tokens that it has got; absent: only by `stop` and `maxTokens`. */
  ends?(tokens: readonly number[]): boolean;
}

/** A token that follows a prompt. `row`: the place of the prompt. */
export interface NextToken {
  readonly row: number;
  readonly token: number;
}

/** A decoder that keeps the keys and values of what it has read. */
export interface Generator {
  /** The tokens that follow prompts, which go on together; each text is what it would be alone. */
  generate(prompts: readonly Prompt[], sampling: Sampling): AsyncGenerator<NextToken, void>;
  dispose(): Promise<void>;
}

/**
 * Compiles a causal decoder for generation: one that an architecture built, or a graph that takes `past_key_values` as
 * transformers.js feeds them.
 * @throws models/no-such-head for a network that is none
 */
export async function openGenerator(model: Model, runtime: Runtime): Promise<Generator> {
  const graph = model.network
    ? rebuilt(model, { head: "causal-lm", cache: true, seed: 0 }).graph
    : model.graph.clone();
  const caches = cachesOf(graph);
  if (caches.length === 0 || !graph.find("logits"))
    throw new DiapasonError(
      "models/no-such-head",
      `${model.source} takes no keys and values of earlier tokens, so it cannot go on with a text.`,
      "Use the folder of a language model, or a graph that was exported for text generation with its cache.",
    );
  lastTokenLogits(graph);
  const names = new Set(graph.inputs.map(({ name }) => name));
  const executable = await runtime.compile(graph);
  const decoder = { executable, names, caches };
  // Activations are rounded over all rows at once, so that texts would change with those beside them.
  const isRounded = graph.nodes.some(({ op }) => op === "DynamicQuantizeLinear");
  return {
    generate: (prompts, sampling) => (isRounded ? oneByOne : tokensOf)(decoder, prompts, sampling),
    dispose: () => executable.dispose(),
  };
}

interface Decoder {
  readonly executable: Executable;
  /** What the graph is fed. */
  readonly names: ReadonlySet<string>;
  readonly caches: readonly Cache[];
}

async function* oneByOne(
  decoder: Decoder,
  prompts: readonly Prompt[],
  sampling: Sampling,
): AsyncGenerator<NextToken, void> {
  for (const [row, prompt] of prompts.entries())
    for await (const { token } of tokensOf(decoder, [prompt], sampling)) yield { row, token };
}

/** A text under way. */
interface Row {
  readonly row: number;
  readonly prompt: Prompt;
  /** Tokens that have followed. */
  readonly tokens: number[];
}

/**
 * Prompts are filled up on their left, so that the last token of each lies in the last column; padding is masked, and
 * places count from a row's first token. A row that has ended leaves the batch, with its keys and values.
 */
async function* tokensOf(
  { executable, names, caches }: Decoder,
  prompts: readonly Prompt[],
  sampling: Sampling,
): AsyncGenerator<NextToken, void> {
  if (prompts.some(({ ids }) => ids.length === 0))
    throw new DiapasonError(
      "evaluate/no-prompt",
      "There is no token to go on from.",
      "Give a text, or use a tokenizer that begins texts with a token of its own.",
    );
  let rows = prompts
    .map((prompt, row): Row => ({ row, prompt, tokens: [] }))
    .filter(({ prompt }) => prompt.maxTokens > 0);
  const longest = Math.max(0, ...rows.map(({ prompt }) => prompt.ids.length));
  const outputs = ["logits", ...caches.map(({ present }) => present)];
  let past = emptyPast(caches, rows.length);
  /** Columns that are read already. */
  let read = 0;
  while (rows.length > 0) {
    const columns = read === 0 ? longest : 1;
    const feeds: Record<string, HostTensor> = {
      ...past,
      input_ids: words(rows, columns, (row, i) => tokenAt(row, read + i - paddingOf(row, longest))),
      attention_mask: words(rows, read + columns, (row, i) => (i < paddingOf(row, longest) ? 0 : 1)),
    };
    if (names.has("position_ids"))
      feeds["position_ids"] = words(rows, columns, (row, i) =>
        Math.max(0, read + i - paddingOf(row, longest)),
      );
    const found = await executable.run(feeds, { outputs });
    read += columns;
    const { data, dims } = found["logits"]!;
    const size = dims.at(-1)!;
    const stride = data.length / rows.length;
    const kept: number[] = [];
    for (const [i, { row, prompt, tokens }] of rows.entries()) {
      const last = (data as Float32Array).subarray((i + 1) * stride - size, (i + 1) * stride);
      const draw = random(sampling.seed, "token", prompt.stream, tokens.length).uniform();
      const seen = sampling.repetitionPenalty === 1 ? [] : [...prompt.ids, ...tokens];
      const token = choose(last, seen, sampling, draw);
      if (sampling.stop.has(token)) continue;
      tokens.push(token);
      yield { row, token };
      if (tokens.length < prompt.maxTokens && !prompt.ends?.(tokens)) kept.push(i);
    }
    past = Object.fromEntries(caches.map(({ past: name, present }) => [name, rowsOf(found[present]!, kept)]));
    rows = kept.map((i) => rows[i]!);
  }
}

const paddingOf = ({ prompt }: Row, longest: number): number => longest - prompt.ids.length;

/** A token of a row by its place; 0 in the padding before it, which nothing reads. */
function tokenAt({ prompt: { ids }, tokens }: Row, place: number): number {
  return (place < ids.length ? ids[place] : tokens[place - ids.length]) ?? 0;
}

/** Numbers as int64 [rows, columns]. */
function words(
  rows: readonly Row[],
  columns: number,
  numberAt: (row: Row, column: number) => number,
): HostTensor {
  const values = rows.flatMap((row) => Array.from({ length: columns }, (_, i) => numberAt(row, i)));
  const dims = [rows.length, columns];
  const bytes = int64(dims, values).data.read();
  return {
    dtype: "int64",
    dims,
    data: new BigInt64Array(bytes.buffer, bytes.byteOffset, values.length),
  };
}

/** Some rows of a cache [rows, heads, keys, size]; all of them without a copy. */
function rowsOf(cache: HostTensor, kept: readonly number[]): HostTensor {
  const [count, ...rest] = cache.dims;
  if (kept.length === count) return cache;
  const data = cache.data as Float32Array;
  const size = data.length / count!;
  const chosen = new Float32Array(kept.length * size);
  kept.forEach((row, i) => {
    chosen.set(data.subarray(row * size, (row + 1) * size), i * size);
  });
  return { dtype: "float32", dims: [kept.length, ...rest], data: chosen };
}

/**
 * A token by its scores. `draw`: 0…1.
 *
 * Source: transformers' RepetitionPenalty, Temperature, TopK and TopP warpers, in this order.
 */
export function choose(
  logits: ArrayLike<number>,
  seen: readonly number[],
  { temperature, topK, topP, repetitionPenalty }: Sampling,
  draw: number,
): number {
  const scores = Float64Array.from(logits);
  if (repetitionPenalty !== 1)
    for (const token of new Set(seen)) {
      const score = scores[token]!;
      scores[token] = score > 0 ? score / repetitionPenalty : score * repetitionPenalty;
    }
  if (temperature === 0) return argmax(scores);
  const order = [...scores.keys()];
  order.sort((a, b) => scores[b]! - scores[a]! || a - b);
  const kept = topK > 0 ? order.slice(0, topK) : order;
  const largest = scores[kept[0]!]!;
  const shares = kept.map((token) => Math.exp((scores[token]! - largest) / temperature));
  const total = shares.reduce((sum, share) => sum + share, 0);
  let mass = 0;
  let count = 0;
  while (count < kept.length && (count === 0 || mass < topP * total)) mass += shares[count++]!;
  let left = draw * mass;
  for (let i = 0; i < count; i++) {
    left -= shares[i]!;
    if (left < 0) return kept[i]!;
  }
  return kept[count - 1]!;
}
