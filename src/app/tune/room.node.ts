import { statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { bytes } from "../numbers.ts";

/** What moves, the optimizer's two moments of it, and the best values so far. */
const copiesInCheckpoint = 4;
/** The weights as a checkpoint, and as an ONNX graph. */
const copiesInResult = 2;

interface Sizes {
  readonly out: string;
  readonly run: string;
  /** Elements of all parameters, and of those that move. */
  readonly parameters: number;
  readonly moving: number;
  /** Bytes of an element as the model is saved. */
  readonly elementBytes: number;
}

/** Says before the first step where less can be written than the run will want to: it would fail at its end. */
export async function roomNotes({
  out,
  run,
  parameters,
  moving,
  elementBytes,
}: Sizes): Promise<readonly string[]> {
  const wanted = [
    { place: out, size: copiesInResult * parameters * elementBytes },
    { place: run, size: copiesInCheckpoint * moving * Float32Array.BYTES_PER_ELEMENT },
  ];
  const found = await Promise.all(wanted.map(async (one) => ({ ...one, room: await roomIn(one.place) })));
  return found
    .filter(({ size, room }) => room !== undefined && room < size)
    .map(
      ({ place, size, room }) =>
        `About ${bytes(size)} will be written to ${place}, and there is room for ${bytes(room!)}.`,
    );
}

/** Bytes that may be written where a path lies, or will; undefined where the system does not say. */
async function roomIn(path: string): Promise<number | undefined> {
  for (let holder = resolve(path); ; holder = dirname(holder)) {
    const found = await statfs(holder).catch(() => undefined);
    if (found) return found.bavail * found.bsize;
    if (holder === dirname(holder)) return undefined;
  }
}
