import { createHash } from "node:crypto";
import { writeOnnx } from "../formats/onnx/writer.ts";
import type { Graph } from "../graph/ir.ts";
import { type ByteSource, inMemory, readInto } from "../graph/tensor.ts";

/** What is hashed at once: one call takes less than 2 GB, and a file's weight need not be in memory whole. */
const pieceBytes = 1 << 24;

/** SHA-256, in hexadecimal, of a graph as it is written: two graphs with the same one compute the same. */
export function baseHash(graph: Graph): string {
  const hash = createHash("sha256");
  const beside = { location: "", offset: 0 };
  hash.update(writeOnnx(graph, { place: (value) => (graph.initializers.has(value) ? beside : undefined) }));
  for (const { constant } of graph.initializers)
    if (!constant!.strings) for (const piece of piecesOf(constant!.data)) hash.update(piece);
  return hash.digest("hex");
}

/** The bytes in order; a piece holds until the next one is asked for. */
function* piecesOf(data: ByteSource): Generator<Uint8Array> {
  const source = data.readInto ? data : inMemory(data.read());
  const buffer = new Uint8Array(Math.min(pieceBytes, data.length));
  for (let from = 0; from < data.length; from += pieceBytes) {
    const piece = buffer.subarray(0, Math.min(pieceBytes, data.length - from));
    readInto(source, piece, from);
    yield piece;
  }
}
