import { type GraphBuilder, range } from "../builder.ts";
import type { Node, Value } from "../ir.ts";
import { windowOf } from "../window.ts";
import { type Composite, type Expansions, noExpansion, sizesOf } from "./expansion.ts";
import { componentsOf, reshapeBySizes, sampled, spatialRank, tapsAt } from "./sampling.ts";

/** Positions −1 … 1 as places among `size` pixels: the ends are the outer pixels' centres, or their outer edges. */
const unnormalised = (g: GraphBuilder, at: Value, size: number, alignCorners: boolean): Value =>
  alignCorners ? g.mul(g.add(at, 1), (size - 1) / 2) : g.sub(g.mul(g.add(at, 1), size / 2), 0.5);

function gridSample({ g, node, x: [x, grid], attrs }: Composite<"GridSample">): Value {
  const sizes = sizesOf(node, x, "the sizes of the pixels", 2);
  const count = spatialRank(x);
  const alignCorners = attrs.align_corners === 1;
  const how = { mode: attrs.mode.replace(/^bi/, ""), padding: attrs.padding_mode, alignCorners };
  const components = componentsOf(g, grid, count).toReversed();
  const axes = components.map((at, i) =>
    tapsAt(g, unnormalised(g, at, sizes[i]!, alignCorners), sizes[i]!, how),
  );
  const places = range(1, count + 1).map((axis) => [grid, axis] as const);
  return reshapeBySizes(g, sampled(g, x, axes, sizes), [[x, 0], [x, 1], ...places]);
}

/** Samples at the moved places of each window as columns, which the weights multiply. */
function deformConv({ g, node, x, attrs, has }: Composite<"DeformConv">): Value {
  const [input, weight, offset, bias, mask] = x;
  const { group, offset_group: groups } = attrs;
  const [channels, ...sizes] = sizesOf(node, input, "channels and pixels", 1) as readonly [
    number,
    ...number[],
  ];
  const [outputs, reads, ...kernel] = sizesOf(node, weight, "the sizes") as readonly [
    number,
    number,
    ...number[],
  ];
  const places = sizesOf(node, offset, "the sizes of the pixels", 2);
  const taps = count(kernel);
  const points = count(places);
  const moved = g.reshape(offset, [-1, taps, sizes.length, points]);
  const axes = stillPlaces(node, { ...attrs, kernel }, places).map((still, axis) => {
    const by = g.squeeze(g.slice(moved, [2], [axis], [axis + 1]), [2]);
    const at = g.reshape(g.add(by, g.constant(still, by.dtype, [taps, points])), [-1, taps * points]);
    return tapsAt(g, at, sizes[axis]!, { mode: "linear", padding: "zeros", alignCorners: true });
  });
  const parts = g.reshape(input, [-1, channels / groups, ...sizes]);
  const read = sampled(g, parts, axes, sizes);
  const shown = has(4) ? g.mul(read, g.reshape(mask, [-1, 1, taps * points])) : read;
  const columns = g.reshape(shown, [-1, group, reads * taps, points]);
  const rows = g.reshape(weight, [group, outputs / group, reads * taps]);
  const y = g.reshape(g.matmul(rows, columns), [-1, outputs, ...places]);
  return has(3) ? g.add(y, g.reshape(bias, [1, outputs, ...sizes.map(() => 1)])) : y;
}

const count = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** Where each tap of each window would be if nothing moved it: one list [taps, points] for each axis. */
function stillPlaces(
  node: Node,
  {
    strides,
    dilations,
    pads,
    kernel,
  }: { readonly [key in "strides" | "dilations" | "pads" | "kernel"]: readonly number[] },
  places: readonly number[],
): readonly (readonly number[])[] {
  if (kernel.length !== places.length) return noExpansion(node, "its weight and its offset differ in axes");
  return kernel.map((_, axis) =>
    range(count(kernel)).flatMap((tap) =>
      range(count(places)).map((point) => {
        const start = along(point, places, axis) * (strides[axis] ?? 1) - (pads[axis] ?? 0);
        return start + along(tap, kernel, axis) * (dilations[axis] ?? 1);
      }),
    ),
  );
}

/** The index along one axis of a flat index. */
export const along = (index: number, sizes: readonly number[], axis: number): number =>
  Math.floor(index / count(sizes.slice(axis + 1))) % sizes[axis]!;

/** The root of the sum of powers, over zeros put around the input; 0, with no slope, where that sum is 0. */
function lpPool({ g, node, x: [x], attrs }: Composite<"LpPool">): Value {
  const window = windowOf({ ...node, inputs: [x] });
  if (!window) return noExpansion(node, "its window is not known before running");
  const { kernel, strides, dilations, pads, output } = window;
  const rank = kernel.length;
  const ends = kernel.map((size, axis) => {
    const [from, to] = [x.shape![axis + 2], output[axis]];
    if (typeof from !== "number" || typeof to !== "number")
      return attrs.ceil_mode === 0
        ? pads[axis + rank]!
        : noExpansion(
            node,
            "its ceil_mode asks for the sizes of the pixels, which are not known before running",
          );
    return (to - 1) * strides[axis]! + (size - 1) * dilations[axis]! + 1 - from - pads[axis]!;
  });
  const padded = g.pad(g.abs(x), [0, 0, ...pads.slice(0, rank), 0, 0, ...ends]);
  const { p } = attrs;
  const powers = p === 1 ? padded : p === 2 ? g.square(padded) : g.pow(padded, p);
  const mean = g.op("AveragePool", [powers], { kernel_shape: kernel, strides, dilations });
  const sum = g.mul(mean, count(kernel));
  if (p === 1) return sum;
  const isZero = g.equal(sum, 0);
  const safe = g.where(isZero, 1, sum);
  return g.where(isZero, 0, p === 2 ? g.sqrt(safe) : g.pow(safe, 1 / p));
}

export const sampling = {
  DeformConv: deformConv,
  GridSample: gridSample,
  LpPool: lpPool,
} as const satisfies Expansions;
