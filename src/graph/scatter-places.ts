import { attributesOf } from "./attributes.ts";
import { knownNumbers } from "./infer.ts";
import type { Node } from "./ir.ts";
import { toNdArray } from "./kernels/convert.ts";

/**
 * Whether the places that the indices of a ScatterElements or ScatterND name are known and none is named twice. Of places
 * named twice ONNX leaves open which update stays, or adds and multiplies all of them.
 */
export function namesPlacesOnce(node: Node): boolean {
  const [data, indices] = node.inputs;
  const dims = indices?.shape;
  const known = indices?.constant ? toNdArray(indices.constant).data : knownNumbers(indices);
  if (!known || !dims?.every((size) => typeof size === "number")) return false;
  const sizes = data?.shape ?? [];
  const fromFront = (index: number, axis: number): number | undefined => {
    const size = sizes[axis];
    return index >= 0 ? index : typeof size === "number" ? index + size : undefined;
  };
  const walk = node.op === "ScatterND" ? rowsOf(dims) : linesOf(node, dims);
  if (walk.depth === 0) return false; // every update is of the whole
  const places = new Set<string>();
  for (let i = 0; i < known.length; i += walk.depth) {
    const coordinates = Array.from({ length: walk.depth }, (_, k) => fromFront(known[i + k]!, walk.axis + k));
    // an index that counts from an end nobody knows may be any other
    if (coordinates.includes(undefined)) return false;
    places.add(`${walk.lineOf(i)} ${coordinates}`);
  }
  return places.size === known.length / walk.depth;
}

/** How indices are read: so many for a place, the first of them along an axis; places of different lines never meet. */
interface Walk {
  readonly depth: number;
  readonly axis: number;
  readonly lineOf: (index: number) => number;
}

const rowsOf = (dims: readonly number[]): Walk => ({
  depth: dims.at(-1) ?? 0,
  axis: 0,
  lineOf: () => 0,
});

function linesOf(node: Node, dims: readonly number[]): Walk {
  const { axis } = attributesOf(node, "ScatterElements");
  const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const along = inner * dims[axis]!;
  return { depth: 1, axis, lineOf: (i) => Math.floor(i / along) * inner + (i % inner) };
}
