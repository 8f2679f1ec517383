import { toBfloat16, toFloat16 } from "../../base/half.ts";
import { type Attribute, Graph } from "../ir.ts";
import { fromNdArray } from "../kernels/convert.ts";
import { ndArray } from "../kernels/nd-array.ts";
import { type DataType, float32, int64, type Tensor, tensorOf } from "../tensor.ts";

/** What a builder takes for an attribute; an attribute that is undefined is left out. */
export type AttributeInput =
  | number
  | string
  | readonly number[]
  | readonly string[]
  | Tensor
  | Graph
  | undefined;

/** Attributes that hold a float, or a list of them. Every other number is an int: a plain number does not say which it is. */
const floatAttributes: ReadonlySet<string> = new Set([
  "activation_alpha",
  "activation_beta",
  "activation_gamma",
  "activation_params",
  "alpha",
  "beta",
  "bias",
  "clip",
  "cubic_coeff_a",
  "epsilon",
  "extrapolation_value",
  "gamma",
  "lambd",
  "mask_filter_value",
  "momentum",
  "scale",
  "softcap",
  "spatial_scale",
]);

/** An attribute as the graph stores it. */
export function attributeOf(key: string, value: Exclude<AttributeInput, undefined>): Attribute {
  if (typeof value === "string") return { type: "string", value };
  if (typeof value === "number") return { type: floatAttributes.has(key) ? "float" : "int", value };
  if (value instanceof Graph) return { type: "graph", value };
  if ("dtype" in value) return { type: "tensor", value };
  if (isTexts(value)) return { type: "strings", value };
  return { type: floatAttributes.has(key) ? "floats" : "ints", value };
}

const isTexts = (list: readonly number[] | readonly string[]): list is readonly string[] =>
  typeof list[0] === "string";

/** A tensor of ordinary numbers. */
export function encode(dtype: DataType, dims: readonly number[], values: readonly number[]): Tensor {
  switch (dtype) {
    case "float32":
      return float32(dims, values);
    case "float64":
      return tensorOf(dtype, dims, Float64Array.from(values));
    case "float16":
      return tensorOf(dtype, dims, Uint16Array.from(values, toFloat16));
    case "bfloat16":
      return tensorOf(dtype, dims, Uint16Array.from(values, toBfloat16));
    case "int64":
      return int64(dims, values);
    default:
      return fromNdArray(ndArray(dtype, dims, values));
  }
}
