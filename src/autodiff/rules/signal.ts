import { type GraphBuilder, range, rankOf } from "../../graph/builder.ts";
import { fourierConstant } from "../../graph/expansions/signal.ts";
import { type Fourier, flawOf, transformed } from "../../graph/fourier.ts";
import { knownNumbers } from "../../graph/infer.ts";
import type { Value } from "../../graph/ir.ts";
import { type Backward, type GradRules, noGradient } from "../rule.ts";

/**
 * Up to so many numbers the matrix of a transform is an initializer, and a product with it is quicker than the runtime's
 * DFT: that is a fast transform for powers of two only, seven times slower for others.
 */
const mostNumbers = { powerOfTwo: 1 << 19, other: 1 << 22 };

/** A DFT goes back as a DFT does: x is multiplied by a matrix, dy by the transposed one. */
function untransformed(b: Backward<"DFT">): Value {
  const { g, node, dy, x, attrs } = b;
  const [input] = x;
  const rank = rankOf(input);
  const given = node.inputs[2] ? knownNumbers(node.inputs[2])?.[0] : -2;
  if (given === undefined) return noGradient(node, "its axis is not constant");
  const axis = given < 0 ? given + rank : given;
  const from = input.shape?.[axis];
  const fromParts = input.shape?.[rank - 1];
  if (typeof fromParts !== "number")
    return noGradient(node, "it is not known whether its input is real or complex");
  const [inverse, onesided] = [attrs.inverse !== 0, attrs.onesided !== 0];
  const natural = typeof from === "number" && inverse && onesided ? 2 * (from - 1) : from;
  const length = node.inputs[1] ? knownNumbers(node.inputs[1])?.[0] : natural;
  if (typeof from === "number" && typeof length === "number") {
    const fourier: Fourier = { from, fromParts, length, inverse, onesided };
    const flaw = flawOf(fourier);
    if (flaw) return noGradient(node, flaw);
    const { to, toParts } = transformed(fourier);
    const isPower = (length & (length - 1)) === 0;
    if (from * fromParts * to * toParts <= mostNumbers[isPower ? "powerOfTwo" : "other"])
      return byMatrix(g, dy, input, axis, fourier);
  }
  return byTransform(b, axis, fromParts);
}

/** Points and parts of each line as one row, times the transposed matrix. */
function byMatrix(g: GraphBuilder, dy: Value, x: Value, axis: number, fourier: Fourier): Value {
  const { to, toParts } = transformed(fourier);
  const { from, fromParts } = fourier;
  const rank = rankOf(x);
  const others = range(rank - 1).filter((i) => i !== axis);
  const toBack = [...others, axis, rank - 1];
  const rows = g.op("Reshape", [g.transpose(dy, toBack), g.ints([...others.map(() => 0), to * toParts])]);
  const matrix = fourierConstant(g, fourier, x, [from * fromParts, to * toParts]);
  const product = g.product(rows, matrix, { transB: true });
  const split = g.op("Reshape", [product, g.ints([...others.map(() => 0), from, fromParts])]);
  return g.transpose(
    split,
    range(rank).map((i) => toBack.indexOf(i)),
  );
}

/**
 * By the runtime's DFT the other way, which divides where it must not and the other way round. Half a spectrum is filled up
 * with zeros, as its other half was not read; of an inverse its points counted twice, but for those that mirror themselves.
 */
function byTransform({ g, node, dy, x, attrs }: Backward<"DFT">, axis: number, fromParts: number): Value {
  const [input] = x;
  const rank = rankOf(input);
  const { inverse, onesided } = attrs;
  const scalar = (value: Value) => g.squeeze(value, [0]);
  const points = g.sizeOf(input, axis);
  const isHalf = inverse !== 0 && onesided !== 0;
  const natural = isHalf ? g.mul(g.sub(points, 1), 2) : points;
  const length = node.inputs[1] ? g.reshape(node.inputs[1], [1]) : natural;
  const at = g.constant([axis], "int64", []);
  const back = g.op("DFT", [dy, scalar(length), at], { inverse: 1 - inverse, onesided: +isHalf });
  const size = g.cast(length, dy);
  const scaled = inverse ? g.div(back, size) : g.mul(back, size);
  const weighted = isHalf ? g.mul(scaled, pointsCounted(g, length, rank - axis, dy)) : scaled;
  const real = fromParts === 1 ? g.slice(weighted, [rank - 1], [0], [1]) : weighted;
  if (!node.inputs[1] || isHalf) return real;
  const zeros = (count: number) => g.ints(new Array<number>(count).fill(0));
  const pads = g.concat([zeros(rank + axis), g.sub(points, length), zeros(rank - 1 - axis)], 0);
  return g.op("Pad", [real, pads]);
}

/** 1, 2, 2, … and 1 at the end of an even length: how often a point of half a spectrum stands in the whole. [points, 1, …] */
function pointsCounted(g: GraphBuilder, length: Value, axes: number, like: Value): Value {
  const number = (value: number) => g.constant([value], "int64", []);
  const half = g.add(g.op("Div", [length, g.ints([2])]), 1);
  const point = g.op("Range", [number(0), g.squeeze(half, [0]), number(1)]);
  const isOwnMirror = g.op("Or", [g.equal(point, 0), g.equal(g.mul(point, 2), length)]);
  const counted = g.where(isOwnMirror, g.constant([1], like.dtype, []), g.constant([2], like.dtype, []));
  return g.unsqueeze(counted, range(1, axes));
}

export const signal = {
  BlackmanWindow: [null],
  DFT: [untransformed, null, null],
  HammingWindow: [null],
  HannWindow: [null],
  // whole bins: the slope by the edges is 0 wherever there is one
  MelWeightMatrix: [null],
  STFT: "expansion",
} satisfies Partial<GradRules>;
