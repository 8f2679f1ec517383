import { sizeOf, type Tensor, tensorOf } from "../../graph/tensor.ts";

/** Numbers of a float32 tensor. */
export function floatsOf({ data }: Tensor): Float32Array {
  const bytes = data.read();
  // a view of four bytes a number must begin at a multiple of four
  return bytes.byteOffset % 4 === 0
    ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
    : new Float32Array(Uint8Array.from(bytes).buffer);
}

/** The nearest whole number, halves to even, as IEEE 754 and NumPy round. */
function nearestEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The nearest whole number, halves away from zero, as C rounds. */
const nearestAway = (value: number): number => Math.sign(value) * Math.floor(Math.abs(value) + 0.5);

/** Whole numbers −127 … 127 and the scale of each channel: the real number is their product. */
export interface Int8Weight {
  readonly whole: Tensor;
  /** float32 [channels] */
  readonly scales: Tensor;
}

/**
 * A tensor in int8, symmetric about 0, with a scale for each index of one axis.
 * Equal to what onnxruntime.quantization makes of weights by channel.
 */
export function toInt8({ dims, data, dtype }: Tensor, axis: number): Int8Weight {
  const values = floatsOf({ dims, data, dtype });
  const channels = dims[axis]!;
  const inner = sizeOf(dims.slice(axis + 1));
  const channelOf = (i: number) => Math.floor(i / inner) % channels;
  const largest = new Float32Array(channels);
  for (let i = 0; i < values.length; i++) {
    const channel = channelOf(i);
    largest[channel] = Math.max(largest[channel]!, Math.abs(values[i]!));
  }
  const scales = largest.map((most) => Math.fround(Math.fround(2 * most) / 254) || 1);
  const whole = new Int8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const share = Math.fround(values[i]! / scales[channelOf(i)]!);
    whole[i] = Math.min(127, Math.max(-127, nearestEven(share)));
  }
  return { whole: tensorOf("int8", dims, whole), scales: tensorOf("float32", [channels], scales) };
}

/** A matrix [inputs, outputs] as MatMulNBits takes it. */
export interface Int4Weight {
  /** Two numbers a byte, low bits first: uint8 [outputs, blocks, block / 2]. */
  readonly packed: Tensor;
  /** float32 [outputs · blocks] */
  readonly scales: Tensor;
  /** Two a byte, low bits first, each output beginning a byte: uint8 [outputs · ⌈blocks / 2⌉]. Absent: 8 everywhere. */
  readonly zeroPoints?: Tensor;
}

/** How the 16 numbers of a block lie: about 0, or over the range of the block. */
export type BlockKind = "symmetric" | "asymmetric";

/**
 * Blocks of 4-bit numbers along the inputs of a matrix [inputs, outputs]; the last block is filled up with zeros.
 * Equal to the bytes of onnxruntime's matmul_nbits_quantizer.
 */
export function toInt4(weight: Tensor, kind: BlockKind, block = 32): Int4Weight {
  const [inputs, outputs] = weight.dims as readonly [number, number];
  const values = floatsOf(weight);
  const blocks = Math.ceil(inputs / block);
  const packed = new Uint8Array((outputs * blocks * block) / 2);
  const scales = new Float32Array(outputs * blocks);
  const zeroBytes = Math.ceil(blocks / 2);
  const zeros = new Uint8Array(outputs * zeroBytes).fill(0x88);
  const column = new Float32Array(block);
  for (let o = 0; o < outputs; o++)
    for (let b = 0; b < blocks; b++) {
      for (let i = 0; i < block; i++) {
        const row = b * block + i;
        column[i] = row < inputs ? values[row * outputs + o]! : 0;
      }
      const { scale, zero } = scalings[kind](column);
      const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
      const code = (value: number) =>
        Math.min(15, Math.max(0, nearestAway(Math.fround(Math.fround(value * inverse) + zero))));
      const at = o * blocks + b;
      scales[at] = scale;
      // what lies beyond the last input is left 0, as in ONNX Runtime
      for (let i = 0; i < block && b * block + i < inputs; i += 2)
        packed[(at * block + i) / 2] = code(column[i]!) | (code(column[i + 1]!) << 4);
      const place = o * zeroBytes + (b >> 1);
      zeros[place] = b % 2 === 0 ? (zeros[place]! & 0xf0) | zero : (zeros[place]! & 0x0f) | (zero << 4);
    }
  return {
    packed: tensorOf("uint8", [outputs, blocks, block / 2], packed),
    scales: tensorOf("float32", [scales.length], scales),
    ...(kind === "asymmetric" && { zeroPoints: tensorOf("uint8", [zeros.length], zeros) }),
  };
}

interface Scaling {
  readonly scale: number;
  /** The code of 0: 0 … 15. */
  readonly zero: number;
}

const scalings: { readonly [K in BlockKind]: (values: Float32Array) => Scaling } = {
  /** The number that is farthest from 0 becomes −8. */
  symmetric(values) {
    const [least, most] = extent(values);
    const extreme = Math.abs(most) > Math.abs(least) ? most : least;
    return { scale: Math.fround(extreme / -8), zero: 8 };
  },
  asymmetric(values) {
    const [least, most] = extent(values);
    const scale = Math.fround(Math.fround(most - least) / 15);
    const zero = scale === 0 ? least : Math.fround(0 - Math.fround(least / scale));
    return { scale, zero: Math.min(15, Math.max(0, nearestAway(zero))) };
  },
};

/** The least and the largest number, 0 among them. */
function extent(values: Float32Array): readonly [number, number] {
  let [least, most] = [0, 0];
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return [least, most];
}
