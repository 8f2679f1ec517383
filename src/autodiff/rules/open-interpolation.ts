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
  if (attrs.mode === "cubic" || attrs.antialias === 1)
    return noGradient(node, `axis ${axis} has no size known before running, which a wide filter needs`);
  if (attrs.keep_aspect_ratio_policy !== "stretch")
    return noGradient(node, `axis ${axis} has no size known before running, which keeping the ratio needs`);
  const [input, , scales] = x;
  const [from, to] = [counted(g, g.sizeOf(input, axis), dy), counted(g, g.sizeOf(dy, axis), dy)];
  const hasScales = backward.has(2) && scales?.shape?.[0] !== 0;
  const scale = hasScales
    ? g.cast(g.op("Gather", [scales!, g.constant([index], "int64", [])]), dy)
    : g.div(to, from);
  const place = placeOf(backward, { from, to, scale });
  const last = g.sub(from, 1);
  const clamp = (at: Value) => g.unsqueeze(g.max(g.min(at, last), g.scalar(0, dy)), [1]);
  const elements = upTo(g, from);
  if (attrs.mode === "nearest")
    return g.cast(g.equal(clamp(rounded(g, place, attrs.nearest_mode)), elements), dy);
  return g.max(g.sub(1, g.abs(g.sub(clamp(place), elements))), 0);
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
function placeOf({ g, node, attrs }: Backward<"Resize">, { from, to, scale }: OpenAxis): Value {
  const outputs = upTo(g, to);
  const halfPixel = g.sub(g.div(g.add(outputs, 0.5), scale), 0.5);
  switch (attrs.coordinate_transformation_mode) {
    case "half_pixel":
      return halfPixel;
    case "pytorch_half_pixel":
      return g.where(g.greater(to, 1), halfPixel, 0);
    case "half_pixel_symmetric":
      return g.add(halfPixel, g.mul(g.div(from, 2), g.sub(1, g.div(to, g.mul(scale, from)))));
    case "asymmetric":
      return g.div(outputs, scale);
    case "align_corners":
      return g.div(g.mul(outputs, g.sub(from, 1)), g.max(g.sub(to, 1), 1));
    default:
      return noGradient(node, "its region has no size known before running");
  }
}

function rounded(g: GraphBuilder, x: Value, mode: string): Value {
  switch (mode) {
    case "floor":
      return g.op("Floor", [x]);
    case "ceil":
      return g.op("Ceil", [x]);
    case "round_prefer_ceil":
      return g.op("Floor", [g.add(x, 0.5)]);
    default:
      return g.op("Ceil", [g.sub(x, 0.5)]);
  }
}
