import { bug } from "../../base/errors.ts";
import { type GraphBuilder, rankOf } from "../../graph/builder.ts";
import { keysCubic } from "../../graph/expansions/sampling.ts";
import type { Value } from "../../graph/ir.ts";
import { type Backward, noGradient } from "../rule.ts";

/**
 * The matrix [outputs, elements] of an axis that a Resize changes, made at run time where its sizes, or the region that it
 * cuts out, are known only then. ONNX's formulas.
 *
 * `index`: the place of the axis among those that the scales or sizes speak of.
 */
export function openMatrix(backward: Backward<"Resize">, axis: number, index: number): Value {
  const { g, dy, x, attrs } = backward;
  if (attrs.mode === "nearest") return nearestMatrix(backward, axis, index);
  // places in float16 would be wrong from 2048 on
  const like = g.constant([0], dy.dtype === "float64" ? "float64" : "float32", []);
  const [from, to] = [counted(g, g.sizeOf(x[0], axis), like), counted(g, g.sizeOf(dy, axis), like)];
  const given = scaleOf(backward, index);
  const scale = given ? g.cast(g.squeeze(given, [0]), like) : g.div(to, from);
  const open = { from, to, scale };
  const place = g.unsqueeze(placeOf(backward, index, open), [1]);
  const last = g.sub(from, 1);
  const matrix =
    attrs.mode === "cubic" || attrs.antialias === 1
      ? wideMatrix(backward, place, open)
      : weights(g, g.sub(g.max(g.min(place, last), like), upTo(g, from)));
  if (attrs.coordinate_transformation_mode !== cropping) return g.cast(matrix, dy);
  const isInside = g.op("And", [g.greaterOrEqual(place, 0), g.lessOrEqual(place, last)]);
  return g.cast(g.where(isInside, matrix, 0), dy);
}

const cropping = "tf_crop_and_resize";

/** What an element at a distance counts when two share a place. */
const weights = (g: GraphBuilder, distance: Value): Value => g.max(g.sub(1, g.abs(distance)), 0);

/**
 * The matrix of a filter that reaches further than the two elements beside a place: what lies outside counts for the
 * element at the end, or for none. A shrinking filter is as wide as the output's pixels. place: [outputs, 1].
 */
function wideMatrix({ g, attrs }: Backward<"Resize">, place: Value, { from, scale }: OpenAxis): Value {
  const shrink = attrs.antialias === 1 ? g.min(scale, 1) : g.scalar(1, scale);
  const weigh = (distance: Value) => {
    const steps = g.mul(distance, shrink);
    return attrs.mode === "cubic" ? keysCubic(g, g.abs(steps), attrs.cubic_coeff_a) : weights(g, steps);
  };
  const element = upTo(g, from);
  const inside = weigh(g.sub(element, place));
  if (attrs.exclude_outside === 1) return g.div(inside, g.sum(inside, [1], true));
  const reach = g.op("Ceil", [g.div(g.scalar(attrs.mode === "cubic" ? 2 : 1, scale), shrink)]);
  const tap = g.sub(upTo(g, g.mul(reach, 2)), g.sub(reach, 1));
  const at = g.add(g.op("Floor", [place]), tap);
  const weight = weigh(g.sub(at, place));
  const end = (element: Value, isBeyond: Value) =>
    g.mul(g.cast(element, weight), g.sum(g.where(isBeyond, weight, 0), [1], true));
  const last = g.sub(from, 1);
  const before = end(g.equal(element, 0), g.less(at, 0));
  const after = end(g.equal(element, last), g.greater(at, last));
  return g.div(g.add(inside, g.add(before, after)), g.sum(weight, [1], true));
}

/**
 * The same where the nearest element counts. Which one that is turns on the last digit of a place, which runtimes round each
 * in their own way: so the node's own operator is asked, by the numbers of the elements. A second axis of the column is
 * doubled, so that it is not copied for keeping its size.
 *
 * @throws autodiff/no-gradient for those of open sizes that keep their ratio.
 */
export function nearestMatrix(backward: Backward<"Resize">, axis: number, index: number): Value {
  const { g, dy, x, attrs } = backward;
  refuseRatio(backward, axis);
  const { mode, nearest_mode, coordinate_transformation_mode } = attrs;
  const like = g.constant([0], "float32", []);
  const elements = upTo(g, counted(g, g.sizeOf(x[0], axis), like));
  const scale = scaleOf(backward, index);
  const factors = scale
    ? [undefined, g.concat([scale, g.constant([2])], 0)]
    : [undefined, undefined, g.concat([g.sizeOf(dy, axis), g.ints([2])], 0)];
  const region = coordinate_transformation_mode === cropping ? regionOf(backward, index, like) : undefined;
  const [begin, end] = region ?? [];
  const corners = begin && end && g.concat([begin, g.constant([0]), end, g.constant([1])], 0);
  const resized = g.op("Resize", [g.unsqueeze(elements, [1]), corners, ...factors.slice(1)], {
    mode,
    nearest_mode,
    coordinate_transformation_mode,
    // no element has this number
    extrapolation_value: corners && -1,
  });
  const column = g.slice(resized, [1], [0], [1]);
  return g.cast(g.equal(column, elements), dy);
}

function refuseRatio({ node, attrs }: Backward<"Resize">, axis: number): void {
  if (attrs.keep_aspect_ratio_policy !== "stretch")
    noGradient(node, `axis ${axis} has no size known before running, by which the nearest element is told`);
}

/** Begin and end of the region along an axis, as vectors of one. */
function regionOf({ g, x, attrs }: Backward<"Resize">, index: number, like: Value): readonly [Value, Value] {
  const [input, corners] = x;
  const count = attrs.axes.length > 0 ? attrs.axes.length : rankOf(input);
  const corner = (i: number) => g.cast(g.slice(corners, [0], [i], [i + 1]), like);
  return [corner(index), corner(count + index)];
}

/**
 * The scale that is given for an axis, or that keeps the ratio of all, as a vector of one; undefined where sizes are given
 * and nothing is kept. 1 where the whole keeps its shape: that is copied, whatever the scales say.
 */
function scaleOf(backward: Backward<"Resize">, index: number): Value | undefined {
  const { g, has, dy, x, attrs } = backward;
  const [input, , scales] = x;
  const isScaled = has(2) && scales.shape?.[0] !== 0;
  if (!isScaled && attrs.keep_aspect_ratio_policy === "stretch") return undefined;
  const scale = isScaled ? g.slice(scales, [0], [index], [index + 1]) : keptRatio(backward);
  const surelyChanges = input.shape?.some((from, axis) => {
    const to = dy.shape?.[axis];
    return typeof from === "number" && typeof to === "number" && from !== to;
  });
  if (surelyChanges) return scale;
  const differences = g.abs(g.sub(g.op("Shape", [input]), g.op("Shape", [dy])));
  return g.where(g.equal(g.op("ReduceSum", [differences], { keepdims: 0 }), 0), 1, scale);
}

/** The one scale of all axes where they keep their ratio, as a vector of one. */
function keptRatio({ g, x: [input, , , asked], attrs }: Backward<"Resize">): Value {
  const all = g.shapeOf(input);
  const sizes = attrs.axes.length > 0 ? g.op("Gather", [all, g.ints(attrs.axes)]) : all;
  const ratios = g.div(g.cast(asked, "float32"), g.cast(sizes, "float32"));
  const isLeast = attrs.keep_aspect_ratio_policy === "not_larger";
  return g.op(isLeast ? "ReduceMin" : "ReduceMax", [ratios], { keepdims: 1 });
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
function placeOf(backward: Backward<"Resize">, index: number, { from, to, scale }: OpenAxis): Value {
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
    case cropping: {
      const [begin, end] = regionOf(backward, index, from).map((corner) => g.squeeze(corner, [0])) as [
        Value,
        Value,
      ];
      const last = g.sub(from, 1);
      const along = g.mul(g.mul(outputs, g.sub(end, begin)), last);
      const spread = g.add(g.mul(begin, last), g.div(along, g.max(g.sub(to, 1), 1)));
      const middle = g.mul(g.mul(g.add(begin, end), 0.5), last);
      const cut = g.where(g.greater(to, 1), spread, middle);
      // an axis of scale 1 stays as it is: so do runtimes
      return g.where(g.equal(scale, 1), outputs, cut);
    }
    default:
      return bug(`a Resize has coordinates "${attrs.coordinate_transformation_mode}"`);
  }
}
