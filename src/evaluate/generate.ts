import { bug, DiapasonError } from "../base/errors.ts";
import { random } from "../base/random.ts";
import { int64 } from "../graph/tensor.ts";
import type { Model } from "../models/model.ts";
import { rebuilt } from "../models/rebuild.ts";
import type { Executable, HostTensor, Runtime } from "../runtime/runtime.ts";

/** How the next token is chosen. */
export interface Sampling {
  /** Tokens at most. */
  readonly maxTokens: number;
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

/** A decoder that keeps the keys and values of what it has read. */
export interface Generator {
  /** The tokens that follow a prompt, one by one. `stream`: names the random numbers of this text. */
  generate(prompt: Int32Array, sampling: Sampling, stream?: string): AsyncGenerator<number, void>;
  dispose(): Promise<void>;
}

/**
 * Compiles a causal decoder for generation.
 * @throws models/no-such-head for a network that is none
 */
export async function openGenerator(model: Model, runtime: Runtime): Promise<Generator> {
  const { graph } = rebuilt(model, { head: "causal-lm", cache: true, seed: 0 });
  const executable = await runtime.compile(graph);
  const caches = graph.inputs
    .filter(({ name }) => name.startsWith("past_key_values."))
    .map(({ name, shape }) => {
      const [, heads, , size] = shape ?? bug(`"${name}" has no shape`);
      return {
        past: name,
        present: name.replace("past_key_values", "present"),
        dims: [1, Number(heads), 0, Number(size)],
      };
    });
  return {
    generate: (prompt, sampling, stream = "") => tokensOf(executable, caches, { prompt, sampling, stream }),
    dispose: () => executable.dispose(),
  };
}

interface Cache {
  readonly past: string;
  readonly present: string;
  readonly dims: readonly number[];
}

interface Task {
  readonly prompt: Int32Array;
  readonly sampling: Sampling;
  readonly stream: string;
}

async function* tokensOf(
  executable: Executable,
  caches: readonly Cache[],
  { prompt, sampling, stream }: Task,
): AsyncGenerator<number, void> {
  if (prompt.length === 0)
    throw new DiapasonError(
      "evaluate/no-prompt",
      "There is no token to go on from.",
      "Give a text, or use a tokenizer that begins texts with a token of its own.",
    );
  const names = ["logits", ...caches.map(({ present }) => present)];
  let past = new Map(
    caches.map(({ past: name, dims }): [string, HostTensor] => [
      name,
      { dtype: "float32", dims, data: new Float32Array() },
    ]),
  );
  const seen = [...prompt];
  let unread: ArrayLike<number> = prompt;
  for (let count = 0; count < sampling.maxTokens; count++) {
    const before = seen.length - unread.length;
    const outputs = await executable.run(
      {
        ...Object.fromEntries(past),
        input_ids: words(Array.from(unread)),
        attention_mask: words(new Array<number>(seen.length).fill(1)),
        position_ids: words(Array.from(unread, (_, i) => before + i)),
      },
      { outputs: names },
    );
    past = new Map(caches.map((cache) => [cache.past, outputs[cache.present]!]));
    const { data, dims } = outputs["logits"]!;
    const size = dims.at(-1)!;
    const last = (data as Float32Array).subarray(data.length - size);
    const token = choose(last, seen, sampling, random(sampling.seed, "token", stream, count).uniform());
    if (sampling.stop.has(token)) return;
    yield token;
    seen.push(token);
    unread = [token];
  }
}

/** Numbers as int64 [1, count]. */
function words(values: readonly number[]): HostTensor {
  const bytes = int64([1, values.length], values).data.read();
  return {
    dtype: "int64",
    dims: [1, values.length],
    data: new BigInt64Array(bytes.buffer, bytes.byteOffset, values.length),
  };
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
  const order = [...scores.keys()];
  if (temperature === 0)
    return order.reduce((best, token) => (scores[token]! > scores[best]! ? token : best), 0);
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
