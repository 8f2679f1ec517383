import { basename, dirname, join } from "node:path";
import { writeFileAtomic } from "../../base/atomic-file.node.ts";
import { DiapasonError } from "../../base/errors.ts";
import { staysInside } from "../../base/stays-inside.ts";
import { type Graph, graphsIn, type Value } from "../../graph/ir.ts";
import { type FileBytes, openFileBytes } from "../file-bytes.node.ts";
import { standInBytes, standInOf } from "../stand-in.ts";
import type { ExternalData } from "./read-tensor.ts";
import { readOnnx } from "./reader.ts";
import { ownFile, skeletonOf } from "./skeleton.ts";
import { type ExternalPlace, writeOnnx } from "./writer.ts";

/**
 * Reads an ONNX file and the weights that lie beside it; what stays on the disk is read when it is asked for.
 *
 * @throws formats/file-unreadable, formats/onnx-external-outside, formats/onnx-external-missing, and what reading throws.
 */
export async function loadOnnx(path: string): Promise<Graph> {
  const file = openFileBytes(path);
  try {
    if (file.length >= 2 ** 31) throw tooLong(file.length);
    const bytes = skeletonOf(file.length, file.range) ?? file.range(0, file.length).read();
    const beside = besideIn(dirname(path));
    const external: ExternalData = (location, offset, length = 0) =>
      location === ownFile && offset + length <= file.length
        ? file.range(offset, length)
        : beside(location, offset, length);
    return readOnnx(bytes, { external });
  } catch (error) {
    throw error instanceof DiapasonError ? error.about(path) : error;
  }
}

const tooLong = (length: number) =>
  new DiapasonError(
    "formats/onnx-damaged",
    `This is not an ONNX file: it has ${length} bytes, the format ends below 2 GiB.`,
    "Export the model with its weights in external data files.",
  );

/** Finds weights beside a model, and nowhere else. */
function besideIn(folder: string): ExternalData {
  const files = new Map<string, FileBytes>();
  return (location, offset, length = 0) => {
    const file = files.get(location) ?? openBeside(folder, location);
    files.set(location, file);
    if (offset + length > file.length) {
      const standIn = standInOf(file.range(0, Math.min(file.length, standInBytes)).read());
      throw missing(
        standIn
          ? `"${location}" holds no weights: ${standIn}`
          : `"${location}" holds ${file.length} bytes; the model wants those up to ${offset + length}`,
      );
    }
    return file.range(offset, length);
  };
}

function openBeside(folder: string, location: string): FileBytes {
  if (!staysInside(location))
    throw new DiapasonError(
      "formats/onnx-external-outside",
      `The model wants weights from "${location}", outside its own folder.`,
      "Do not trust this file; if it is your own, put the weights beside it and export again.",
    );
  try {
    return openFileBytes(join(folder, location));
  } catch (cause) {
    throw missing(`The weights "${location}" that the model names cannot be read`, cause);
  }
}

const missing = (what: string, cause?: unknown) =>
  new DiapasonError(
    "formats/onnx-external-missing",
    `${what}.`,
    "Put the whole file that belongs to the model beside it.",
    cause,
  );

export interface SaveOnnxOptions {
  /** Weights of more bytes than this in all go to a file beside the model. Default 1.8e9; the format ends at 2 GiB. */
  readonly externalAboveBytes?: number;
}

/** Smaller tensors stay in the model file, where shape inference wants them. */
const smallestOutside = 1024;
/** Places in the file of weights start at multiples of a page, so that a runtime may map them. */
const pageBytes = 4096;

/**
 * Writes an ONNX file, and `NAME_data` beside it where the weights are large; each is there whole or not at all.
 *
 * @throws base/disk-full, base/not-writable
 */
export async function saveOnnx(graph: Graph, path: string, options: SaveOnnxOptions = {}): Promise<void> {
  const { externalAboveBytes = 1.8e9 } = options;
  const weights = [...graphsIn(graph)]
    .flatMap(({ initializers }) => [...initializers])
    .filter((value) => !value.constant!.strings);
  const total = weights.reduce((sum, value) => sum + value.constant!.data.length, 0);
  if (total <= externalAboveBytes) return writeFileAtomic(path, writeOnnx(graph));
  const location = `${basename(path)}_data`;
  const places = new Map<Value, ExternalPlace>();
  let offset = 0;
  for (const value of weights) {
    const { length } = value.constant!.data;
    if (length < smallestOutside) continue;
    places.set(value, { location, offset });
    offset += Math.ceil(length / pageBytes) * pageBytes;
  }
  await writeFileAtomic(join(dirname(path), location), pages(places.keys()));
  await writeFileAtomic(path, writeOnnx(graph, { place: (value) => places.get(value) }));
}

function* pages(values: Iterable<Value>): Generator<Uint8Array> {
  for (const value of values) {
    const { data } = value.constant!;
    yield data.read();
    const rest = (pageBytes - (data.length % pageBytes)) % pageBytes;
    if (rest > 0) yield new Uint8Array(rest);
  }
}
