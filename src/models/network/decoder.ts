import type { GraphBuilder } from "../../graph/builder.ts";
import { appended, attend, fromHeads, intoHeads } from "../../graph/expansions/attention-core.ts";
import type { Value } from "../../graph/ir.ts";
import { biasOf } from "./attention.ts";
import { headSize } from "./config-fields.ts";
import { type Network, numberAt } from "./network.ts";
import type { Rope, RopeBeyond } from "./rope.ts";

/** What all layers of a decoder share. */
export interface DecoderInputs {
  /** int64 [batch, tokens] */
  readonly ids: Value;
  /** Where each token stands in its example: int64 [tokens], or [batch, tokens] where it is given. */
  readonly positions: Value;
  /** Of scores: no key after its query, no padding, none of another example. Broadcast to [batch, 1, queries, keys]. */
  readonly bias: Value;
  /** The same for layers that look back over fewer than `window` tokens only. */
  biasWithin(window: number): Value;
}

/**
 * Inputs of a decoder, as its network's options ask for them. `isBidirectional`: it reads a text both ways, as encoders do, and a
 * window reaches as far ahead as back.
 */
export function decoderInputs(
  m: Network,
  { isBidirectional = false }: { readonly isBidirectional?: boolean } = {},
): DecoderInputs {
  const { g, options } = m;
  const ids = m.input("input_ids", "int64", ["batch", "tokens"]);
  const keys = options.cache ? "past+tokens" : "tokens";
  const mask = m.input("attention_mask", "int64", ["batch", keys]);
  const given = options.positions === "given" || options.cache;
  const positions = given ? m.input("position_ids", "int64", ["batch", "tokens"]) : m.countedPositions(ids);
  const keyPlaces = m.countedPositions(mask);
  const past = options.cache ? g.sub(g.sizeOf(mask, 1), g.sizeOf(ids, 1)) : undefined;
  const queryPlaces = past ? g.add(m.countedPositions(ids), past) : keyPlaces;
  const distance = g.sub(g.unsqueeze(queryPlaces, [1]), g.unsqueeze(keyPlaces, [0]));
  const isReal = g.cast(g.unsqueeze(mask, [1, 2]), "bool");
  const both = (a: Value, b: Value) => g.op("And", [a, b]);
  const isBefore = () => g.op("GreaterOrEqual", [distance, g.constant([0], "int64", [])]);
  let allowed = isBidirectional ? isReal : both(isReal, g.unsqueeze(isBefore(), [0, 1]));
  if (options.segments) {
    const segments = m.input("segment_ids", "int64", ["batch", "tokens"]);
    allowed = both(
      allowed,
      g.unsqueeze(g.equal(g.unsqueeze(segments, [2]), g.unsqueeze(segments, [1])), [1]),
    );
  }
  return {
    ids,
    positions,
    bias: biasOf(m, allowed),
    biasWithin(window) {
      const reached = isBidirectional ? g.abs(distance) : distance;
      const isNear = g.op("Less", [reached, g.constant([window], "int64", [])]);
      return biasOf(m, both(allowed, g.unsqueeze(isNear, [0, 1])));
    },
  };
}

/** Cosines and sines of rotary angles, by place. */
export interface RotaryTable {
  /** [places, pairs] */
  readonly cos: Value;
  readonly sin: Value;
  /** The place of each token: int64 [batch, tokens], or [1] where tokens count from it. */
  readonly places: Value;
}

/**
 * Angles place · frequency for every place that occurs. Where frequencies hang on the length of a text it is that of the longest of
 * the batch, as in transformers.
 * Source: Su et al. 2021, eq. 15; the elements of a pair lie half a head apart, as in transformers.
 */
export function rotaryTable(
  { g }: Network,
  { ids, positions }: Pick<DecoderInputs, "ids" | "positions">,
  { frequencies, scale, beyond }: Rope,
): RotaryTable {
  const isCounted = positions.shape?.length === 1;
  const one = g.constant([1], "int64", []);
  const tokens = g.reshape(g.sizeOf(ids, 1), []);
  // The operator wants no fewer places than tokens, though packed examples have none that high.
  const longest = isCounted ? tokens : g.add(g.op("ReduceMax", [positions], { keepdims: 0 }), one);
  const count = isCounted ? tokens : g.max(longest, tokens);
  const places = g.op("Range", [g.constant([0], "int64", []), count, one]);
  const angles = g.mul(
    g.unsqueeze(g.cast(places, "float32"), [1]),
    frequenciesFor(g, longest, frequencies, beyond),
  );
  const scaled = (x: Value) => (scale === 1 ? x : g.mul(x, scale));
  return {
    cos: scaled(g.op("Cos", [angles])),
    sin: scaled(g.op("Sin", [angles])),
    places: isCounted ? g.ints([0]) : positions,
  };
}

/** The frequency of each pair for a batch whose longest text has so many tokens, [pairs]. `longest`: int64 []. */
function frequenciesFor(
  g: GraphBuilder,
  longest: Value,
  frequencies: readonly number[],
  beyond: RopeBeyond | undefined,
): Value {
  const usual = g.constant(frequencies);
  if (!beyond) return usual;
  const { after } = beyond;
  if ("frequencies" in beyond) {
    const isLong = g.op("Greater", [longest, g.constant([after], "int64", [])]);
    return g.op("Where", [isLong, g.constant(beyond.frequencies), usual]);
  }
  const { factor, exponents } = beyond;
  const share = g.mul(g.cast(g.max(longest, g.constant([after], "int64", [])), "float32"), factor / after);
  return g.mul(
    usual,
    g.op("Pow", [g.sub(share, g.constant([factor - 1], "float32", [])), g.constant(exponents)]),
  );
}

/** base^(−2i/size) for the pairs of a head. */
export const rotaryFrequencies = (size: number, base: number): number[] =>
  Array.from({ length: size / 2 }, (_, i) => base ** ((-2 * i) / size));

/** Heads [batch, heads, tokens, size] turned by the angles of their places; elements beyond the pairs stay as they are. */
export function rotated({ g }: Network, x: Value, { cos, sin, places }: RotaryTable): Value {
  const turn = (part: Value) => g.op("com.microsoft.RotaryEmbedding", [part, places, cos, sin]);
  const size = numberAt(x, 3);
  const width = 2 * numberAt(cos, 1);
  if (width === size) return turn(x);
  return g.concat([turn(g.slice(x, [3], [0], [width])), g.slice(x, [3], [width], [size])], 3);
}

export interface CausalAttention {
  /** Place of the layer, which names its cache. */
  readonly layer: number;
  readonly heads: number;
  /** Heads of keys and values, each of which serves as many neighbouring heads of queries. */
  readonly keyHeads: number;
  readonly bias: Value;
  /** Default 1 / √(size of a head). */
  readonly scale?: number;
  readonly softcap?: number;
  /** What is done to the heads of queries and keys before their product, such as turning. x: [batch, heads, tokens, size]. */
  readonly prepare?: (x: Value, role: "query" | "key") => Value;
}

/** Attention of a causal layer, over cached keys and values too. q, k, v: [batch, tokens, heads · size] -> the same as q. */
export function causalAttention(
  m: Network,
  { q, k, v }: { readonly q: Value; readonly k: Value; readonly v: Value },
  { layer, heads, keyHeads, bias, scale, softcap = 0, prepare = (x) => x }: CausalAttention,
): Value {
  const { g } = m;
  const size = headSize(numberAt(q, -1), heads, keyHeads);
  const split = {
    q: prepare(intoHeads(g, q, heads, size), "query"),
    k: withCache(m, `${layer}.key`, prepare(intoHeads(g, k, keyHeads, size), "key")),
    v: withCache(m, `${layer}.value`, intoHeads(g, v, keyHeads, size)),
  };
  const { y } = attend(g, split, { scale: scale ?? 1 / Math.sqrt(size), softcap, biases: [bias] });
  return fromHeads(g, y, heads, size);
}

/** Keys or values of earlier tokens and these: input `past_key_values.N.key`, output `present.N.key`. */
function withCache(m: Network, name: string, x: Value): Value {
  if (!m.options.cache) return x;
  const past = m.input(`past_key_values.${name}`, "float32", [
    "batch",
    numberAt(x, 1),
    "past",
    numberAt(x, 3),
  ]);
  const all = appended(m.g, past, x);
  m.output(`present.${name}`, all);
  return all;
}
