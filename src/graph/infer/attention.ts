import type { Dim } from "../dim.ts";
import { product, quotient, sum } from "../dim.ts";
import type { OpName } from "../schemas.ts";
import { same } from "./elementwise.ts";
import type { Ask, Found, ShapeRule } from "./rule.ts";

type Open = Dim | undefined;

const both = (a: Open, b: Open): Open => (a === undefined || b === undefined ? undefined : sum([a, b]));
const times = (a: Open, b: Open): Open => (a === undefined || b === undefined ? undefined : product([a, b]));
const part = (a: Open, b: number): Open => (a === undefined || b === 0 ? undefined : quotient(a, b));

/** Tokens with those that came before: [batch, heads, tokens, size]. */
const keysAfter = (ask: Ask, past: number, tokens: Open): Open =>
  ask.inputs[past] ? both(ask.shape(past)?.[2], tokens) : tokens;

const found = (ask: Ask, ...shapes: readonly (readonly Open[] | undefined)[]): readonly Found[] =>
  shapes.map((shape) => ({ dtype: ask.dtype(0), shape }));

/** Said of forms that cannot be taken apart too: they may stand below what moves. */
const selfAttention: ShapeRule<"com.microsoft.Attention"> = (ask) => {
  const [batch, tokens] = ask.shape(0) ?? [];
  const { num_heads: heads, qkv_hidden_sizes: sizes, past_present_share_buffer: isShared } = ask.attributes;
  const width = sizes[2] ?? part(ask.shape(1)?.[1], 3);
  const past = ask.shape(4);
  const keys = isShared ? past?.[3] : ask.inputs[4] ? both(past?.[3], tokens) : tokens;
  return found(ask, [batch, tokens, width], [2, batch, heads, keys, part(width, heads)]);
};

const groupQuery: ShapeRule<"com.microsoft.GroupQueryAttention"> = (ask) => {
  const [batch, tokens, width] = ask.shape(0) ?? [];
  const { num_heads: heads, kv_num_heads: shared } = ask.attributes;
  const size = part(width, ask.inputs[1] ? heads : heads + 2 * shared);
  const past = ask.inputs[3] ? ask.shape(3)?.[2] : 0;
  const [total] = ask.values(6) ?? [];
  // what came before may lie in a buffer as long as all
  const longest = typeof past === "number" && typeof total === "number" ? Math.max(past, total) : undefined;
  const keys = past === 0 ? tokens : longest;
  const present = [batch, shared, keys, size];
  return found(ask, [batch, tokens, times(size, heads)], present, present, [batch, heads, tokens, keys]);
};

const multiHead: ShapeRule<"com.microsoft.MultiHeadAttention"> = (ask) => {
  const { num_heads: heads } = ask.attributes;
  const [query, key, value] = [ask.shape(0), ask.shape(1), ask.shape(2)];
  const [batch, tokens] = query ?? [];
  const packed = ask.inputs[1] ? (ask.inputs[2] ? undefined : key) : query;
  const areHeads = key?.length === 4;
  const isKnown = query && (ask.inputs[1] === undefined || (key && (packed || value)));
  const size = packed?.[4] ?? (areHeads ? value?.[3] : part(value?.[2], heads));
  const keySize = packed?.[4] ?? part(query?.[2], heads);
  const keys = keysAfter(ask, 6, packed?.[1] ?? (areHeads ? key?.[2] : key?.[1]));
  if (!isKnown) return found(ask);
  return found(
    ask,
    [batch, tokens, times(size, heads)],
    [batch, heads, keys, keySize],
    [batch, heads, keys, size],
    [batch, heads, tokens, keys],
  );
};

const attended: ShapeRule<"Attention"> = (ask) => {
  const { q_num_heads, kv_num_heads } = ask.attributes;
  const [query, key, value] = [ask.shape(0), ask.shape(1), ask.shape(2)];
  if (!query || !key || !value) return found(ask);
  const areHeads = query.length === 4;
  const [batch] = query;
  const tokens = areHeads ? query[2] : query[1];
  const heads = areHeads ? query[1] : q_num_heads;
  const [shared, keySize, size] = areHeads
    ? [key[1], key[3], value[3]]
    : [kv_num_heads, part(key[2], kv_num_heads), part(value[2], kv_num_heads)];
  const keys = keysAfter(ask, 4, areHeads ? key[2] : key[1]);
  const output = areHeads ? [batch, heads, tokens, size] : [batch, tokens, times(size, heads)];
  return found(
    ask,
    output,
    [batch, shared, keys, keySize],
    [batch, shared, keys, size],
    [batch, heads, tokens, keys],
  );
};

export const attention = {
  Attention: attended,
  "com.microsoft.Attention": selfAttention,
  "com.microsoft.GroupQueryAttention": groupQuery,
  "com.microsoft.MultiHeadAttention": multiHead,
  RotaryEmbedding: same,
  "com.microsoft.RotaryEmbedding": same,
} satisfies { readonly [N in OpName]?: ShapeRule<N> };
