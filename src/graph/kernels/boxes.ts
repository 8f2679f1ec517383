import { type Kernel, required } from "./kernel.ts";
import { ndArray } from "./nd-array.ts";
import { range } from "./offsets.ts";

/** Two sides of a box along each of two axes. */
type Box = readonly [readonly [number, number], readonly [number, number]];

/** From two opposite corners, whichever they are, or from the middle and the sizes. */
function boxOf(numbers: ArrayLike<number>, isCentred: boolean): Box {
  const [a, b, c, d] = Array.from(numbers) as [number, number, number, number];
  if (isCentred)
    return [
      [a - c / 2, a + c / 2],
      [b - d / 2, b + d / 2],
    ];
  const side = (p: number, q: number) => [Math.min(p, q), Math.max(p, q)] as const;
  return [side(a, c), side(b, d)];
}

const area = ([x, y]: Box): number => (x[1] - x[0]) * (y[1] - y[0]);

/** The share of two boxes' union that both cover; 0 of boxes without area. */
function overlap(a: Box, b: Box): number {
  const common = (axis: 0 | 1) =>
    Math.max(0, Math.min(a[axis][1], b[axis][1]) - Math.max(a[axis][0], b[axis][0]));
  const both = common(0) * common(1);
  return both > 0 ? both / (area(a) + area(b) - both) : 0;
}

/** Of each class of each image, from the best score on, the boxes that overlap none chosen before by more than allowed. */
export const nonMaxSuppression: Kernel<"NonMaxSuppression"> = (call) => {
  const [boxes, scores] = [required(call, 0), required(call, 1)];
  const limit = (input: number, fallback: number) => call.inputs[input]?.data[0] ?? fallback;
  const [most, allowed, least] = [limit(2, 0), limit(3, 0), limit(4, Number.NEGATIVE_INFINITY)];
  const [images, classes, count] = scores.dims as readonly [number, number, number];
  const chosen: number[][] = [];
  for (const image of range(images)) {
    const at = (i: number) => 4 * (image * count + i);
    const all = range(count).map((i) =>
      boxOf(boxes.data.subarray(at(i), at(i) + 4), call.attributes.center_point_box !== 0),
    );
    for (const kind of range(classes)) {
      const row = (image * classes + kind) * count;
      const score = scores.data.subarray(row, row + count);
      const order = range(count)
        .filter((i) => score[i]! > least)
        .sort((i, j) => score[j]! - score[i]! || i - j);
      const kept: number[] = [];
      for (const i of order)
        if (kept.length < most && !kept.some((other) => overlap(all[i]!, all[other]!) > allowed))
          kept.push(i);
      chosen.push(...kept.map((i) => [image, kind, i]));
    }
  }
  return [ndArray("int64", [chosen.length, 3], chosen.flat())];
};
