import { range, rankOf } from "../builder.ts";
import { dataTypeOf } from "../element-types.ts";
import type { Value } from "../ir.ts";
import {
  appended,
  attend,
  fromHeads,
  type Heads,
  intoHeads,
  keysBefore,
  maskBias,
  pastTokens,
  sightBias,
} from "./attention-core.ts";
import { attentionMicrosoft } from "./attention-microsoft.ts";
import { type Composite, type Expansions, noExpansion, sizesOf } from "./expansion.ts";
import { rotary } from "./rotary.ts";

/** What stands for −∞ in sums: so low that its exponential is 0, and no sum of it and a score overflows. */
const lowest = (like: Value): number => (like.dtype === "float16" ? -3e4 : -1e30);

/** A value as heads, with their number and size. */
function inHeads({ g, node }: Composite, x: Value, heads: number) {
  if (rankOf(x) === 4) {
    const [, count, , size] = x.shape!;
    if (typeof count !== "number" || typeof size !== "number")
      return noExpansion(node, `the number and size of the heads of "${x.name}" are not known`);
    return { value: x, count, size };
  }
  const [width] = sizesOf(node, x, "the width", 2) as readonly [number];
  return { value: intoHeads(g, x, heads, width / heads), count: heads, size: width / heads };
}

/** A mask as numbers to add. One for fewer keys than there are forbids the others. */
function maskOf({ g }: Composite, mask: Value, { q, k }: Heads): Value {
  const bias = mask.dtype === "bool" ? maskBias(g, mask, Number.NEGATIVE_INFINITY, q) : mask;
  const [given, keys] = [mask.shape?.at(-1), k.shape?.[2]];
  if (typeof given !== "number" || typeof keys !== "number" || given === keys || given === 1) return bias;
  const pads = [...range(2 * rankOf(mask) - 1).map(() => 0), keys - given];
  return g.op("Pad", [bias, g.ints(pads), g.scalar(Number.NEGATIVE_INFINITY, bias)]);
}

/** Added to the scores: the masks, and which keys a query at its position sees. */
function biasesOf(c: Composite<"Attention">, all: Heads): readonly Value[] {
  const { g, x, attrs } = c;
  const { is_causal, left_window_size: left, right_window_size: right } = attrs;
  const biases: Value[] = [];
  if (c.has(3)) biases.push(maskOf(c, x[3], all));
  const ends = c.has(6) ? g.cast(x[6], "int64") : undefined;
  if (ends) biases.push(maskBias(g, keysBefore(g, ends, all.k), Number.NEGATIVE_INFINITY, all.q));
  const sight = {
    right: is_causal ? 0 : right < 0 ? undefined : right,
    left: left < 0 ? undefined : left,
  };
  if (sight.right === undefined && sight.left === undefined) return biases;
  const past = c.has(4) ? pastTokens(g, x[4]) : 0;
  const offset = ends ? g.unsqueeze(g.sub(ends, g.sizeOf(all.q, 2)), [1, 2, 3]) : past;
  return [...biases, sightBias(g, all, offset, sight)];
}

function attended(c: Composite<"Attention">): readonly Value[] {
  const { g, x, attrs } = c;
  const q = inHeads(c, x[0], attrs.q_num_heads);
  const [k, v] = [x[1], x[2]].map((value) => inHeads(c, value, attrs.kv_num_heads)) as [typeof q, typeof q];
  const all: Heads = {
    q: q.value,
    k: appended(g, c.has(4) ? x[4] : undefined, k.value),
    v: appended(g, c.has(5) ? x[5] : undefined, v.value),
  };
  const biases = biasesOf(c, all);
  // a query that sees no key gives zeros; among causal masks alone there is none
  const mayBeBlind = c.has(3) || c.has(6);
  const sum = mayBeBlind ? biases.reduce(g.add) : undefined;
  const floor = lowest(all.q);
  const bounded = sum ? [g.op("Clip", [sum, g.scalar(floor, sum)])] : biases;
  const how = attend(g, all, {
    scale: attrs.scale || q.size ** -0.5,
    softcap: attrs.softcap,
    biases: bounded,
    precision: dataTypeOf(attrs.softmax_precision),
  });
  const best = sum && g.op("ReduceMax", [sum, g.ints([-1])]);
  const sees = best && g.cast(g.greater(best, floor), all.q);
  const unlessBlind = (value: Value) => (sees ? g.mul(value, sees) : value);
  const masked = () => (sum ? g.add(how.capped, sum) : how.biased);
  const modes = [() => how.scores, () => how.capped, masked, () => unlessBlind(how.weights)];
  const y = unlessBlind(how.y);
  const output = rankOf(x[0]) === 4 ? y : fromHeads(g, y, q.count, v.size);
  return [output, all.k, all.v, ...(c.node.outputs[3] ? [modes[attrs.qk_matmul_output_mode]!()] : [])];
}

export const attention = {
  Attention: attended,
  ...attentionMicrosoft,
  ...rotary,
} as const satisfies Expansions;
