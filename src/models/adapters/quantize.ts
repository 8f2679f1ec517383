import { codedFloats } from "../../graph/expansions/quantized-blocks.ts";

/** A weight [in, out] in int8: the real number is the whole one times the scale of its column. */
export interface WholeWeight {
  readonly whole: Int8Array;
  readonly scales: Float32Array;
}

/** weight: [out, in]. The largest number of a column becomes 127. */
export function toInt8(weight: Float32Array, outSize: number, inSize: number): WholeWeight {
  const whole = new Int8Array(weight.length);
  const scales = new Float32Array(outSize);
  for (let o = 0; o < outSize; o++) {
    let largest = 0;
    for (let i = 0; i < inSize; i++) largest = Math.max(largest, Math.abs(weight[o * inSize + i]!));
    const scale = Math.fround(largest / 127) || 1;
    scales[o] = scale;
    for (let i = 0; i < inSize; i++) whole[i * outSize + o] = Math.round(weight[o * inSize + i]! / scale);
  }
  return { whole, scales };
}

/** A weight in blocks of numbers of 4 bits, two a byte, with a scale for each block. */
export interface BlockWeight {
  readonly bytes: Uint8Array;
  readonly scales: Float32Array;
}

/**
 * As MatMulNBits stores it: (code − 8)·scale, low bits first; the number of a block that is farthest from 0 gets code 0.
 */
export function toInt4(weight: Float32Array, block: number): BlockWeight {
  return inBlocks(weight, block, (values) => {
    let extreme = 0;
    for (const value of values) if (Math.abs(value) > Math.abs(extreme)) extreme = value;
    const scale = Math.fround(extreme / -8) || 1;
    const code = (value: number) => Math.min(15, Math.max(0, Math.round(value / scale) + 8));
    return { scale, code, isLowFirst: true };
  });
}

const nf4 = codedFloats(1);
/** Half way from each of NF4's numbers to the next. */
const borders = nf4.slice(1).map((value, i) => (value + nf4[i]!) / 2);

/** As MatMulBnb4 stores NF4: the nearest of 16 quantiles of a normal distribution times the block's largest number, high bits first. */
export function toNf4(weight: Float32Array, block: number): BlockWeight {
  return inBlocks(weight, block, (values) => {
    let scale = 0;
    for (const value of values) scale = Math.max(scale, Math.abs(value));
    const code = (value: number) => {
      const share = scale === 0 ? 0 : value / scale;
      let at = 0;
      while (at < borders.length && share > borders[at]!) at++;
      return at;
    };
    return { scale, code, isLowFirst: false };
  });
}

function inBlocks(
  weight: Float32Array,
  block: number,
  codes: (values: Float32Array) => {
    readonly scale: number;
    readonly code: (value: number) => number;
    readonly isLowFirst: boolean;
  },
): BlockWeight {
  const bytes = new Uint8Array(weight.length / 2);
  const scales = new Float32Array(weight.length / block);
  for (let b = 0; b < scales.length; b++) {
    const values = weight.subarray(b * block, (b + 1) * block);
    const { scale, code, isLowFirst } = codes(values);
    scales[b] = scale;
    for (let i = 0; i < block; i += 2) {
      const [first, second] = [code(values[i]!), code(values[i + 1]!)];
      bytes[(b * block + i) / 2] = isLowFirst ? first | (second << 4) : (first << 4) | second;
    }
  }
  return { bytes, scales };
}
