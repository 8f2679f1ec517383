import { type GraphBuilder, rankOf } from "../builder.ts";
import type { Value } from "../ir.ts";
import { fromHeads, intoHeads } from "./attention-core.ts";
import { type Composite, type Expansions, noExpansion, sizesOf } from "./expansion.ts";

/**
 * Pairs of elements turned by angles.
 *
 * x: [batch, heads, tokens, size], of which the first 2·pairs elements are turned; cos, sin: [..., tokens, pairs]. A pair is
 * two neighbours where `interleaved`, else one element of each half.
 */
function rotated(g: GraphBuilder, x: Value, cos: Value, sin: Value, interleaved: boolean): Value {
  const size = x.shape![3] as number;
  const width = 2 * (cos.shape!.at(-1) as number);
  const part = (from: number, to: number, step = 1) => g.slice(x, [3], [from], [to], [step]);
  const a = interleaved ? part(0, width, 2) : part(0, width / 2);
  const b = interleaved ? part(1, width, 2) : part(width / 2, width);
  const turned = [g.sub(g.mul(a, cos), g.mul(b, sin)), g.add(g.mul(a, sin), g.mul(b, cos))];
  const rest = width < size ? [part(width, size)] : [];
  if (!interleaved) return g.concat([...turned, ...rest], 3);
  const pairs = g.concat(
    turned.map((side) => g.unsqueeze(side, [4])),
    4,
  );
  return g.concat([g.op("Reshape", [pairs, g.ints([0, 0, 0, width])]), ...rest], 3);
}

/** A value of [batch, tokens, heads·size] or of heads through what is done to heads. */
function inHeads(c: Composite, size: number, turn: (x: Value) => Value): Value {
  const { g, node, x } = c;
  if (rankOf(x[0]) === 4) return turn(x[0]);
  const [hidden] = sizesOf(node, x[0], "the width", 2) as readonly [number];
  if (hidden % size !== 0) noExpansion(node, `a width of ${hidden} is no multiple of a head's ${size}`);
  return fromHeads(g, turn(intoHeads(g, x[0], hidden / size, size)), hidden / size, size);
}

/** The size of a head: the width by the number of heads, or the pairs' where that is not given. */
function headSize({ node, x }: Composite, heads: number, cache: Value): number {
  const last = rankOf(x[0]) - 1;
  const [pairs] = sizesOf(node, cache, "the number of angles", rankOf(cache) - 1) as readonly [number];
  if (last === 2 && heads === 0) return 2 * pairs;
  const [width] = sizesOf(node, x[0], "the width", last) as readonly [number];
  return last === 3 ? width : width / heads;
}

/** Rows of a table of angles for places [batch, tokens], with an axis for heads. */
const anglesAt = (g: GraphBuilder, table: Value, places: Value): Value =>
  g.unsqueeze(g.op("Gather", [table, places]), [1]);

export const rotary = {
  // one place: that of the first token
  "com.microsoft.RotaryEmbedding": (c) => {
    const { g, x, attrs } = c;
    const [, positions, cos, sin] = x;
    const size = headSize(c, attrs.num_heads, cos);
    const scalar = (value: Value) => g.reshape(value, []);
    return inHeads(c, size, (heads) => {
      const first = rankOf(positions) === 1 ? scalar(positions) : undefined;
      const end = first && g.add(first, scalar(g.sizeOf(heads, 2)));
      const places = first ? g.op("Range", [first, end, g.constant([1], "int64", [])]) : positions;
      const angles = (table: Value) => (first ? g.op("Gather", [table, places]) : anglesAt(g, table, places));
      return rotated(g, heads, angles(cos), angles(sin), attrs.interleaved === 1);
    });
  },
  // without places the angles are those of the tokens: [batch, tokens, pairs]
  RotaryEmbedding: (c) => {
    const { g, x, attrs } = c;
    const [, cos, sin, positions] = x;
    const angles = (table: Value) => (c.has(3) ? anglesAt(g, table, positions) : g.unsqueeze(table, [1]));
    return inHeads(c, headSize(c, attrs.num_heads, cos), (heads) =>
      rotated(g, heads, angles(cos), angles(sin), attrs.interleaved === 1),
    );
  },
} as const satisfies Expansions;
