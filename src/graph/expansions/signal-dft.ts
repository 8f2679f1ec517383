import { encode } from "../builder/encode.ts";
import { type GraphBuilder, range, rankOf } from "../builder.ts";
import { type Fourier, flawOf, fourierMatrix, pointsRead, transformed } from "../fourier.ts";
import { knownNumbers } from "../infer.ts";
import type { Value } from "../ir.ts";
import { type Composite, noExpansion } from "./expansion.ts";
import { rampOf, sizeAlong } from "./open-sizes.ts";

/** A complex value; `im` is absent from a real one. */
interface Complex {
  readonly re: Value;
  readonly im?: Value | undefined;
}
type Turn = { readonly re: Value; readonly im: Value };

/** Up to so many numbers one product with the whole matrix is quicker than two with the matrices of two factors. */
const smallMatrix = 1 << 19;
/** Beyond it a matrix is too large to be an initializer: the run computes it. */
const largestMatrix = 1 << 24;

/** The matrix of a transform as an initializer of the type of `like`. */
export function fourierConstant(
  g: GraphBuilder,
  fourier: Fourier,
  like: Value,
  dims: readonly number[],
): Value {
  const dtype = like.dtype ?? "float32";
  const key = `fourier ${JSON.stringify([fourier, dtype, dims])}`;
  return g.tensor(encode(dtype, dims, Array.from(fourierMatrix(fourier))), key);
}

/** x·t, the products of the parts made by `times`. */
function turned(x: Complex, t: Turn, g: GraphBuilder, times: (x: Value, t: Value) => Value): Turn {
  const [re, im] = [times(x.re, t.re), times(x.re, t.im)];
  return x.im ? { re: g.sub(re, times(x.im, t.im)), im: g.add(im, times(x.im, t.re)) } : { re, im };
}

/** The angles j·k/length of a matrix, in turns. */
interface Angles {
  readonly dims: readonly [rows: number, columns: number];
  readonly length: number;
  /** −1 forwards, 1 for an inverse. */
  readonly sign: number;
  readonly scale: number;
}

/** scale · e^(2πi·angle) as initializers. */
function waves(g: GraphBuilder, like: Value, angles: Angles): Turn {
  const { dims, length, sign, scale } = angles;
  const [rows, columns] = dims;
  const dtype = like.dtype ?? "float32";
  const part = (name: string, of: (x: number) => number): Value => {
    const turn = Array.from({ length }, (_, i) => scale * of((2 * Math.PI * sign * i) / length));
    const values = range(rows * columns).map(
      (i) => turn[(Math.floor(i / columns) * (i % columns)) % length]!,
    );
    return g.tensor(encode(dtype, dims, values), `${name} ${dtype} ${JSON.stringify(angles)}`);
  };
  return { re: part("cosines", Math.cos), im: part("sines", Math.sin) };
}

/** Points and parts of a line as one row, times the matrix. lines: [..., from, fromParts] */
function byMatrix(g: GraphBuilder, lines: Value, fourier: Fourier): Value {
  const { to, toParts } = transformed(fourier);
  const width = fourier.from * fourier.fromParts;
  const lead = range(rankOf(lines) - 2).map(() => 0);
  const rows = g.op("Reshape", [lines, g.ints([...lead, width])]);
  const product = g.matmul(rows, fourierConstant(g, fourier, lines, [width, to * toParts]));
  return g.op("Reshape", [product, g.ints([...lead, to, toParts])]);
}

/** The two factors of a number that are nearest to each other. */
function factorsOf(n: number): readonly [number, number] {
  let small = Math.floor(Math.sqrt(n));
  while (n % small !== 0) small--;
  return [n / small, small];
}

/** The parts of lines, without an axis for them. */
function partsOf(g: GraphBuilder, lines: Value, parts: number): Complex {
  const axis = rankOf(lines) - 1;
  const part = (i: number) => g.squeeze(g.slice(lines, [axis], [i], [i + 1]), [axis]);
  return parts === 1 ? { re: part(0) } : { re: part(0), im: part(1) };
}

/** The other way round: [..., to, toParts] */
function joined(g: GraphBuilder, x: Turn, toParts: number): Value {
  const axis = rankOf(x.re);
  const column = (value: Value) => g.unsqueeze(value, [axis]);
  return toParts === 1 ? column(x.re) : g.concat([column(x.re), column(x.im)], axis);
}

/**
 * With the length a·b: transforms of length a, turns by the remaining angles, transforms of length b.
 *
 * Point b·i + j of the line, point k + a·l of the spectrum.  Source: Cooley & Tukey 1965.
 */
function bySteps(g: GraphBuilder, lines: Value, fourier: Fourier, [a, b]: readonly [number, number]): Value {
  const { from, fromParts, length, inverse, onesided } = fourier;
  const { to, toParts } = transformed(fourier);
  const axis = rankOf(lines) - 2;
  const lead = range(axis).map(() => 0);
  const sign = inverse ? 1 : -1;
  const isHalf = inverse && onesided;
  const twice = range(from).map((j) => (j > 0 && 2 * j !== length ? 2 : 1));
  const weighted = isHalf ? g.mul(lines, g.constant(twice, lines.dtype, [from, 1])) : lines;
  const pads = range(2 * rankOf(lines)).map((i) =>
    i === axis + rankOf(lines) ? length - pointsRead(fourier) : 0,
  );
  const read = g.slice(weighted, [axis], [0], [pointsRead(fourier)]);
  const whole = g.pad(read, pads);
  const turns = (size: number) =>
    waves(g, lines, { dims: [size, size], length: size, sign, scale: inverse ? 1 / size : 1 });
  const parts = partsOf(g, whole, fromParts);
  const split = (value: Value) => g.op("Reshape", [value, g.ints([...lead, a, b])]);
  const start: Complex = { re: split(parts.re), im: parts.im && split(parts.im) };
  const first = turned(start, turns(a), g, (x, t) => g.matmul(t, x));
  const twisted = turned(first, waves(g, lines, { dims: [a, b], length, sign, scale: 1 }), g, g.mul);
  const last = turned(twisted, turns(b), g, (x, t) => g.matmul(x, t));
  const spectrum = (value: Value) =>
    g.slice(g.op("Reshape", [g.swap(value), g.ints([...lead, length])]), [axis], [0], [to]);
  return joined(g, { re: spectrum(last.re), im: spectrum(last.im) }, toParts);
}

/** With cosines and sines that the run computes. lines: [..., from, parts]; length: a vector of one number. */
export function byWaves(
  g: GraphBuilder,
  lines: Value,
  parts: number,
  length: Value,
  { inverse, onesided }: Pick<Fourier, "inverse" | "onesided">,
): Value {
  const isHalf = inverse && onesided;
  const point = g.unsqueeze(rampOf(g, sizeAlong(g, lines, rankOf(lines) - 2), "int64"), [1]);
  const half = g.add(g.op("Div", [length, g.ints([2])]), 1);
  const turn = g.op("Mod", [g.mul(point, rampOf(g, onesided && !inverse ? half : length, "int64")), length]);
  const size = g.cast(length, lines);
  const angle = g.div(g.mul(g.cast(turn, lines), (inverse ? 2 : -2) * Math.PI), size);
  const isOwnMirror = g.op("Or", [g.equal(point, 0), g.equal(g.mul(point, 2), length)]);
  const twice = (value: Value) => (isHalf ? g.where(isOwnMirror, value, g.mul(value, 2)) : value);
  const one = g.scalar(1, lines);
  const weight = g.where(g.less(point, isHalf ? half : length), twice(inverse ? g.div(one, size) : one), 0);
  const wave = (op: "Cos" | "Sin") => g.mul(g.op(op, [angle]), weight);
  const made = turned(partsOf(g, lines, parts), { re: wave("Cos"), im: wave("Sin") }, g, g.matmul.bind(g));
  return joined(g, made, isHalf ? 1 : 2);
}

/** An axis that only the run knows becomes the second of four, of which the sizes are computed. */
function alongComputed(composite: Composite<"DFT">, dftAxis: Value, parts: number): Value {
  const { g, x, attrs } = composite;
  const [input, dftLength] = x;
  const rank = rankOf(input);
  const given = g.reshape(g.cast(dftAxis, "int64"), [1]);
  const axis = g.where(g.less(given, 0), g.add(given, rank), given);
  const after = g.add(axis, 1);
  const sizes = g.op("Shape", [input]);
  const some = (of: Value, from: Value, to: Value) => g.op("Slice", [of, from, to, g.ints([0])]);
  const [before, behind] = [some(sizes, g.ints([0]), axis), some(sizes, after, g.ints([rank - 1]))];
  const count = (list: Value) => g.op("ReduceProd", [g.concat([g.ints([1]), list], 0)], { keepdims: 1 });
  const points = g.op("Gather", [sizes, axis]);
  const folded = g.reshapeTo(input, g.concat([count(before), points, count(behind), g.ints([parts])], 0));
  const made = transformedAlong(composite, { input: folded, axis: 1, parts }, dftLength);
  const toParts = attrs.inverse !== 0 && attrs.onesided !== 0 ? 1 : 2;
  const shape = g.concat([before, g.op("Shape", [made], { start: 1, end: 2 }), behind, g.ints([toParts])], 0);
  return g.reshapeTo(made, shape);
}

/**
 * A product with cosines and sines, in one step or two. ONNX Runtime's own transform is fast for powers of two only, and
 * for small ones of them slower than a product.
 */
export function dft(composite: Composite<"DFT">): Value {
  const { node, x, has } = composite;
  const [input, dftLength, dftAxis] = x;
  const rank = rankOf(input);
  const parts = input.shape?.[rank - 1];
  if (typeof parts !== "number")
    return noExpansion(node, "it is not known whether its input is real or complex");
  const given = has(2) ? knownNumbers(dftAxis)?.[0] : -2;
  if (given === undefined) return alongComputed(composite, dftAxis, parts);
  return transformedAlong(composite, { input, axis: given < 0 ? given + rank : given, parts }, dftLength);
}

/** A value whose lines lie along an axis; each number has `parts`, the last axis. */
interface Lines {
  readonly input: Value;
  readonly axis: number;
  readonly parts: number;
}

function transformedAlong(
  { g, node, attrs, has }: Composite<"DFT">,
  { input, axis, parts }: Lines,
  dftLength: Value,
): Value {
  const rank = rankOf(input);
  const toBack = [...range(rank - 1).filter((i) => i !== axis), axis, rank - 1];
  const lines = g.transpose(input, toBack);
  const [inverse, onesided] = [attrs.inverse !== 0, attrs.onesided !== 0];
  const from = input.shape?.[axis];
  const natural = typeof from === "number" && inverse && onesided ? 2 * (from - 1) : from;
  const length = has(1) ? knownNumbers(dftLength)?.[0] : natural;
  const made = (): Value => {
    if (typeof from === "number" && typeof length === "number") {
      const fourier = { from, fromParts: parts, length, inverse, onesided };
      const flaw = flawOf(fourier);
      if (flaw) return noExpansion(node, flaw);
      const { to, toParts } = transformed(fourier);
      const count = from * parts * to * toParts;
      const factors = factorsOf(length);
      const inSteps = 2 * factors[0] ** 2;
      if (count > smallMatrix && inSteps < count && inSteps <= largestMatrix)
        return bySteps(g, lines, fourier, factors);
      if (count <= largestMatrix) return byMatrix(g, lines, fourier);
    }
    const points = g.sizeOf(lines, rank - 2);
    const run = inverse && onesided ? g.mul(g.sub(points, 1), 2) : points;
    const asked = has(1) ? g.reshape(g.cast(dftLength, "int64"), [1]) : run;
    return byWaves(g, lines, parts, asked, { inverse, onesided });
  };
  return g.transpose(
    made(),
    range(rank).map((i) => toBack.indexOf(i)),
  );
}
