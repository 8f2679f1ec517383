import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { float32, type Tensor } from "../../graph/tensor.ts";
import { floatsOf, toInt4, toInt8 } from "./few-bits.ts";

interface Fixture {
  readonly matrices: readonly {
    readonly dims: readonly [number, number];
    readonly values: readonly number[];
    readonly symmetric: { readonly packed: number[]; readonly scales: number[] };
    readonly asymmetric: { readonly packed: number[]; readonly scales: number[]; readonly zeros: number[] };
    readonly int8: { readonly whole: number[]; readonly scales: number[] };
  }[];
}
const { matrices } = JSON.parse(
  readFileSync(new URL("../../../tests/fixtures/export/few-bits.json", import.meta.url), "utf8"),
) as Fixture;

const bytes = ({ data }: Tensor) => [...data.read()];

test.each(matrices.map((matrix) => [matrix.dims.join(" by "), matrix] as const))(
  "%s numbers have the bytes that ONNX Runtime's quantisers give",
  (_, { dims, values, symmetric, asymmetric, int8 }) => {
    const weight = float32(dims, values);
    const even = toInt4(weight, "symmetric");
    expect(bytes(even.packed)).toEqual(symmetric.packed);
    expect([...floatsOf(even.scales)].map((scale) => scale + 0)).toEqual(symmetric.scales.map((s) => s + 0));
    expect(even.zeroPoints).toBeUndefined();
    const uneven = toInt4(weight, "asymmetric");
    expect(bytes(uneven.packed)).toEqual(asymmetric.packed);
    expect([...floatsOf(uneven.scales)]).toEqual(asymmetric.scales);
    expect(bytes(uneven.zeroPoints!)).toEqual(asymmetric.zeros);
    const whole = toInt8(weight, 1);
    expect([...new Int8Array(Uint8Array.from(bytes(whole.whole)).buffer)]).toEqual(int8.whole);
    expect([...floatsOf(whole.scales)]).toEqual(int8.scales);
  },
);

test("a kernel has a scale for each of its first axis, and a channel of zeros is one", () => {
  const kernel = float32([2, 1, 2, 2], [0, 0, 0, 0, 1, -2, 0.5, 2]);
  const { whole, scales } = toInt8(kernel, 0);
  expect([...floatsOf(scales)]).toEqual([1, Math.fround(4 / 254)]);
  expect([...new Int8Array(whole.data.read())]).toEqual([0, 0, 0, 0, 64, -127, 32, 127]);
});
