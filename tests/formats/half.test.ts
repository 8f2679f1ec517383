import { describe, expect, test } from "vitest";
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from "../../src/base/half.ts";

/** Every bit pattern of 16 bits. */
const patterns = Array.from({ length: 65_536 }, (_, bits) => bits);
const words = new Uint32Array(1);
const number = new Float32Array(words.buffer);
const float32Of = (bits: number): number => {
  words[0] = bits;
  return number[0]!;
};

/** By another route than the code: the bits moved to a float32's places, its exponent corrected by one product. */
function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const magnitude = bits & 0x7fff;
  if (magnitude > 0x7c00) return Number.NaN;
  return magnitude === 0x7c00 ? sign / 0 : sign * float32Of(magnitude << 13) * 2 ** 112;
}
const bfloat16 = (bits: number): number => float32Of(bits * 65_536);

const kinds = [
  { name: "float16", from: fromFloat16, to: toFloat16, value: float16, infinity: 0x7c00, beyond: 65_536 },
  {
    name: "bfloat16",
    from: fromBfloat16,
    to: toBfloat16,
    value: bfloat16,
    infinity: 0x7f80,
    beyond: 2 ** 128,
  },
];

/** The float32 numbers next to a positive one. */
function neighbours(value: number): [below: number, above: number] {
  number[0] = value;
  const bits = words[0]!;
  return [float32Of(bits - 1), float32Of(bits + 1)];
}

describe.each(kinds)("$name", ({ from, to, value, infinity, beyond }) => {
  test("each of its 65,536 patterns is the number it stands for", () => {
    expect(patterns.filter((bits) => !Object.is(from(bits), value(bits)))).toEqual([]);
  });

  test("each number comes back as its pattern, what is none as one that is none", () => {
    const wrong = patterns.filter((bits) => {
      const number = value(bits);
      return Number.isNaN(number) ? !Number.isNaN(value(to(number))) : to(number) !== bits;
    });
    expect(wrong).toEqual([]);
  });

  test("halfway between two numbers the even one is taken, beside it the nearer one", () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < infinity; bits++) {
      const next = bits + 1 === infinity ? beyond : value(bits + 1);
      const middle = (value(bits) + next) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const [below, above] = neighbours(middle);
      const got = [to(below), to(middle), to(above), to(-below), to(-middle), to(-above)];
      const wanted = [bits, even, bits + 1];
      const all = [...wanted, ...wanted.map((b) => b | 0x8000)];
      if (got.some((b, i) => b !== all[i])) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  test("beyond its greatest number lies infinity", () => {
    expect([to(1e39), to(-1e39), to(Number.POSITIVE_INFINITY), to(Number.NEGATIVE_INFINITY)]).toEqual([
      infinity,
      infinity | 0x8000,
      infinity,
      infinity | 0x8000,
    ]);
  });
});
