import { type GraphBuilder, type Operand, range } from "../builder.ts";
import type { Value } from "../ir.ts";
import type { Composite, Expansions } from "./expansion.ts";
import { rampOf, sizeAlong } from "./open-sizes.ts";

/** The least float32: what is not in a bin. */
const lowest = -3.4028234663852886e38;

/** Whether a pixel of an axis is in a bin of a region: [regions, bins, size]. first, last: [regions, 1], whole pixels. */
function membersOf(g: GraphBuilder, first: Value, last: Value, bins: number, size: Operand): Value {
  const length = g.max(g.add(g.sub(last, first), 1), 1);
  const each = g.div(length, bins);
  const edge = (op: "Floor" | "Ceil", from: number) =>
    g.unsqueeze(g.add(g.op(op, [g.mul(each, g.constant(range(from, from + bins), each.dtype))]), first), [2]);
  const pixel = rampOf(g, size, each.dtype ?? "float32");
  return g.op("And", [g.greaterOrEqual(pixel, edge("Floor", 0)), g.less(pixel, edge("Ceil", 1))]);
}

/** To the nearest whole number, halves away from 0. */
const rounded = (g: GraphBuilder, x: Value): Value =>
  g.mul(g.op("Sign", [x]), g.op("Floor", [g.add(g.abs(x), 0.5)]));

/** The largest of each row's pixels in each column of bins, then of those in each row of bins; 0 of an empty bin. */
function maxRoiPool({ g, x: [x, rois], attrs }: Composite<"MaxRoiPool">): Value {
  const [height, width] = attrs.pooled_shape as readonly [number, number];
  const column = (i: number) => g.slice(rois, [1], [i], [i + 1]);
  const corner = (i: number) => rounded(g, g.mul(column(i), attrs.spatial_scale));
  const down = membersOf(g, corner(2), corner(4), height, sizeAlong(g, x, 2));
  const across = membersOf(g, corner(1), corner(3), width, sizeAlong(g, x, 3));
  const largest = (members: Value, values: Value) =>
    g.op("ReduceMax", [g.where(members, values, lowest), g.ints([4])], { keepdims: 0 });
  const images = g.op("Gather", [x, g.reshape(g.cast(column(0), "int64"), [-1])]);
  // [regions, channels, height, bins across, width], then [regions, channels, bins down, bins across, height]
  const columns = largest(g.unsqueeze(across, [1, 2]), g.unsqueeze(images, [3]));
  const bins = largest(g.unsqueeze(down, [1, 3]), g.unsqueeze(g.transpose(columns, [0, 1, 3, 2]), [2]));
  return g.where(g.equal(bins, lowest), 0, bins);
}

export const bins = { MaxRoiPool: maxRoiPool } as const satisfies Expansions;
