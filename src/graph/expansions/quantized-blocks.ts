import { type GraphBuilder, range, rankOf } from "../builder.ts";
import type { Node, Value } from "../ir.ts";
import { toNdArray } from "../kernels/convert.ts";
import type { AttributesOf } from "../schemas.ts";
import { type Expansions, noExpansion, sizesOf } from "./expansion.ts";

/** Bytes as the whole numbers of fewer bits that they hold, low bits first, side by side in the last axis. */
export function unpacked(g: GraphBuilder, node: Node, bytes: Value, bits: number): Value {
  if (bits === 8) return bytes;
  const sizes = sizesOf(node, bytes, "the sizes");
  const byte = (value: number) => g.constant([value], "uint8", []);
  const fields = range(8 / bits).map((i) => {
    const shifted = i === 0 ? bytes : g.op("BitShift", [bytes, byte(i * bits)], { direction: "RIGHT" });
    return g.unsqueeze(g.op("BitwiseAnd", [shifted, byte(2 ** bits - 1)]), [sizes.length]);
  });
  return g.reshape(g.concat(fields, sizes.length), [...sizes.slice(0, -1), sizes.at(-1)! * fields.length]);
}

/**
 * The weight [N, K] of a MatMulNBits node in the type of its scales.
 *
 * Made of constants, so that the runtime computes it once. Stored: [N, blocks, bytes of a block], a scale and a zero point
 * for each block; packed zero points begin a new byte at every row.
 */
export function blockwiseWeight(
  g: GraphBuilder,
  node: Node,
  [, bytes, scales, zeros, order]: readonly (Value | undefined)[],
  { K: columns, N: rows, bits, block_size: block }: AttributesOf<"com.microsoft.MatMulNBits">,
): Value {
  const blocks = Math.ceil(columns / block);
  const packedZeros = zeros?.dtype === "uint8" ? zeros : undefined;
  if (order && packedZeros && !areMiddle(packedZeros, bits, blocks))
    return noExpansion(
      node,
      "where its columns have an order ONNX Runtime's CPU kernel leaves packed zero points out, as if all were in the middle, which these are not",
    );
  const perBlock = (value: Value) => g.reshape(value, [rows, blocks]);
  const packed = () => {
    const all = unpacked(g, node, g.reshape(packedZeros!, [rows, Math.ceil((blocks * bits) / 8)]), bits);
    return g.slice(all, [1], [0], [blocks]);
  };
  const scale = perBlock(scales!);
  const zero = zeros && g.cast(packedZeros ? packed() : perBlock(zeros), scale);
  const whole = g.reshape(unpacked(g, node, bytes!, bits), [rows, blocks * block]);
  const real = g.cast(g.slice(whole, [1], [0], [columns]), scale);
  const blockOf = order ?? g.ints(range(columns).map((column) => Math.floor(column / block)));
  const ofColumns = (value: Value) => g.op("Gather", [value, blockOf], { axis: 1 });
  return g.mul(g.sub(real, zero ? ofColumns(zero) : 2 ** (bits - 1)), ofColumns(scale));
}

/** Whether packed zero points are constants in the middle of what their bits hold, in rows of `blocks` of them. */
function areMiddle({ constant }: Value, bits: number, blocks: number): boolean {
  const bytes = constant && toNdArray(constant).data;
  const perByte = 8 / bits;
  const perRow = Math.ceil(blocks / perByte) * perByte;
  const zeroAt = (i: number) =>
    (bytes![Math.floor(i / perByte)]! >> (bits * (i % perByte))) & (2 ** bits - 1);
  return (
    bytes !== undefined &&
    range(bytes.length * perByte).every((i) => i % perRow >= blocks || zeroAt(i) === 2 ** (bits - 1))
  );
}

/** What the 16 codes of bitsandbytes' two types stand for. Source: Dettmers et al. 2023, arXiv:2305.14314, and its kernels. */
const fourBitFloats = [0, 0.0625 / 12, 2 / 3, 1, 1 / 3, 0.5, 1 / 6, 0.25];
const codes: readonly (readonly number[])[] = [
  [...fourBitFloats, ...fourBitFloats.map((value) => -value)],
  [
    -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
  ],
];

/** The 16 numbers of MatMulBnb4's `quant_type`: 0 is FP4, 1 is NF4. */
export const codedFloats = (type: number): readonly number[] => codes[type]!;

/** The weight [N, K] of a MatMulBnb4 node in the type of its scales: codes, high bits first, in blocks that cross rows. */
export function codedWeight(
  g: GraphBuilder,
  node: Node,
  [, bytes, scales]: readonly (Value | undefined)[],
  { K: columns, N: rows, block_size: block, quant_type, transB }: AttributesOf<"com.microsoft.MatMulBnb4">,
): Value {
  if (transB !== 1)
    noExpansion(node, "its weight is not transposed, which ONNX Runtime's CPU kernel does not do");
  const count = columns * rows;
  const pairs = g.reshape(unpacked(g, node, bytes!, 4), [-1, 2]);
  const codesInOrder = g.reshape(g.op("Gather", [pairs, g.ints([1, 0])], { axis: 1 }), [-1]);
  const code = g.slice(codesInOrder, [0], [0], [count]);
  const values = g.constant(codes[quant_type]!, scales!.dtype ?? "float32");
  const blockOf = g.ints(range(count).map((i) => Math.floor(i / block)));
  const scale = g.op("Gather", [scales, blockOf]);
  return g.reshape(g.mul(g.op("Gather", [values, g.cast(code, "int32")]), scale), [rows, columns]);
}

export const quantizedBlocks = {
  "com.microsoft.MatMulBnb4": ({ g, node, x, attrs }) =>
    g.matmul(x[0], g.transpose(codedWeight(g, node, x, attrs), [1, 0])),
  "com.microsoft.MatMulNBits": ({ g, node, x, attrs }) => {
    const product = g.matmul(x[0], g.transpose(blockwiseWeight(g, node, x, attrs), [1, 0]));
    return x[5] ? g.add(product, x[5]) : product;
  },
  "com.microsoft.GatherBlockQuantized": ({ g, node, x, attrs }) => {
    const { bits, block_size, gather_axis, quantize_axis } = attrs;
    const [data, indices, scales, zeros] = x as readonly (Value | undefined)[];
    // bytes hold two numbers, whose 0 is in the middle
    const isPacked = data!.dtype === "uint8";
    const whole = isPacked ? unpacked(g, node, data!, bits) : data!;
    const given = zeros && isPacked ? unpackedZeros(g, node, zeros, scales!, bits) : zeros;
    const middle = isPacked ? g.constant([2 ** (bits - 1)], "uint8", []) : undefined;
    const zero = given ?? (middle && g.expandLike(middle, scales!));
    const table = g.op("DequantizeLinear", [whole, scales, zero], { axis: quantize_axis, block_size });
    return g.op("Gather", [table, indices], { axis: gather_axis });
  },
} as const satisfies Expansions;

function unpackedZeros(g: GraphBuilder, node: Node, zeros: Value, scales: Value, bits: number): Value {
  const last = rankOf(scales) - 1;
  const [count] = sizesOf(node, scales, "the number of scales", last);
  return g.slice(unpacked(g, node, zeros, bits), [last], [0], [count!]);
}
