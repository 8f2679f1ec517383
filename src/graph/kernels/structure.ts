import { constantOf, fillOf } from "../attributes.ts";
import { dataTypeOf } from "../element-types.ts";
import { sizeOf } from "../tensor.ts";
import { toNdArray } from "./convert.ts";
import {
  axesOf,
  axisWithin,
  type Kernel,
  type Kernels,
  required,
  shapeMismatch,
  unsupported,
} from "./kernel.ts";
import { filled, ndArray, settle } from "./nd-array.ts";
import { broadcastDims, expand, pick, range, reshaped, stridesOf, transpose } from "./offsets.ts";

/** 0 keeps the input's size there (unless allowzero), −1 takes what is left. */
const reshape: Kernel<"Reshape"> = (call) => {
  const x = required(call, 0);
  const asked = Array.from(required(call, 1).data, (size, axis) =>
    size === 0 && !call.attributes.allowzero ? (x.dims[axis] ?? 0) : size,
  );
  const known = sizeOf(asked.filter((size) => size !== -1));
  const rest = known === 0 ? 0 : x.data.length / known;
  return [
    reshaped(
      x,
      asked.map((size) => (size === -1 ? rest : size)),
    ),
  ];
};

const flatten: Kernel<"Flatten"> = (call) => {
  const x = required(call, 0);
  const { axis } = call.attributes;
  const from = axis < 0 ? axis + x.dims.length : axis;
  return [reshaped(x, [sizeOf(x.dims.slice(0, from)), sizeOf(x.dims.slice(from))])];
};

const squeeze: Kernel<"Squeeze"> = (call) => {
  const x = required(call, 0);
  const axes =
    axesOf(call.inputs[1], x.dims.length) ?? range(x.dims.length).filter((axis) => x.dims[axis] === 1);
  return [
    reshaped(
      x,
      x.dims.filter((_, axis) => !axes.includes(axis)),
    ),
  ];
};

const unsqueeze: Kernel<"Unsqueeze"> = (call) => {
  const x = required(call, 0);
  const added = required(call, 1);
  const rank = x.dims.length + added.data.length;
  const axes = axesOf(added, rank) ?? [];
  const sizes = x.dims.values();
  return [
    reshaped(
      x,
      range(rank).map((axis) => (axes.includes(axis) ? 1 : sizes.next().value!)),
    ),
  ];
};

/** Broadcasts both ways: a size 1 that is asked for keeps the input's. */
const expandTo: Kernel<"Expand"> = (call) => {
  const x = required(call, 0);
  return [expand(x, broadcastDims([x.dims, Array.from(required(call, 1).data)]))];
};

const tile: Kernel<"Tile"> = (call) => {
  const x = required(call, 0);
  const repeats = required(call, 1).data;
  return [
    pick(
      x,
      x.dims.map((size, axis) => range(size * repeats[axis]!).map((i) => i % size)),
    ),
  ];
};

const concat: Kernel<"Concat"> = (call) => {
  const parts = call.inputs.filter((input) => input !== undefined);
  const [first] = parts;
  if (!first) return shapeMismatch("Concat", "there is nothing to join", "Give it an input.");
  const axis = axisWithin(call.attributes.axis, first.dims.length);
  for (const { dims } of parts)
    if (dims.length !== first.dims.length || dims.some((size, i) => i !== axis && size !== first.dims[i]))
      return shapeMismatch(
        `Concat of ${parts.map((p) => `[${p.dims}]`).join(" · ")} along axis ${axis}`,
        "sizes differ on another axis",
        "Join arrays that agree on every other axis.",
      );
  const dims = first.dims.map((size, i) =>
    i === axis ? parts.reduce((n, p) => n + p.dims[axis]!, 0) : size,
  );
  const data = new Float64Array(sizeOf(dims));
  const blocks = sizeOf(dims.slice(0, axis));
  for (let block = 0, at = 0; block < blocks; block++)
    for (const part of parts) {
      const length = part.data.length / blocks;
      data.set(part.data.subarray(block * length, (block + 1) * length), at);
      at += length;
    }
  return [ndArray(first.dtype, dims, data)];
};

/** Sizes are given, or equal parts of which the last may be smaller. */
const split: Kernel<"Split"> = (call) => {
  const x = required(call, 0);
  const axis = axisWithin(call.attributes.axis, x.dims.length);
  const size = x.dims[axis]!;
  const count = call.attributes.num_outputs ?? call.node.outputs.length;
  const part = Math.ceil(size / count);
  const equal = range(count).map((i) => Math.max(0, Math.min(part, size - i * part)));
  const sizes = call.inputs[1] ? Array.from(call.inputs[1].data) : equal;
  if (sizes.reduce((a, b) => a + b, 0) !== size)
    return shapeMismatch(
      `Split of [${x.dims}] along axis ${axis}`,
      `the parts ${sizes} do not add up to ${size}`,
      "Give parts that cover the axis.",
    );
  let start = 0;
  return sizes.map((length) => {
    const from = start;
    start += length;
    return pick(
      x,
      x.dims.map((whole, i) => (i === axis ? range(length).map((k) => from + k) : range(whole))),
    );
  });
};

const trilu: Kernel<"Trilu"> = (call) => {
  const x = required(call, 0);
  const diagonal = call.inputs[1]?.data[0] ?? 0;
  const [rows, columns] = x.dims.slice(-2) as [number, number];
  const keeps = (i: number) => {
    const distance = (i % columns) - (Math.floor(i / columns) % rows);
    return call.attributes.upper ? distance >= diagonal : distance <= diagonal;
  };
  return [
    ndArray(
      x.dtype,
      x.dims,
      x.data.map((value, i) => (keeps(i) ? value : 0)),
    ),
  ];
};

const constant: Kernel<"Constant"> = ({ node }) => {
  const tensor = constantOf(node);
  return tensor ? [toNdArray(tensor)] : unsupported(node, "holds a sparse tensor");
};

const constantOfShape: Kernel<"ConstantOfShape"> = (call) => {
  const { dtype, data } = toNdArray(fillOf(call.node));
  return [filled(dtype, Array.from(required(call, 0).data), data[0])];
};

const rangeOp: Kernel<"Range"> = (call) => {
  const [start, limit, delta] = [0, 1, 2].map((i) => required(call, i).data[0]!) as [number, number, number];
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  const data = new Float64Array(count);
  for (let i = 0; i < count; i++) data[i] = start + i * delta;
  return [ndArray(required(call, 0).dtype, [count], data)];
};

const oneHot: Kernel<"OneHot"> = (call) => {
  const [indices, depth, values] = [required(call, 0), required(call, 1).data[0]!, required(call, 2)];
  const [off, on] = values.data as unknown as [number, number];
  const axis = axisWithin(call.attributes.axis, indices.dims.length + 1);
  const dims = indices.dims.toSpliced(axis, 0, depth);
  const stride = stridesOf(dims)[axis]!;
  const made = filled(values.dtype, dims, off);
  for (const [i, index] of indices.data.entries()) {
    const hot = index < 0 ? index + depth : index;
    if (hot < 0 || hot >= depth) continue;
    made.data[Math.floor(i / stride) * stride * depth + hot * stride + (i % stride)] = on;
  }
  return [made];
};

/** Coordinates of what is not zero: [rank, count], in row-major order. */
const nonZero: Kernel<"NonZero"> = (call) => {
  const x = required(call, 0);
  const found = range(x.data.length).filter((i) => x.data[i] !== 0);
  const coordinates = stridesOf(x.dims).flatMap((stride, axis) =>
    found.map((i) => Math.floor(i / stride) % x.dims[axis]!),
  );
  return [ndArray("int64", [x.dims.length, found.length], coordinates)];
};

const eyeLike: Kernel<"EyeLike"> = (call) => {
  const x = required(call, 0);
  const { dtype, k } = call.attributes;
  const columns = x.dims[1]!;
  const type = dtype === undefined ? x.dtype : (dataTypeOf(dtype) ?? x.dtype);
  const data = x.data.map((_, i) => ((i % columns) - Math.floor(i / columns) === k ? 1 : 0));
  return [settle(ndArray(type, x.dims, data))];
};

export const structure = {
  Transpose: (call) => {
    const x = required(call, 0);
    const { perm } = call.attributes;
    return [transpose(x, perm.length > 0 ? perm : range(x.dims.length).reverse())];
  },
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Expand: expandTo,
  Tile: tile,
  Concat: concat,
  Split: split,
  Trilu: trilu,
  Shape: (call) => {
    const { dims } = required(call, 0);
    const sizes = dims.slice(call.attributes.start, call.attributes.end);
    return [ndArray("int64", [sizes.length], sizes)];
  },
  Size: (call) => [ndArray("int64", [], [required(call, 0).data.length])],
  ConstantOfShape: constantOfShape,
  Constant: constant,
  Range: rangeOp,
  OneHot: oneHot,
  NonZero: nonZero,
  EyeLike: eyeLike,
} satisfies Kernels;
