import { scan } from "../builder/scan.ts";
import { type GraphBuilder, range } from "../builder.ts";
import type { Value } from "../ir.ts";
import { type Composite, type Expansions, noExpansion, sizesOf } from "./expansion.ts";

const swish = (g: GraphBuilder, x: Value, alpha = 1): Value =>
  g.mul(x, g.op("Sigmoid", [alpha === 1 ? x : g.mul(x, alpha)]));

/** Each channel's own convolution of what came before, and the end of it for the next call. */
function causalConv({ g, node, x, has, attrs }: Composite<"CausalConvWithState">): readonly Value[] {
  const [input, weight, bias, past] = x;
  const [channels, , taps] = sizesOf(node, weight, "the sizes") as readonly [number, number, number];
  const before = taps - 1;
  const line = has(3) ? g.concat([past, input], 2) : g.pad(input, [0, 0, before, 0, 0, 0]);
  const made = g.op("Conv", [line, weight, has(2) ? bias : undefined], {
    group: channels,
    kernel_shape: [taps],
  });
  const isGated = attrs.activation === "silu" || attrs.activation === "swish";
  if (!isGated && attrs.activation !== "none")
    return noExpansion(node, `its activation "${attrs.activation}" is not known`);
  const end =
    before === 0 ? g.slice(line, [2], [0], [0]) : g.slice(line, [2], [-before], [Number.MAX_SAFE_INTEGER]);
  return [isGated ? swish(g, made) : made, end];
}

/**
 * A state that each token changes and reads: S ← e^decay·S + k ⊗ β·(v − Sᵀk), o = scale·q·S. Without decay S stays, without
 * a β the whole v is added.
 */
function linearAttention({ g, node, x, has, attrs }: Composite<"LinearAttention">): readonly Value[] {
  const [query, key, value, past, decay, beta] = x;
  const { q_num_heads: heads, kv_num_heads: kept, update_rule: rule } = attrs;
  if (heads === undefined || kept === undefined)
    return noExpansion(node, "it does not say how many heads it has");
  const needs = { decay: rule.startsWith("gated"), beta: rule.endsWith("delta") };
  if (needs.decay !== has(4) || needs.beta !== has(5))
    return noExpansion(node, `its decay and beta are not those of the rule "${rule}"`);
  const width = (of: Value, count: number) => (sizesOf(node, of, "the width", 2)[0] as number) / count;
  const [keyWidth, valueWidth] = [width(key, kept), width(value, kept)];
  // tokens first: [tokens, batch, ...sizes]
  const byToken = (of: Value, ...sizes: readonly number[]) =>
    g.transpose(g.op("Reshape", [of, g.ints([0, 0, ...sizes])]), [1, 0, ...range(2, 2 + sizes.length)]);
  const slices = {
    q: byToken(query, kept, heads / kept, keyWidth),
    k: byToken(key, kept, keyWidth, 1),
    v: byToken(value, kept, 1, valueWidth),
    fade: has(4) ? g.exp(byToken(decay, kept, width(decay, kept), 1)) : undefined,
    rate: has(5) ? byToken(beta, width(beta, 1), 1, 1) : undefined,
  };
  const start = () => g.zeros(g.concat([g.sizeOf(query, 0), g.ints([kept, keyWidth, valueWidth])], 0), query);
  const given = Object.values(slices).filter((slice) => slice !== undefined);
  const scale = attrs.scale === 0 ? 1 / Math.sqrt(keyWidth) : attrs.scale;
  const made = scan(g, [has(3) ? past : start()], given, (inner, [before], [q, k, v, ...gates]) => {
    const old = slices.fade ? inner.mul(before!, gates[0]!) : before!;
    const rate = slices.rate && gates.at(-1)!;
    const missing = rate ? inner.mul(rate, inner.sub(v!, inner.matmul(inner.swap(k!), old))) : v!;
    const state = inner.add(old, inner.mul(k!, missing));
    return { states: [state], outputs: [inner.mul(inner.matmul(q!, state), scale)] };
  });
  const all = g.transpose(made.outputs[0]!, [1, 0, 2, 3, 4]);
  return [g.op("Reshape", [all, g.ints([0, 0, heads * valueWidth])]), made.states[0]!];
}

export const gated = {
  CausalConvWithState: causalConv,
  LinearAttention: linearAttention,
  SwiGLU: ({ g, x: [a, b], attrs: { alpha } }) => g.mul(swish(g, a, alpha), b),
} as const satisfies Expansions;
