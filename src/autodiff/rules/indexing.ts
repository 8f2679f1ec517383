import type { GraphBuilder } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { type Backward, type GradRules, type InputRule, noGradient } from "../rule.ts";

type Scatter = "ScatterElements" | "ScatterND";

/** What reads and writes the places that a scatter's indices name. */
function placesOf({ g, node, attrs, x: [, indices] }: Backward<Scatter>) {
  const isND = node.op === "ScatterND";
  const axis = isND ? {} : { axis: (attrs as Backward<"ScatterElements">["attrs"]).axis };
  return {
    read: (data: Value) => g.op(isND ? "GatherND" : "GatherElements", [data, indices], axis),
    write: (data: Value, updates: Value, reduction: string) =>
      g.op(node.op as Scatter, [data, indices, updates], { ...axis, reduction }),
  };
}

const isZero = (g: GraphBuilder, x: Value): Value => g.cast(g.equal(x, 0), x);

/** Elements of data and updates that are the extreme one of their place; `dy` shared equally among those of a place. */
function extremes(b: Backward<Scatter>) {
  const { g, dy, x, y } = b;
  const { read, write } = placesOf(b);
  const data = g.cast(g.equal(x[0], y), dy);
  const updates = g.cast(g.equal(x[2], read(y)), dy);
  return { data, updates, share: g.div(dy, write(data, updates, "add")) };
}

/** What one update of a product counts: the product of all the others, also where some of them are 0. */
function productWithout(b: Backward<Scatter>): Value {
  const { g, x } = b;
  const [data, , updates] = x;
  const { read, write } = placesOf(b);
  const zero = isZero(g, updates);
  const factor = g.add(updates, zero);
  const zeros = write(g.zerosLike(data), zero, "add");
  const others = g.div(read(g.mul(b.dy, write(data, factor, "mul"))), factor);
  return g.where(g.greater(g.sub(read(zeros), zero), 0), 0, others);
}

/**
 * By reduction. Indices that name a place twice are undefined in ONNX without a reduction: of "none" every update of the
 * place then gets its gradient.
 */
const toData: { readonly [reduction: string]: InputRule<Scatter> } = {
  none: (b) => placesOf(b).write(b.dy, b.g.zerosLike(b.x[2]), "none"),
  add: ({ dy }) => dy,
  mul: (b) => placesOf(b).write(b.dy, b.x[2], "mul"),
  max: (b) => b.g.mul(extremes(b).data, extremes(b).share),
};
const toUpdates: { readonly [reduction: string]: InputRule<Scatter> } = {
  none: (b) => placesOf(b).read(b.dy),
  add: (b) => placesOf(b).read(b.dy),
  mul: productWithout,
  max: (b) => b.g.mul(extremes(b).updates, placesOf(b).read(extremes(b).share)),
};

/** The rule of the node's reduction; the least is found as the greatest is. */
const byReduction =
  (rules: typeof toData): InputRule<Scatter> =>
  (b) => {
    const { reduction } = b.attrs;
    const rule = rules[reduction === "min" ? "max" : reduction];
    return rule ? rule(b) : noGradient(b.node, `its reduction is "${reduction}"`);
  };

const scatter = [byReduction(toData), null, byReduction(toUpdates)] as const;

export const indexing = {
  ScatterElements: scatter,
  ScatterND: scatter,
} satisfies Partial<GradRules>;
