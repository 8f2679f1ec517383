import { type GraphBuilder, range, rankOf } from "../../graph/builder.ts";
import { alongAxis, type Interpolated, interpolatedAxes } from "../../graph/expansions/imaging-resize.ts";
import { matrixOf } from "../../graph/expansions/interpolation.ts";
import type { Node, Value } from "../../graph/ir.ts";
import { type Backward, type GradRules, sizesOf } from "../rule.ts";

/** dx = Mᵀ·dy along each axis that was resized. Elements that were only repeated are summed. */
function unresized({ g, node, dy, x, attrs }: Backward<"Resize">): Value {
  const axes = interpolatedAxes({ node, x, attrs });
  const repeated = axes.filter(({ repeats }) => repeats !== undefined);
  const mixed = axes.filter((axis) => !repeated.includes(axis));
  const unmixed = mixed.reduce((value, { axis, from, taps }) => {
    const matrix = g.constant(matrixOf(taps, from), x[0].dtype ?? "float32", [taps.length, from]);
    return alongAxis(g, value, axis, g.swap(matrix));
  }, dy);
  return summedRuns(g, node, unmixed, repeated);
}

/** Sums of the runs that a nearest upscale repeated: a window of its size over pixels, which is a pool. */
function summedRuns(g: GraphBuilder, node: Node, dy: Value, repeated: readonly Interpolated[]): Value {
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
  const sizes = sizesOf(node, dy, "the sizes").flatMap((size, axis) => [size / times[axis]!, times[axis]!]);
  return g.sum(
    g.reshape(dy, sizes),
    range(rank).map((axis) => 2 * axis + 1),
  );
}

/** The blocks back into the channels; a channel's own block together where it was so. */
function unblocked({ g, node, dy, x: [x], attrs: { blocksize, mode } }: Backward<"DepthToSpace">): Value {
  const deep = g.op("SpaceToDepth", [dy], { blocksize });
  if (mode === "DCR") return deep;
  const [channels] = sizesOf(node, x, "the number of channels", 1) as readonly [number];
  const block = blocksize * blocksize;
  const order = range(channels).map((i) => (i % block) * (channels / block) + Math.floor(i / block));
  return g.op("Gather", [deep, g.ints(order)], { axis: 1 });
}

export const imaging = {
  DepthToSpace: [unblocked],
  SpaceToDepth: [({ g, dy, attrs: { blocksize } }) => g.op("DepthToSpace", [dy], { blocksize })],
  Resize: [unresized, null, null, null],
} satisfies Partial<GradRules>;
