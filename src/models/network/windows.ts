import { type GraphBuilder, range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { float32 } from "../../graph/tensor.ts";

type Grid = readonly [number, number];

/** [batch, rows, columns, width] -> [batch · windows, side², width]; rows and columns are multiples of the side. */
export function splitWindows(g: GraphBuilder, x: Value, side: number): Value {
  const [rows, columns, width] = [1, 2, 3].map((axis) => Number(x.shape![axis]));
  const parts = g.op("Reshape", [x, g.ints([0, rows! / side, side, columns! / side, side, width!])]);
  return g.op("Reshape", [g.transpose(parts, [0, 1, 3, 2, 4, 5]), g.ints([-1, side * side, width!])]);
}

/** The opposite. */
export function joinedWindows(g: GraphBuilder, x: Value, [rows, columns]: Grid, side: number): Value {
  const width = Number(x.shape!.at(-1));
  const parts = g.op("Reshape", [x, g.ints([-1, rows / side, columns / side, side, side, width])]);
  return g.op("Reshape", [g.transpose(parts, [0, 1, 3, 2, 4, 5]), g.ints([-1, rows, columns, width])]);
}

/** Rows and columns moved towards the begin by `shift`, those that fall out put at the end; negative: the other way. */
export function rolled(g: GraphBuilder, x: Value, shift: number): Value {
  if (shift === 0) return x;
  return [1, 2].reduce((value, axis) => {
    const size = Number(value.shape![axis]);
    const cut = (shift + size) % size;
    const part = (from: number, to: number) => g.slice(value, [axis], [from], [to]);
    return g.concat([part(cut, size), part(0, cut)], axis);
  }, x);
}

/**
 * −100 between cells of a shifted window that are not neighbours in the image, else 0: [batch · windows, 1, side², side²].
 * x: any value whose first axis is the batch. grid: multiples of the side. Source: Liu et al. 2021, §3.2.
 */
export function shiftedWindows(
  g: GraphBuilder,
  x: Value,
  [rows, columns]: Grid,
  { side, shift }: { readonly side: number; readonly shift: number },
): Value {
  const region = (at: number, size: number) => +(at >= size - side) + +(at >= size - shift);
  const windows = range(rows / side).flatMap((i) =>
    range(columns / side).map((j) =>
      range(side * side).map((cell) => {
        const row = i * side + Math.floor(cell / side);
        const column = j * side + (cell % side);
        return region(row, rows) * 3 + region(column, columns);
      }),
    ),
  );
  const cells = side * side;
  const values = windows.flatMap((regions) =>
    regions.flatMap((a) => regions.map((b) => (a === b ? 0 : -100))),
  );
  const mask = g.tensor(
    float32([1, windows.length, 1, cells, cells], Float32Array.from(values)),
    `shifted windows ${rows} ${columns} ${side} ${shift}`,
  );
  const each = g.concat([g.sizeOf(x, 0), g.ints([windows.length, 1, cells, cells])], 0);
  return g.op("Reshape", [g.op("Expand", [mask, each]), g.ints([-1, 1, cells, cells])]);
}

/** For each pair of cells of a window, which distance lies between them: numbers below (2 · side − 1)². */
export const relativeCells = (side: number): number[] => {
  const cells = range(side * side).map((cell) => [Math.floor(cell / side), cell % side] as const);
  return cells.flatMap(([row, column]) =>
    cells.map(
      ([otherRow, otherColumn]) =>
        (row - otherRow + side - 1) * (2 * side - 1) + (column - otherColumn + side - 1),
    ),
  );
};
