import type { Entry, ZipFile } from "yauzl";
import { bitsOf } from "../../graph/tensor.ts";
import { crc32 } from "../crc32.ts";
import type { FileBytes } from "../file-bytes.node.ts";
import { openZip } from "../open-zip.node.ts";
import { byteCursor } from "./byte-cursor.ts";
import { damaged, refused, tooLarge } from "./mistakes.ts";
import { longestPickle, unpickle } from "./pickle.ts";
import { isGlobal, type PickleValue, type Storage } from "./values.ts";

/** Where the contents of an entry lie in the file. */
interface Place {
  readonly start: number;
  readonly length: number;
  readonly crc32: number;
  readonly isPacked: boolean;
}

/**
 * Reads a file as torch has written it since version 1.6: a zip archive, nothing compressed, of `NAME/data.pkl`, which
 * describes the value, and `NAME/data/KEY`, the bytes of a storage each.
 *
 * @throws formats/torch-damaged, formats/torch-refused, formats/torch-too-large
 */
export async function readArchive(path: string, file: FileBytes): Promise<PickleValue> {
  const places = await placesIn(path, file);
  const scripted = [...places.keys()].some((name) => name.endsWith("/constants.pkl"));
  if (scripted) throw refused("a program (TorchScript)");
  for (const [name, { isPacked }] of places)
    if (isPacked)
      throw damaged(`${JSON.stringify(name)} in it is compressed or encrypted, which torch does not do`);
  const found = [...places].filter(([name]) => /^[^/]+\/data\.pkl$/.test(name));
  const [first] = found;
  if (found.length !== 1 || !first) throw damaged("it is a zip archive without one data.pkl");
  const [name, pickle] = first;
  const root = name.slice(0, -"data.pkl".length);
  const order = places.get(`${root}byteorder`);
  if (order && textIn(file, order) !== "little") throw damaged("it was written on a big-endian machine");
  if (pickle.length > longestPickle)
    throw tooLarge(`Its description of tensors has ${pickle.length} bytes; up to ${longestPickle} are read`);
  if (crc32(file.range(pickle.start, pickle.length).read()) !== pickle.crc32)
    throw damaged("its description of tensors does not fit its checksum");
  const range = (offset: number, length: number) => file.range(offset, length);
  return unpickle(byteCursor(range, pickle.start, pickle.start + pickle.length), (id) =>
    storageOf(id, (key) => places.get(`${root}data/${key}`), file),
  );
}

async function placesIn(path: string, file: FileBytes): Promise<Map<string, Place>> {
  const zip = await orDamaged(() => openZip(path, file));
  try {
    const places = new Map<string, Place>();
    const entries = zip.eachEntry();
    for (;;) {
      const next = await orDamaged(() => entries.next());
      if (next.done) return places;
      const name = new TextDecoder().decode(next.value.fileNameRaw);
      if (places.has(name)) throw damaged(`it holds ${JSON.stringify(name)} twice`);
      places.set(name, await placeOf(zip, next.value, name, file.length));
    }
  } finally {
    zip.close();
  }
}

async function placeOf(zip: ZipFile, entry: Entry, name: string, end: number): Promise<Place> {
  const { compressionMethod, compressedSize, uncompressedSize } = entry;
  const { fileDataStart } = await orDamaged(() => zip.readLocalFileHeaderPromise(entry, { minimal: true }));
  if (fileDataStart + compressedSize > end)
    throw damaged(`${JSON.stringify(name)} in it reaches beyond its end`);
  return {
    start: fileDataStart,
    length: compressedSize,
    crc32: entry.crc32,
    isPacked: compressionMethod !== 0 || entry.isEncrypted() || compressedSize !== uncompressedSize,
  };
}

/** ("storage", class, key, device, elements), where a class without a type counts bytes. */
function storageOf(id: PickleValue, placeOf: (key: string) => Place | undefined, file: FileBytes): Storage {
  const [tag, type, key, , elements] = Array.isArray(id) ? id : [];
  if (tag !== "storage" || !isGlobal(type) || !type.dtype || typeof key !== "string")
    throw damaged("it refers to a storage in a way that torch does not");
  const place = placeOf(key);
  if (!place) throw damaged(`it lacks the storage ${JSON.stringify(key)}`);
  const sizeBytes = Number(elements) * (type.dtype === "bytes" ? 1 : bitsOf[type.dtype] / 8);
  if (sizeBytes !== place.length)
    throw damaged(
      `the storage ${JSON.stringify(key)} has ${place.length} bytes, its description ${sizeBytes}`,
    );
  return {
    kind: "storage",
    dtype: type.dtype,
    sizeBytes,
    range: (offset, length) => file.range(place.start + offset, length),
  };
}

const textIn = (file: FileBytes, { start, length }: Place): string =>
  new TextDecoder().decode(file.range(start, Math.min(length, 16)).read());

/** `work` may also throw at once, as reads at places beyond all numbers do. */
async function orDamaged<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw damaged((cause instanceof Error ? cause.message : String(cause)).replace(/\.$/, ""), cause);
  }
}
