import { BinaryReader } from "@bufbuild/protobuf/wire";
import { expect, test } from "vitest";
import { crc32, crc32c } from "./crc32.ts";
import { fileVersion, scalarsRecord } from "./tensorboard.ts";

/** The bytes of a record whose length and checksums hold. */
function contentOf(record: Uint8Array): Uint8Array {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const length = Number(view.getBigUint64(0, true));
  expect(record.length).toBe(length + 16);
  // unmasked as TensorFlow does it
  const unmasked = (masked: number) => {
    const rotated = (masked - 0xa282ead8) >>> 0;
    return ((rotated >>> 17) | (rotated << 15)) >>> 0;
  };
  expect(unmasked(view.getUint32(8, true))).toBe(crc32c(record.subarray(0, 8)));
  expect(unmasked(view.getUint32(12 + length, true))).toBe(crc32c(record.subarray(12, 12 + length)));
  return record.subarray(12, 12 + length);
}

test("both checksums of the digits 1 to 9 are the published ones", () => {
  const digits = new TextEncoder().encode("123456789");
  expect([crc32(digits), crc32c(digits)]).toEqual([0xcbf43926, 0xe3069283]);
});

test("a file begins with its version", () => {
  const reader = new BinaryReader(contentOf(fileVersion(1.5)));
  expect([reader.tag(), reader.double()]).toEqual([[1, 1], 1.5]);
  expect([reader.tag(), reader.string()]).toEqual([[3, 2], "brain.Event:2"]);
});

test("a step's scalars", () => {
  const scalars = [
    { tag: "train/loss", value: 0.25 },
    { tag: "rate/head", value: Number.POSITIVE_INFINITY },
  ];
  const reader = new BinaryReader(contentOf(scalarsRecord(7, 300, scalars)));
  expect([reader.tag(), reader.double()]).toEqual([[1, 1], 7]);
  expect([reader.tag(), Number(reader.int64())]).toEqual([[2, 0], 300]);
  expect(reader.tag()).toEqual([5, 2]);
  const summary = new BinaryReader(reader.bytes());
  const read = scalars.map(() => {
    expect(summary.tag()).toEqual([1, 2]);
    const value = new BinaryReader(summary.bytes());
    value.tag();
    const tag = value.string();
    value.tag();
    return { tag, value: value.float() };
  });
  expect(read).toEqual(scalars);
  expect(summary.pos).toBe(summary.len);
});
