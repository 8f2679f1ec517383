import { bug } from "../../base/errors.ts";
import type { GraphBuilder } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { type Backward, noGradient } from "../rule.ts";

/**
 * The matrix [outputs, elements] of an axis that a Resize changes, made at run time where its sizes are known only then.
 *
 * `index`: the place of the axis among those that the scales or sizes speak of. ONNX's formulas.
 * @throws autodiff/no-gradient for cubic, antialiased and cropping ones.
 */
export function openMatrix(backward: Backward<"Resize">, axis: number, index: number): Value {
  const { g, node, dy, x, attrs } = backward;
  if (attrs.mode === "nearest") return nearestMatrix(backward, axis, index);
  if (attrs.mode === "cubic" || attrs.antialias === 1)
    return noGradient(node, `axis ${axis} has no size known before running, which a wide filter needs`);
  refuseRatio(backward, axis);
  // places in float16 would be wrong from 2048 on
  const like = g.constant([0], dy.dtype === "float64" ? "float64" : "float32", []);
  const [from, to] = [counted(g, g.sizeOf(x[0], axis), like), counted(g, g.sizeOf(dy, axis), like)];
  const given = scaleOf(backward, index);
  const scale = given ? g.cast(g.squeeze(given, [0]), like) : g.div(to, from);
  const place = placeOf(backward, { from, to, scale });
  const clamped = g.unsqueeze(g.max(g.min(place, g.sub(from, 1)), like), [1]);
  return g.cast(g.max(g.sub(1, g.abs(g.sub(clamped, upTo(g, from)))), 0), dy);
}

/**
 * The same where the nearest element counts. Which one that is turns on the last digit of a place, which runtimes round each
 * in their own way: so the node's own operator is asked, by the numbers of the elements. A second axis of the column is
 * doubled, so that it is not copied for keeping its size.
 *
 * @throws autodiff/no-gradient for cropping ones, and those of open sizes that keep their ratio.
 */
export function nearestMatrix(backward: Backward<"Resize">, axis: number, index: number): Value {
  const { g, dy, x, attrs } = backward;
  refuseRatio(backward, axis);
  refuseRegion(backward);
  const { mode, nearest_mode, coordinate_transformation_mode } = attrs;
  const like = g.constant([0], "float32", []);
  const elements = upTo(g, counted(g, g.sizeOf(x[0], axis), like));
  const scale = scaleOf(backward, index);
  const factors = scale
    ? [undefined, g.concat([scale, g.constant([2])], 0)]
    : [undefined, undefined, g.concat([g.sizeOf(dy, axis), g.ints([2])], 0)];
  const resized = g.op("Resize", [g.unsqueeze(elements, [1]), ...factors], {
    mode,
    nearest_mode,
    coordinate_transformation_mode,
  });
  const column = g.slice(resized, [1], [0], [1]);
  return g.cast(g.equal(column, elements), dy);
}

function refuseRatio({ node, attrs }: Backward<"Resize">, axis: number): void {
  if (attrs.keep_aspect_ratio_policy !== "stretch")
    noGradient(node, `axis ${axis} has no size known before running, which keeping the ratio needs`);
}

function refuseRegion({ node, attrs }: Backward<"Resize">): void {
  if (attrs.coordinate_transformation_mode === "tf_crop_and_resize")
    noGradient(node, "its region has no size known before running");
}

/**
 * The scale that is given for an axis, as a vector of one; undefined where sizes are given. 1 where the whole keeps its
 * shape: that is copied, whatever the scales say.
 */
function scaleOf({ g, has, dy, x }: Backward<"Resize">, index: number): Value | undefined {
  const [input, , scales] = x;
  if (!has(2) || scales.shape?.[0] === 0) return undefined;
  const scale = g.slice(scales, [0], [index], [index + 1]);
  const surelyChanges = input.shape?.some((from, axis) => {
    const to = dy.shape?.[axis];
    return typeof from === "number" && typeof to === "number" && from !== to;
  });
  if (surelyChanges) return scale;
  const differences = g.abs(g.sub(g.op("Shape", [input]), g.op("Shape", [dy])));
  return g.where(g.equal(g.op("ReduceSum", [differences], { keepdims: 0 }), 0), 1, scale);
}

/** A size as a scalar of a float type. */
const counted = (g: GraphBuilder, size: Value, like: Value): Value => g.cast(g.squeeze(size, [0]), like);

/** 0, 1, … below a number. */
const upTo = (g: GraphBuilder, end: Value): Value => g.op("Range", [g.scalar(0, end), end, g.scalar(1, end)]);

/** Sizes and factor of an axis as scalars. */
interface OpenAxis {
  readonly from: Value;
  readonly to: Value;
  readonly scale: Value;
}

/** Where each output element lies on the input's axis: [outputs]. */
function placeOf(backward: Backward<"Resize">, { from, to, scale }: OpenAxis): Value {
  const { g, attrs } = backward;
  const outputs = upTo(g, to);
  const middle = g.div(g.add(outputs, 0.5), scale);
  const halfPixel = g.sub(middle, 0.5);
  switch (attrs.coordinate_transformation_mode) {
    case "half_pixel":
      return halfPixel;
    case "pytorch_half_pixel":
      return g.where(g.greater(to, 1), halfPixel, 0);
    case "half_pixel_symmetric":
      return g.sub(g.add(g.mul(g.div(from, 2), g.sub(1, g.div(to, g.mul(scale, from)))), middle), 0.5);
    case "asymmetric":
      return g.div(outputs, scale);
    case "align_corners":
      return g.div(g.mul(outputs, g.sub(from, 1)), g.max(g.sub(to, 1), 1));
    default:
      refuseRegion(backward);
      return bug(`a Resize has coordinates "${attrs.coordinate_transformation_mode}"`);
  }
}
