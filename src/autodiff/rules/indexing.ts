import { entryOf } from "../../base/entry-of.ts";
import { type GraphBuilder, range, rankOf } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { namesPlacesOnce } from "../../graph/scatter-places.ts";
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
 * What reads the places that updates replace, of those that stay: where indices name a place twice the last update does,
 * and the others get nothing. ONNX leaves the order open; the reference kernels keep it, and on the CPU every training graph.
 */
function replaced(b: Backward<Scatter>): Value {
  const { g, node, dy, x } = b;
  const read = placesOf(b).read(dy);
  if (namesPlacesOnce(node)) return read;
  const [data, indices] = x;
  const isND = node.op === "ScatterND";
  const depth = isND ? lastSize(indices) : rankOf(data);
  if (depth === undefined)
    return noGradient(
      node,
      "the number of coordinates of its indices is not known and they may name a place twice",
    );
  const from = (value: Value, end: number) => g.op("Shape", [value], { end });
  const counted = isND ? from(indices, rankOf(indices) - 1) : g.shapeOf(indices);
  const all = g.op("ReduceProd", [counted], { keepdims: 0 });
  const scalar = (value: number) => g.constant([value], "int64", []);
  const numbered = g.cast(g.op("Range", [scalar(0), all, scalar(1)]), "int32");
  const positions = g.reshapeTo(numbered, counted);
  const table = g.zeros(from(data, depth), positions);
  const places = { ...b, x: [table, indices, positions] } as unknown as Backward<Scatter>;
  const stays = g.equal(placesOf(places).read(placesOf(places).write(table, positions, "none")), positions);
  return g.where(g.unsqueeze(stays, range(rankOf(positions), rankOf(read))), read, 0);
}

function lastSize(x: Value): number | undefined {
  const size = x.shape?.at(-1);
  return typeof size === "number" ? size : undefined;
}

/** By reduction. */
const toData: { readonly [reduction: string]: InputRule<Scatter> } = {
  none: (b) => placesOf(b).write(b.dy, b.g.zerosLike(b.x[2]), "none"),
  add: ({ dy }) => dy,
  mul: (b) => placesOf(b).write(b.dy, b.x[2], "mul"),
  max: (b) => b.g.mul(extremes(b).data, extremes(b).share),
};
const toUpdates: { readonly [reduction: string]: InputRule<Scatter> } = {
  none: replaced,
  add: (b) => placesOf(b).read(b.dy),
  mul: productWithout,
  max: (b) => b.g.mul(extremes(b).updates, placesOf(b).read(extremes(b).share)),
};

/** The rule of the node's reduction; the least is found as the greatest is. */
const byReduction =
  (rules: typeof toData): InputRule<Scatter> =>
  (b) => {
    const { reduction } = b.attrs;
    const rule = entryOf(rules, reduction === "min" ? "max" : reduction);
    return rule ? rule(b) : noGradient(b.node, `its reduction is "${reduction}"`);
  };

/**
 * A running product goes back as the sum over what follows of dy·y/x. What stands before the first zero of its line gets
 * that; the zero itself gets the same with 1 in its place; y does not depend on what comes after it.
 */
const unmultiplied: InputRule<"CumProd"> = ({ g, dy, y, x: [x, axis], attrs: { exclusive, reverse } }) => {
  const sumFrom = (value: Value) => g.op("CumSum", [value, axis], { exclusive, reverse: 1 - reverse });
  const zero = isZero(g, x);
  const zeros = g.op("CumSum", [zero, axis], { reverse });
  const first = g.op("And", [g.equal(x, 0), g.equal(zeros, 1)]);
  const withoutFirst = g.op("CumProd", [g.where(first, 1, x), axis], { exclusive, reverse });
  const before = g.div(sumFrom(g.mul(dy, y)), g.add(x, zero));
  return g.where(first, sumFrom(g.mul(dy, withoutFirst)), g.where(g.equal(zeros, 0), before, 0));
};

/** Reads for every place of the axis its own row of dy, or a row of zeros in front of them where it was left out. */
const uncompressed: InputRule<"Compress"> = ({ g, dy, x: [x, condition], attrs: { axis } }) => {
  const along = axis ?? 0;
  const scalar = (value: number) => g.constant([value], "int64", []);
  const chosen = g.reshape(g.op("NonZero", [condition]), [-1]);
  const numbered = g.op("Range", [scalar(1), g.add(g.op("Size", [chosen]), scalar(1)), scalar(1)]);
  const size = axis === undefined ? g.reshape(g.op("Size", [x]), [1]) : g.sizeOf(x, axis);
  const rows = g.op("ScatterElements", [g.zeros(size, numbered), chosen, numbered], { axis: 0 });
  const rank = axis === undefined ? 1 : rankOf(x);
  const padded = g.pad(
    dy,
    range(2 * rank).map((i) => (i === along ? 1 : 0)),
  );
  return g.reshapeLike(g.op("Gather", [padded, rows], { axis: along }), x);
};

const scatter = [byReduction(toData), null, byReduction(toUpdates)] as const;

export const indexing = {
  Compress: [uncompressed, null],
  CumProd: [unmultiplied, null],
  // yᵢ = Σ_{j ≤ i} xⱼ   dxⱼ = Σ_{i ≥ j} dyᵢ
  CumSum: [
    ({ g, dy, x: [, axis], attrs: { exclusive, reverse } }) =>
      g.op("CumSum", [dy, axis], { exclusive, reverse: 1 - reverse }),
    null,
  ],
  // steps: the slope is 0 wherever there is one
  Hardmax: [null],
  NonMaxSuppression: [null],
  // its own inverse
  ReverseSequence: [
    ({ g, dy, x: [, lengths], attrs }) => g.op("ReverseSequence", [dy, lengths], attrs),
    null,
  ],
  ScatterElements: scatter,
  ScatterND: scatter,
  TensorScatter: "expansion",
  // y = x[places]   dx[places] = dy
  TopK: [
    ({ g, dy, x: [x], attrs: { axis }, output }) =>
      g.op("ScatterElements", [g.zerosLike(x), output(1), dy], { axis }),
    null,
  ],
  Unique: "no-gradient",
} satisfies Partial<GradRules>;
