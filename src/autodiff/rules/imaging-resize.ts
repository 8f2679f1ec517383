import { type GraphBuilder, range, rankOf } from "../../graph/builder.ts";
import { alongAxis, type Interpolated, interpolatedAxes } from "../../graph/expansions/imaging-resize.ts";
import { matrixOf } from "../../graph/expansions/interpolation.ts";
import type { Node, Value } from "../../graph/ir.ts";
import { type Backward, type GradRules, noGradient } from "../rule.ts";
import { nearestMatrix, openMatrix } from "./open-interpolation.ts";

/** From this many elements on a stencil is quicker than the product with a matrix, whose zeros count. */
const wide = 32;

/** dx = Mᵀ·dy along each axis that was resized. What was only repeated is summed, a stencil is gone over backwards. */
function unresized(backward: Backward<"Resize">): Value {
  const { g, node, dy, x, attrs } = backward;
  const axes = interpolatedAxes({ node, x, attrs });
  const repeated = axes.filter(({ repeats }) => repeats !== undefined);
  const hasChannels = typeof dy.shape?.[1] === "number";
  const isSpread = ({ axis, from, repeats, stencil }: Interpolated) =>
    hasChannels &&
    repeats === undefined &&
    stencil !== undefined &&
    axis >= 2 &&
    (from === 0 || from >= wide);
  const spread = axes.filter(isSpread);
  const isCropped = attrs.coordinate_transformation_mode === "tf_crop_and_resize";
  const mixed = axes.filter((axis) => !repeated.includes(axis) && !spread.includes(axis));
  const unmixed = mixed.reduce((value, { axis, index, from, taps }) => {
    const isAsked = attrs.mode === "nearest" && !isCropped && attrs.keep_aspect_ratio_policy === "stretch";
    if (isAsked) return alongAxis(g, value, axis, g.swap(nearestMatrix(backward, axis, index)));
    const matrix =
      from === 0
        ? openMatrix(backward, axis, index)
        : g.constant(matrixOf(taps, from), x[0].dtype ?? "float32", [taps.length, from]);
    return alongAxis(g, value, axis, g.swap(matrix));
  }, dy);
  return summedRuns(g, gathered(g, node, unmixed, spread), repeated);
}

/** Sums of the runs that a nearest upscale repeated: a window of its size over pixels, which is a pool. */
function summedRuns(g: GraphBuilder, dy: Value, repeated: readonly Interpolated[]): Value {
  if (repeated.length === 0) return dy;
  const rank = rankOf(dy);
  const times = range(rank).map((axis) => repeated.find((each) => each.axis === axis)?.repeats ?? 1);
  const window = times.slice(2);
  if (rank >= 3 && rank <= 5 && times[0] === 1 && times[1] === 1) {
    const mean = g.op("AveragePool", [dy], { kernel_shape: window, strides: window });
    return g.mul(
      mean,
      window.reduce((a, b) => a * b),
    );
  }
  const sizes = range(rank).flatMap((axis) => {
    const runs = g.ints([times[axis]!]);
    return [g.div(g.sizeOf(dy, axis), runs), runs];
  });
  return g.sum(
    g.reshapeTo(dy, g.concat(sizes, 0)),
    range(rank).map((axis) => 2 * axis + 1),
  );
}

/** Each pixel's share of what it was spread over, by a convolution of each channel; what fell outside goes to the ends. */
function gathered(g: GraphBuilder, node: Node, dy: Value, spread: readonly Interpolated[]): Value {
  if (spread.length === 0) return dy;
  const channels = dy.shape?.[1];
  if (typeof channels !== "number") return noGradient(node, "its number of channels is not known");
  const still = { scale: 1, first: 0, weights: [1], reach: 0 };
  const stencils = range(2, rankOf(dy)).map(
    (axis) => spread.find((each) => each.axis === axis)?.stencil ?? still,
  );
  const product = stencils.reduce<readonly number[]>(
    (outer, { weights }) => outer.flatMap((a) => weights.map((b) => a * b)),
    [1],
  );
  const sizes = stencils.map(({ weights }) => weights.length);
  const kernel = g.constant(
    range(channels).flatMap(() => product),
    dy.dtype,
    [channels, 1, ...sizes],
  );
  const folded = g.op("Conv", [dy, kernel], {
    group: channels,
    strides: stencils.map(({ scale }) => scale),
    pads: [
      ...stencils.map(({ scale, first, reach }) => scale * reach - first),
      ...stencils.map(({ scale, first, weights, reach }) => scale * (reach - 1) + first + weights.length),
    ],
  });
  return spread.reduce((value, { axis, stencil }) => endsFolded(g, value, axis, stencil!.reach), folded);
}

/** The elements up to `reach` beyond the ends of an axis added to the ends: to one element where the axis has no more. */
function endsFolded(g: GraphBuilder, x: Value, axis: number, reach: number): Value {
  const part = (of: Value, from: number, to: number) => g.slice(of, [axis], [from], [to]);
  const all = Number.MAX_SAFE_INTEGER;
  const begun = g.concat([g.sum(part(x, 0, reach + 1), [axis], true), part(x, reach + 1, all)], axis);
  const end = g.sum(part(begun, -reach - 1, all), [axis], true);
  return g.concat([part(begun, 0, -reach - 1), end], axis);
}

export const resize = { Resize: [unresized, null, null, null] } satisfies Partial<GradRules>;
