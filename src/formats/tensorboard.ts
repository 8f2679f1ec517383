import { BinaryWriter } from "@bufbuild/protobuf/wire";

/** A number of a run at a step, as TensorBoard draws it: tags with a slash are grouped by what is before it. */
export interface Scalar {
  readonly tag: string;
  readonly value: number;
}

/** The record that a file of events begins with. `wallTime`: seconds since 1970. */
export const fileVersion = (wallTime: number): Uint8Array =>
  framed(
    new BinaryWriter().uint32(tag(1, fixed64)).double(wallTime).uint32(tag(3, bytes)).string("brain.Event:2"),
  );

/** A record of an event file: the scalars of a step (tensorflow.Event with a Summary). `wallTime`: seconds since 1970. */
export function scalarsRecord(wallTime: number, step: number, scalars: readonly Scalar[]): Uint8Array {
  const event = new BinaryWriter()
    .uint32(tag(1, fixed64))
    .double(wallTime)
    .uint32(tag(2, varint))
    .int64(step)
    .uint32(tag(5, bytes))
    .fork();
  for (const scalar of scalars)
    event
      .uint32(tag(1, bytes))
      .fork()
      .uint32(tag(1, bytes))
      .string(scalar.tag)
      .uint32(tag(2, fixed32))
      .float(toFloat(scalar.value))
      .join();
  return framed(event.join());
}

const [varint, fixed64, bytes, fixed32] = [0, 1, 2, 5] as const;
const tag = (field: number, type: number): number => (field << 3) | type;

/** A number that float32 has no room for is infinite in it. */
const toFloat = (value: number): number => Math.fround(value);

/** TFRecord: length, its checksum, the bytes, their checksum; all little-endian. */
function framed(message: BinaryWriter): Uint8Array {
  const data = message.finish();
  const record = new Uint8Array(data.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, masked(data), true);
  return record;
}

/** CRC-32C, rotated and moved, so that the checksum of bytes that hold one is not a special one. */
function masked(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** The checksum of Castagnoli's polynomial; of the digits 1 to 9 it is 0xe3069283. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = table[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
