import type { DataType } from "../tensor.ts";

/** A float type of at most 8 bits: a sign bit, exponent bits, mantissa bits. */
interface Format {
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly bias: number;
  /** What the patterns besides finite numbers are; the numbers of those without the sign bit. */
  readonly special: (magnitude: number, negative: boolean) => number | undefined;
}

const nan = Number.NaN;
/** FNUZ types have no negative zero: its pattern is their only NaN. */
const onlyMinusZero: Format["special"] = (magnitude, negative) =>
  magnitude === 0 && negative ? nan : undefined;

/** Source: ONNX's "Float stored in 8 bits" and the OCP microscaling formats 1.0. */
const formats = {
  float8e4m3fn: { exponentBits: 4, mantissaBits: 3, bias: 7, special: (m) => (m === 0x7f ? nan : undefined) },
  float8e4m3fnuz: { exponentBits: 4, mantissaBits: 3, bias: 8, special: onlyMinusZero },
  float8e5m2: {
    exponentBits: 5,
    mantissaBits: 2,
    bias: 15,
    special: (m) => (m === 0x7c ? Number.POSITIVE_INFINITY : m > 0x7c ? nan : undefined),
  },
  float8e5m2fnuz: { exponentBits: 5, mantissaBits: 2, bias: 16, special: onlyMinusZero },
  float4e2m1: { exponentBits: 2, mantissaBits: 1, bias: 1, special: () => undefined },
} as const satisfies { readonly [D in DataType]?: Format };

function decode(bits: number, { exponentBits, mantissaBits, bias, special }: Format): number {
  const magnitude = bits & (2 ** (exponentBits + mantissaBits) - 1);
  const negative = magnitude !== bits;
  const exponent = magnitude >> mantissaBits;
  const fraction = (magnitude & (2 ** mantissaBits - 1)) / 2 ** mantissaBits;
  const finite = exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
  return (negative ? -1 : 1) * (special(magnitude, negative) ?? finite);
}

/** The pattern whose number is nearest, of two the even one; what overflows becomes the greatest finite number. */
function encode(value: number, numbers: Float64Array): number {
  if (Number.isNaN(value)) return numbers.findIndex(Number.isNaN);
  let best = 0;
  for (const [bits, number] of numbers.entries()) {
    if (!Number.isFinite(number) && number !== value) continue;
    const [distance, least] = [Math.abs(number - value), Math.abs(numbers[best]! - value)];
    if (
      distance < least ||
      Object.is(number, value) ||
      (distance === least && bits % 2 === 0 && best % 2 === 1)
    )
      best = bits;
  }
  return best;
}

function pattern(bits: number, toNumber: (bits: number) => number) {
  const numbers = new Float64Array(2 ** bits).map((_, i) => toNumber(i));
  return {
    toNumber: (i: number) => numbers[i]!,
    toBits: (value: number) => encode(value, numbers),
    /** Greatest finite number. */
    largest: Math.max(...numbers.filter(Number.isFinite)),
    /** What stands for what is larger still: infinity where the type has one, else no number. */
    beyond: numbers.includes(Number.POSITIVE_INFINITY) ? Number.POSITIVE_INFINITY : nan,
  };
}

const ofFormat = (format: Format) =>
  pattern(1 + format.exponentBits + format.mantissaBits, (bits) => decode(bits, format));

/** Conversions of the float types of at most 8 bits. */
export const smallFloats = {
  float8e4m3fn: ofFormat(formats.float8e4m3fn),
  float8e4m3fnuz: ofFormat(formats.float8e4m3fnuz),
  float8e5m2: ofFormat(formats.float8e5m2),
  float8e5m2fnuz: ofFormat(formats.float8e5m2fnuz),
  float4e2m1: ofFormat(formats.float4e2m1),
  /** An exponent alone: powers of two, and NaN. */
  float8e8m0: pattern(8, (bits) => (bits === 255 ? nan : 2 ** (bits - 127))),
};

export type SmallFloat = keyof typeof smallFloats;
export const isSmallFloat = (dtype: DataType): dtype is SmallFloat => Object.hasOwn(smallFloats, dtype);

/**
 * A number as ONNX's Cast rounds it to a type of at most 8 bits. With `saturate` what overflows, the infinities too,
 * becomes the largest finite number; without, an infinity where the type has one, else no number. A type without NaN has 0 for it.
 */
export function roundToSmall(value: number, dtype: SmallFloat, saturate: boolean): number {
  const { toBits, toNumber, largest, beyond } = smallFloats[dtype];
  if (Number.isNaN(value)) return toNumber(toBits(value)) ?? 0;
  const halfStep = (largest - toNumber(toBits(largest) - 1)) / 2;
  if (!saturate && Math.abs(value) >= largest + halfStep) return Math.sign(value) * beyond;
  return toNumber(toBits(Math.max(-largest, Math.min(value, largest))));
}
