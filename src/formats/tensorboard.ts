import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { crc32c } from "./crc32.ts";

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
      // what float32 has no room for becomes infinite, where the writer would refuse it
      .float(Math.fround(scalar.value))
      .join();
  return framed(event.join());
}

const [varint, fixed64, bytes, fixed32] = [0, 1, 2, 5] as const;
const tag = (field: number, type: number): number => (field << 3) | type;

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
