import { bitsOf } from "../../graph/tensor.ts";
import type { ByteRange } from "../safetensors.ts";
import { byteCursor } from "./byte-cursor.ts";
import { damaged } from "./mistakes.ts";
import { unpickle } from "./pickle.ts";
import { isCount, isGlobal, type PickleValue, type Storage } from "./values.ts";

/** The pickle of torch's magic number, with which every file before 1.6 begins. */
export const legacyStart = Uint8Array.of(
  0x80,
  2,
  0x8a,
  10,
  0x6c,
  0xfc,
  0x9c,
  0x46,
  0xf9,
  0x20,
  0x6a,
  0xa8,
  0x50,
  0x19,
);

const noStorages = (): never => {
  throw damaged("its first part refers to tensors");
};

/** A storage whose place in the file is known only after its description. */
interface Announced {
  readonly sizeBytes: number;
  readonly elementBytes: number;
  start?: number;
}

/**
 * Reads a file as torch wrote it before version 1.6 (and still does with `_use_new_zipfile_serialization=False`): pickles
 * of the magic number, the version, the machine, the value and the storages' keys, then each storage as its number of
 * elements (8 bytes) and its bytes.
 *
 * @throws formats/torch-damaged, formats/torch-refused, formats/torch-too-large
 */
export function readLegacy(length: number, range: ByteRange): PickleValue {
  const bytes = byteCursor(range, 0, length);
  unpickle(bytes, noStorages);
  const version = unpickle(bytes, noStorages);
  if (version !== 1001) throw damaged(`it is of the version ${String(version)}; 1001 is known`);
  const machine = unpickle(bytes, noStorages);
  if (machine instanceof Map && machine.get("little_endian") === false)
    throw damaged("it was written on a big-endian machine");
  const announced = new Map<string, Announced>();
  const value = unpickle(bytes, (id) => storageOf(id, announced, range));
  const keys = unpickle(bytes, noStorages);
  if (!Array.isArray(keys)) throw damaged("its list of storages is none");
  let at = bytes.at;
  for (const key of keys) {
    const storage = announced.get(String(key));
    if (!storage || storage.start !== undefined)
      throw damaged(`it lists the storage ${JSON.stringify(String(key))}, which no tensor has`);
    if (at + 8 > length) throw damaged(`it ends at byte ${length}, before its last storage`);
    const elements = new DataView(range(at, 8).read().slice().buffer).getBigInt64(0, true);
    const size = Number(elements) * storage.elementBytes;
    if (size !== storage.sizeBytes)
      throw damaged(`a storage has ${size} bytes, its description ${storage.sizeBytes}`);
    if (at + 8 + size > length)
      throw damaged(`it ends at byte ${length}, its last storage at ${at + 8 + size}`);
    storage.start = at + 8;
    at += 8 + size;
  }
  for (const [key, { start }] of announced)
    if (start === undefined) throw damaged(`it lacks the storage ${JSON.stringify(key)}`);
  return value;
}

/** ("storage", class, key, device, elements, view), where a view is (key, offset, elements) of the storage it looks into. */
function storageOf(id: PickleValue, announced: Map<string, Announced>, range: ByteRange): Storage {
  const [tag, type, key, , elements, part = null] = Array.isArray(id) ? id : [];
  if (tag !== "storage" || !isGlobal(type) || !type.dtype || typeof key !== "string" || !isCount(elements))
    throw damaged("it refers to a storage in a way that torch does not");
  const elementBytes = type.dtype === "bytes" ? 1 : bitsOf[type.dtype] / 8;
  const sizeBytes = elements * elementBytes;
  const known = announced.get(key) ?? { sizeBytes, elementBytes };
  announced.set(key, known);
  let from = 0;
  let held = known.sizeBytes;
  if (part !== null) {
    const [, offset, count] = Array.isArray(part) ? part : [];
    if (!isCount(offset) || !isCount(count)) throw damaged("a part of a storage has no place");
    from = offset * elementBytes;
    held = count * elementBytes;
    if (from + held > known.sizeBytes) throw damaged("a part of a storage lies outside of it");
  }
  return {
    kind: "storage",
    dtype: type.dtype,
    sizeBytes: held,
    // Asked for only after the whole file has been read, when the places are known.
    range: (offset, length) => range(known.start! + from + offset, length),
  };
}
