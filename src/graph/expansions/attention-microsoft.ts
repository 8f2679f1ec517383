import { range, rankOf } from "../builder.ts";
import { knownNumbers } from "../infer/known-dims.ts";
import type { Value } from "../ir.ts";
import {
  appended,
  attend,
  fromHeads,
  type Heads,
  intoHeads,
  keysBefore,
  maskBias,
  mayAgree,
  numbersAlong,
  overHeads,
  pastTokens,
  sightBias,
} from "./attention-core.ts";
import { type Composite, type Expansions, noExpansion, sizesOf } from "./expansion.ts";

/** The last size of a value, which must be a number. */
const widthOf = ({ node }: Composite, x: Value): number =>
  sizesOf(node, x, "the width", rankOf(x) - 1)[0] as number;

/** Parts of the last axis. */
function parts({ g }: Composite, x: Value, sizes: readonly number[]): readonly Value[] {
  return g.split(x, sizes, rankOf(x) - 1);
}

/**
 * What a mask adds to the scores.
 *
 * mask: [batch, keys] or [batch, queries, keys] of 0 and 1; [batch], the number of keys; or [2·batch], the ends of the keys and
 * then their begins, which is told by the number of examples.
 */
function keyMask(c: Composite, mask: Value, { q, k }: Heads, filter: number): Value {
  const { g, node } = c;
  const rank = rankOf(mask);
  if (rank === 4) noExpansion(node, "its mask has four axes, which no CPU kernel of ONNX Runtime reads");
  if (rank > 1) return maskBias(g, overHeads(g, mask), filter, q);
  const [length, batch] = [mask.shape![0]!, q.shape![0]!];
  if (length === batch) return maskBias(g, keysBefore(g, mask, k), filter, q);
  if (typeof length === "number" && typeof batch === "number" && length !== 2 * batch)
    noExpansion(
      node,
      `its mask has ${length} numbers for ${batch} examples; expected is one or two for each`,
    );
  // where only the run knows which it is, begins that are not there are 0
  const count = g.sizeOf(q, 0);
  const zeros = g.op("Expand", [g.cast(g.constant([0], "int64", [1]), mask), count]);
  const begins = g.op("Slice", [g.concat([mask, zeros], 0), count, g.mul(count, 2), g.ints([0])]);
  const ends = g.op("Slice", [mask, g.ints([0]), count, g.ints([0])]);
  const begun = g.greaterOrEqual(numbersAlong(g, k), g.unsqueeze(g.cast(begins, "int64"), [1, 2, 3]));
  return maskBias(g, g.op("And", [keysBefore(g, ends, k), begun]), filter, q);
}

/** Attention over weights of queries, keys and values side by side. past: [2, batch, heads, tokens, size]. */
function selfAttention(c: Composite<"com.microsoft.Attention">): readonly (Value | undefined)[] {
  const { g, node, x, attrs } = c;
  const { num_heads: heads, unidirectional, mask_filter_value: filter } = attrs;
  if (attrs.do_rotary) noExpansion(node, "it rotates, which no CPU kernel of ONNX Runtime does");
  if (attrs.past_present_share_buffer)
    noExpansion(node, "what came before lies in a buffer of another length");
  const width = widthOf(c, x[1]);
  const sizes = attrs.qkv_hidden_sizes.length === 3 ? attrs.qkv_hidden_sizes : range(3).map(() => width / 3);
  const product = g.matmul(x[0], x[1]);
  const projected = parts(c, c.has(2) ? g.add(product, x[2]) : product, sizes);
  const [q, ...kv] = projected.map((part, i) => intoHeads(g, part, heads, sizes[i]! / heads));
  const past = (i: number) => (c.has(4) ? g.squeeze(g.slice(x[4], [0], [i], [i + 1]), [0]) : undefined);
  const [k, v] = kv.map((part, i) => appended(g, past(i), part));
  const all: Heads = { q: q!, k: k!, v: v! };
  const biases = [
    unidirectional ? sightBias(g, all, pastTokens(g, past(0)), { right: 0 }) : undefined,
    c.has(3) ? keyMask(c, x[3], all, filter) : undefined,
    c.has(5) ? x[5] : undefined,
  ];
  const { y } = attend(g, all, { scale: attrs.scale || (sizes[0]! / heads) ** -0.5, biases });
  const present = node.outputs[1]
    ? [
        g.concat(
          [k!, v!].map((part) => g.unsqueeze(part, [0])),
          0,
        ),
      ]
    : [];
  return [fromHeads(g, y, heads, sizes[2]! / heads), ...present];
}

/** Queries, keys and values as [batch, tokens, width]; keys and values of other attentions may come as heads. */
function unpacked(c: Composite<"com.microsoft.MultiHeadAttention">): readonly [Value, Value, Value] {
  const { g, x } = c;
  const flat = (packed: Value, at: number) => {
    const width = Number(packed.shape![2]) * widthOf(c, packed);
    return g.op("Reshape", [g.slice(packed, [3], [at], [at + 1]), g.ints([0, 0, width])]);
  };
  if (!c.has(1)) return [flat(x[0], 0), flat(x[0], 1), flat(x[0], 2)];
  if (!c.has(2)) return [x[0], flat(x[1], 0), flat(x[1], 1)];
  return [x[0], x[1], x[2]];
}

function multiHead(c: Composite<"com.microsoft.MultiHeadAttention">): readonly Value[] {
  const { g, node, x, attrs } = c;
  const { num_heads: heads, mask_filter_value: filter } = attrs;
  if (c.has(8) || c.has(9)) noExpansion(node, "what came before lies in a buffer of another length");
  const given = unpacked(c);
  const areHeads = rankOf(given[1]) === 4;
  const widths = given.map((value) => widthOf(c, value));
  const sizes = widths.map((width, i) => (areHeads && i > 0 ? width : width / heads));
  // keys and values that come as heads have theirs, which is there all the same
  const biases = c.has(3)
    ? parts(
        c,
        x[3],
        sizes.map((size) => size * heads),
      )
    : [];
  const [q, newK, newV] = given.map((value, i) => {
    if (areHeads && i > 0) return value;
    return intoHeads(g, biases[i] ? g.add(value, biases[i]) : value, heads, sizes[i]!);
  }) as [Value, Value, Value];
  if (attrs.unidirectional && !mayAgree(q, newK, 2))
    noExpansion(node, "it is causal between sequences of different lengths");
  const past = c.has(6) ? x[6] : undefined;
  const k = appended(g, past, newK);
  const v = appended(g, c.has(7) ? x[7] : undefined, newV);
  const all: Heads = { q, k, v };
  const { y, biased } = attend(g, all, {
    scale: attrs.scale || sizes[0]! ** -0.5,
    biases: [
      attrs.unidirectional ? sightBias(g, all, pastTokens(g, past), { right: 0 }) : undefined,
      c.has(4) ? keyMask(c, x[4], all, filter) : undefined,
      c.has(5) ? x[5] : undefined,
    ],
  });
  return [fromHeads(g, y, heads, sizes[2]!), k, v, biased];
}

/** Queries and keys turned by their positions: from what came before on, from the first one named, or those named. */
function turned(c: Composite<"com.microsoft.GroupQueryAttention">, x: Value, past: Value | number): Value {
  const { g, node, attrs } = c;
  const [cos, sin] = [c.x[7], (c.x as readonly Value[])[8]!];
  const positions = (c.x as readonly Value[])[9];
  const size = x.shape![3] as number;
  const [pairs] = sizesOf(node, cos, "the number of angles", 1) as readonly [number];
  const isPartial = 2 * pairs < size;
  // of a first prompt the kernel reads one position only
  const first = positions && g.reshape(g.slice(positions, [0, 1], [0, 0], [1, 1]), [1]);
  const places =
    past === 0 ? (first ?? g.ints([0])) : (positions ?? (typeof past === "number" ? g.ints([past]) : past));
  const whole = isPartial ? { rotary_embedding_dim: 2 * pairs, num_heads: Number(x.shape![1]) } : {};
  const interleaved = attrs.rotary_interleaved;
  return g.op("com.microsoft.RotaryEmbedding", [x, places, cos, sin], { interleaved, ...whole });
}

function groupQuery(c: Composite<"com.microsoft.GroupQueryAttention">): readonly (Value | undefined)[] {
  const { g, node, attrs } = c;
  const x = c.x as readonly Value[];
  const { num_heads: heads, kv_num_heads: shared, do_rotary, local_window_size: window } = attrs;
  if (attrs.k_quant_type !== "NONE" || attrs.v_quant_type !== "NONE")
    noExpansion(node, "its cache is quantised");
  if (attrs.sliding_window_cache) noExpansion(node, "its cache is a window");
  if (c.has(14) || c.has(15)) noExpansion(node, "it normalises queries and keys, which no CPU kernel does");
  if (c.has(16)) noExpansion(node, "it reads chunks of different lengths");
  if (node.outputs[3] && attrs.qk_output === 1) noExpansion(node, "its scores are read");
  const size = widthOf(c, x[0]!) / (c.has(1) ? heads : heads + 2 * shared);
  const packed = [heads, shared, shared].map((count) => count * size);
  const given = c.has(1) ? [x[0]!, x[1]!, x[2]!] : parts(c, x[0]!, packed);
  const [query, key, value] = given.map((part, i) => intoHeads(g, part, i === 0 ? heads : shared, size)) as [
    Value,
    Value,
    Value,
  ];
  const [pastK, pastV] = [3, 4].map((i) => (c.has(i) ? x[i] : undefined));
  const before = pastTokens(g, pastK);
  const [total] = knownNumbers(x[6]) ?? [];
  const tokens = query.shape?.[2];
  if (typeof before === "number" && before > 0 && typeof tokens === "number" && total !== undefined)
    if (total !== before + tokens) noExpansion(node, "what came before lies in a buffer of another length");
  const q = do_rotary ? turned(c, query, before) : query;
  const k = appended(g, pastK, do_rotary ? turned(c, key, before) : key);
  const all: Heads = { q, k, v: appended(g, pastV, value) };
  // rows past an example's last token are not specified, and no others see keys past it
  const allowed = attrs.causal
    ? sightBias(g, all, before, { right: 0, left: window > 0 ? window - 1 : undefined })
    : maskBias(g, keysBefore(g, g.add(x[5]!, 1), k), Number.NEGATIVE_INFINITY, q);
  const { y, weights } = attend(g, all, {
    scale: attrs.scale || size ** -0.5,
    softcap: attrs.softcap,
    biases: [allowed, c.has(10) ? x[10] : undefined],
    sink: c.has(11) ? g.unsqueeze(x[11]!, [1, 2]) : attrs.smooth_softmax === 1 ? g.scalar(0, q) : undefined,
  });
  return [fromHeads(g, y, heads, size), k, all.v, weights];
}

export const attentionMicrosoft = {
  "com.microsoft.Attention": selfAttention,
  "com.microsoft.MultiHeadAttention": multiHead,
  "com.microsoft.GroupQueryAttention": groupQuery,
} as const satisfies Expansions;
