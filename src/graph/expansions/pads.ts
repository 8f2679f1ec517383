import { type GraphBuilder, type Operand, range } from "../builder.ts";
import type { Value } from "../ir.ts";
import { explicit, type Frame, spanOf } from "../window.ts";
import { atLeast, linearIn, quotientOf, shapeOf, sizeAlong, smallerOf, sumOf } from "./open-sizes.ts";

/** What lies before and after an image along each of its axes. */
export interface Pads {
  readonly begins: readonly Operand[];
  readonly ends: readonly Operand[];
}

/** An image with so much around it. */
export function padBy(g: GraphBuilder, image: Value, { begins, ends }: Pads, fill: number): Value {
  const pads = [0, 0, ...begins, 0, 0, ...ends];
  if (pads.every((pad) => pad === 0)) return image;
  const padded = g.op("Pad", [image, shapeOf(g, pads), g.scalar(fill, image)]);
  // the padding is of pixels only
  if (padded.shape) padded.shape = [...image.shape!.slice(0, 2), ...padded.shape.slice(2)];
  return padded;
}

/** The padding of a window over an image, by which every window lies in it: what ceil_mode adds too. */
export function padsOf(g: GraphBuilder, frame: Frame, x: Value): Pads {
  const axes = range(frame.kernel.length);
  const sizes = axes.map((axis) => sizeAlong(g, x, axis + 2));
  /** What `count` windows reach beyond the size and `begin` elements before it. */
  const beyond = (axis: number, count: Operand, begin: number) => {
    const stride = frame.strides[axis]!;
    return sumOf(g, linearIn(g, count, stride, spanOf(frame, axis) - stride - begin), sizes[axis]!, -1);
  };
  const roundedUp = (axis: number, size: Operand) => {
    const stride = frame.strides[axis]!;
    return quotientOf(g, linearIn(g, size, 1, stride - 1), stride);
  };
  if (frame.autoPad.startsWith("SAME"))
    return sharedPads(
      g,
      frame,
      axes.map((axis) => beyond(axis, roundedUp(axis, sizes[axis]!), 0)),
    );
  const given = axes.map((axis) => explicit(frame, axis));
  const ends = given.map(({ begin, end }, axis) => {
    if (!frame.ceil) return end;
    const room = linearIn(g, sizes[axis]!, 1, begin + end - spanOf(frame, axis));
    const inside = roundedUp(axis, linearIn(g, sizes[axis]!, 1, begin));
    return beyond(axis, smallerOf(g, linearIn(g, roundedUp(axis, room), 1, 1), inside), begin);
  });
  return { begins: given.map(({ begin }) => begin), ends };
}

/** So much padding in all, none where it is negative, split in two: of an odd one the end gets more with SAME_UPPER. */
export function sharedPads(g: GraphBuilder, { autoPad }: Frame, totals: readonly Operand[]): Pads {
  const all = totals.map((total) => atLeast(g, total, 0));
  const least = all.map((total) => quotientOf(g, total, 2));
  const most = all.map((total, axis) => sumOf(g, total, least[axis]!, -1));
  return autoPad === "SAME_UPPER" ? { begins: least, ends: most } : { begins: most, ends: least };
}
