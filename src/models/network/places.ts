import { range } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { type Network, numberAt } from "./network.ts";

type Grid = readonly [rows: number, columns: number];

/**
 * What patches on one grid have learnt of their places, for those of another grid: interpolated along columns, then along
 * rows, with cubic weights. Differentiable. places: [1, rows · columns, width] -> the same of `to`.
 */
export function interpolatedPlaces({ g }: Network, places: Value, from: Grid, to: Grid): Value {
  const width = numberAt(places, -1);
  const [rows, columns] = from.map((size, axis) =>
    g.constant(cubicWeights(size, to[axis]!), "float32", [to[axis]!, size]),
  ) as [Value, Value];
  const wide = g.matmul(rows, g.reshape(places, [from[0], from[1] * width]));
  const grid = g.matmul(columns, g.reshape(wide, [to[0], from[1], width]));
  return g.reshape(grid, [1, to[0] * to[1], width]);
}

/**
 * How much each of `from` points counts for each of `to` that cover the same line, [to · from]. Points beyond the ends are
 * those at the ends. As PyTorch's bicubic interpolation has it. Source: Keys 1981, with a = −0.75.
 */
export function cubicWeights(from: number, to: number): number[] {
  const weights = new Array<number>(to * from).fill(0);
  for (const i of range(to)) {
    const at = ((i + 0.5) * from) / to - 0.5;
    const start = Math.floor(at);
    for (const tap of range(-1, 3)) {
      const place = Math.min(from - 1, Math.max(0, start + tap));
      weights[i * from + place]! += cubic(Math.abs(at - start - tap));
    }
  }
  return weights;
}

const a = -0.75;

/** Of a point at this distance, less than 2. */
const cubic = (x: number): number =>
  x <= 1 ? (a + 2) * x ** 3 - (a + 3) * x ** 2 + 1 : a * (x ** 3 - 5 * x ** 2 + 8 * x - 4);
