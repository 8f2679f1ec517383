import { type GraphBuilder, range, rankOf } from "../builder.ts";
import { dataTypeOf } from "../element-types.ts";
import type { Node, Value } from "../ir.ts";
import { rangeOf } from "../kernels/nd-array.ts";
import type { DataType } from "../tensor.ts";

/** Along what the elements of a tensor have a scale each: an axis, in blocks where it says so. */
export interface ScaleAxis {
  readonly axis: number;
  readonly block_size: number;
}

/** Whether a scale or zero point counts for a block of elements along an axis. */
export const isBlocked = (parameter: Value, { block_size }: ScaleAxis): boolean =>
  block_size > 0 && rankOf(parameter) > 0;

/** The block that every element along an axis belongs to. */
export function blocksOf(g: GraphBuilder, x: Value, { axis, block_size }: ScaleAxis): Value {
  const size = x.shape?.[axis];
  if (typeof size === "number") return g.ints(range(size).map((place) => Math.floor(place / block_size)));
  const number = (value: number) => g.constant([value], "int64", []);
  const places = g.op("Range", [number(0), g.squeeze(g.sizeOf(x, axis), [0]), number(1)]);
  return g.op("Div", [places, number(block_size)]);
}

/** A scale or zero point in a shape that broadcasts over the elements of `x`. */
export function overElements(g: GraphBuilder, parameter: Value, x: Value, along: ScaleAxis): Value {
  if (isBlocked(parameter, along))
    return g.op("Gather", [parameter, blocksOf(g, x, along)], { axis: along.axis });
  const isOne = rankOf(parameter) === 0 || (parameter.shape![0] === 1 && rankOf(x) > 0);
  return isOne ? parameter : g.unsqueeze(parameter, range(1, rankOf(x) - along.axis));
}

/** The type that a QuantizeLinear node quantises to. */
export const quantizedType = (node: Node, outputDtype: number): DataType =>
  node.inputs[2]?.dtype ?? node.outputs[0]?.dtype ?? dataTypeOf(outputDtype) ?? "uint8";

/** Largest numbers of the float types of 8 bits. */
const largestOf: { readonly [D in DataType]?: number } = {
  float8e4m3fn: 448,
  float8e4m3fnuz: 240,
  float8e5m2: 57344,
  float8e5m2fnuz: 57344,
};

/** The numbers that a quantised type keeps: what lies outside is cut off. Whole numbers reach half a unit further. */
export function keptRange(dtype: DataType): readonly [least: number, greatest: number] {
  const largest = largestOf[dtype];
  if (largest !== undefined) return [-largest, largest];
  const [least, greatest] = rangeOf(dtype);
  return [least - 0.5, greatest + 0.5];
}
