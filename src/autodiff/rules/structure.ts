import { type GraphBuilder, numbers, range, rankOf } from "../../graph/builder.ts";
import { knownNumbers } from "../../graph/infer.ts";
import type { Value } from "../../graph/ir.ts";
import { reduceTo } from "../reduce.ts";
import type { Backward, GradRules, InputRule } from "../rule.ts";
import { scatterAdd, scatterBack } from "../scatter.ts";

/** The same elements in the input's shape. */
const reshaped: InputRule = ({ g, dy, x: [x] }) => g.reshapeLike(dy, x);

const inverse = (perm: readonly number[]): number[] => range(perm.length).map((axis) => perm.indexOf(axis));

/** The part of the output's gradient that an input of Concat was. */
function part({ g, dy, x, index, attrs: { axis } }: Backward<"Concat">): Value {
  const sizes = x.map((input) => input.shape?.[axis]);
  const before = numbers(sizes.slice(0, index) as number[]);
  const own = sizes[index];
  if (before && typeof own === "number") {
    const start = before.reduce((n, size) => n + size, 0);
    return g.slice(dy, [axis], [start], [start + own]);
  }
  const start = x.slice(0, index).reduce((n, input) => g.add(n, g.sizeOf(input, axis)), g.ints([0]));
  const end = g.add(start, g.sizeOf(x[index]!, axis));
  return g.op("Slice", [dy, start, end, g.ints([axis])]);
}

/** Zeros put back around a slice of step 1; any other slice by its positions. */
function unsliced({ g, node, dy, x: [x] }: Backward<"Slice">): Value {
  const [starts, ends, axes, steps] = [1, 2, 3, 4].map((i) => node.inputs[i] && knownNumbers(node.inputs[i]));
  const rank = x.shape?.length ?? -1;
  const along = (axes ?? (node.inputs[3] ? undefined : range(starts?.length ?? 0)))?.map((axis) =>
    axis < 0 ? axis + rank : axis,
  );
  const isPlain = node.inputs[4] === undefined || steps?.every((step) => step === 1);
  const sizes = along && numbers(along.map((axis) => x.shape?.[axis] as number));
  if (rank >= 0 && starts && ends && along && isPlain && sizes?.every((size) => typeof size === "number")) {
    const pads = new Array<number>(2 * rank).fill(0);
    for (const [i, axis] of along.entries()) {
      const size = sizes[i]!;
      const clamp = (at: number) => Math.max(0, Math.min(size, at < 0 ? at + size : at));
      pads[axis] = clamp(starts[i]!);
      pads[axis + rank] = size - Math.max(pads[axis]!, clamp(ends[i]!));
    }
    return g.pad(dy, pads);
  }
  return scatterBack(g, dy, x, (positions) => g.op("Slice", [positions, ...node.inputs.slice(1)]));
}

/** Padding with a constant is cut off; padding that repeats elements adds to them. */
const unpadded: InputRule<"Pad"> = ({ g, node, dy, x: [x, pads], attrs: { mode } }) => {
  const [, , , axes] = node.inputs;
  if (mode === "constant") return g.op("Pad", [dy, g.neg(pads), undefined, axes]);
  return scatterBack(g, dy, x, (positions) => g.op("Pad", [positions, pads, undefined, axes], { mode }));
};

/** Each axis as [repeats, size], summed over the repeats. */
function untiled({ g, dy, x: [x, repeats] }: Backward<"Tile">): Value {
  const rank = rankOf(x);
  if (rank === 0) return dy;
  const columns = [repeats, g.shapeOf(x)].map((list) => g.unsqueeze(list, [1]));
  const split = g.reshape(g.concat(columns, 1), [-1]);
  const tiles = g.reshapeTo(dy, split);
  return g.reshapeLike(
    g.sum(
      tiles,
      range(rank).map((axis) => 2 * axis),
    ),
    x,
  );
}

/** One row taken out is put back by padding; more are added where their indices say. */
function ungathered({ g, dy, x: [data, indices], attrs: { axis } }: Backward<"Gather">): Value {
  const known = knownNumbers(indices);
  const isRow = known?.length === 1 && indices.shape !== undefined && indices.shape.length <= 1;
  if (!isRow || !data.shape) return scatterAdd(g, dy, indices, axis, data);
  const rank = data.shape.length;
  const row = indices.shape!.length === 0 ? g.unsqueeze(dy, [axis]) : dy;
  const [at] = known as readonly [number];
  const size = data.shape[axis];
  if (typeof size === "number") {
    const pads = new Array<number>(2 * rank).fill(0);
    pads[axis] = at < 0 ? at + size : at;
    pads[axis + rank] = size - 1 - pads[axis]!;
    return g.pad(row, pads);
  }
  const rest = g.sub(g.sizeOf(data, axis), at < 0 ? -at : at + 1);
  const around = at < 0 ? [rest, g.ints([-at - 1])] : [g.ints([at]), rest];
  const zeros = (count: number) => (count === 0 ? [] : [g.ints(new Array<number>(count).fill(0))]);
  const between = rank - 1;
  const pads = [...zeros(axis), around[0]!, ...zeros(between), around[1]!, ...zeros(between - axis)];
  const whole = g.op("Pad", [row, g.concat(pads, 0)]);
  whole.shape = data.shape;
  return whole;
}

/** Positions within a batch get the batch's own numbers in front, which ScatterND wants. */
function ungatheredNd(b: Backward<"GatherND">): Value {
  const { g, dy, x, attrs } = b;
  const [data, indices] = x;
  const full = attrs.batch_dims === 0 ? indices : withBatchNumbers(g, indices, attrs.batch_dims);
  return g.op("ScatterND", [g.zerosLike(data), full, dy], { reduction: "add" });
}

function withBatchNumbers(g: GraphBuilder, indices: Value, batchDims: number): Value {
  const rank = rankOf(indices);
  const column = g.slice(indices, [rank - 1], [0], [1]);
  const zeros = g.mul(column, 0);
  const scalar = (value: number) => g.constant([value], "int64", []);
  const numbersAlong = (axis: number) => {
    const counted = g.op("Range", [scalar(0), g.squeeze(g.sizeOf(indices, axis), [0]), scalar(1)]);
    return g.add(zeros, g.unsqueeze(counted, range(1, rank - axis)));
  };
  return g.concat([...range(batchDims).map(numbersAlong), indices], rank - 1);
}

/** The two values are what is elsewhere and what is at the index: each sums the gradient of its places. */
function oneHotValues({ g, dy, x: [indices, depth], attrs: { axis } }: Backward<"OneHot">): Value {
  const isHot = g.op("OneHot", [indices, depth, g.constant([0, 1], dy.dtype)], { axis });
  const total = (value: Value) => g.reshape(g.op("ReduceSum", [value], { keepdims: 0 }), [1]);
  const hot = g.mul(dy, isHot);
  return g.concat([total(g.sub(dy, hot)), total(hot)], 0);
}

export const structure = {
  Transpose: [({ g, dy, attrs: { perm } }) => g.transpose(dy, inverse(perm))],
  Reshape: [reshaped, null],
  Flatten: [reshaped],
  Squeeze: [reshaped, null],
  Unsqueeze: [reshaped, null],
  // what is repeated is summed
  Expand: [({ g, dy, x: [x] }) => reduceTo(g, dy, x), null],
  Tile: [untiled, null],
  Concat: [part],
  Split: {
    inputs: [
      ({ g, node, dys, output, attrs: { axis } }) =>
        g.concat(
          node.outputs.map((_, i) => dys[i] ?? g.zerosLike(output(i))),
          axis,
        ),
      null,
    ],
    outputs: "all",
  },
  Slice: [unsliced, null, null, null, null],
  Pad: [
    unpadded,
    null,
    (b) => {
      const { g, dy } = b;
      const inside = unpadded(b as never)!;
      const sumAll = (value: Value) => g.op("ReduceSum", [value], { keepdims: 0 });
      return g.reshapeLike(g.sub(sumAll(dy), sumAll(inside)), b.x[2]);
    },
    null,
  ],
  // y = x[i]   dx[i] += dy
  Gather: [ungathered, null],
  GatherElements: [
    ({ g, dy, x: [data, indices], attrs: { axis } }) =>
      g.op("ScatterElements", [g.zerosLike(data), indices, dy], { axis, reduction: "add" }),
    null,
  ],
  GatherND: [ungatheredNd, null],
  Trilu: [({ g, node, dy, attrs: { upper } }) => g.op("Trilu", [dy, node.inputs[1]], { upper }), null],
  Shape: [null],
  Size: [null],
  ConstantOfShape: [null],
  Constant: [],
  // yᵢ = start + i·delta
  Range: [
    ({ g, dy }) => g.sum(dy, [0]),
    null,
    ({ g, dy, y, x: [start, , delta] }) => g.div(g.sum(g.mul(dy, g.sub(y, start)), [0]), delta),
  ],
  OneHot: [null, null, oneHotValues],
  NonZero: [null],
  EyeLike: [null],
} satisfies Partial<GradRules>;
