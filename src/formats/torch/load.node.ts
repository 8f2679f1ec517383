import { DiapasonError } from "../../base/errors.ts";
import { openFileBytes } from "../file-bytes.node.ts";
import { standInBytes, standInOf } from "../stand-in.ts";
import { readArchive } from "./archive.node.ts";
import { type Flattened, flatten } from "./flatten.ts";
import { legacyStart, readLegacy } from "./legacy.ts";
import { damaged } from "./mistakes.ts";

const zipStart = Uint8Array.of(0x50, 0x4b, 3, 4);

/**
 * Opens a file of weights that torch.save wrote (`.bin`, `.pt`, `.pth`), in its zip format or the older one. Numbers are
 * read from the file when they are asked for.
 *
 * The pickle inside is read by a reader of our own that knows tensors and nothing else; nothing in it is executed.
 * @throws formats/torch-refused naming what is not a tensor, formats/torch-damaged, formats/torch-too-large,
 * formats/file-unreadable
 */
export async function loadTorch(path: string): Promise<Flattened> {
  const file = openFileBytes(path);
  try {
    const start = file.range(0, Math.min(file.length, standInBytes)).read();
    if (begins(start, zipStart)) return flatten(await readArchive(path, file));
    if (begins(start, legacyStart))
      return flatten(readLegacy(file.length, (offset, length) => file.range(offset, length)));
    throw damaged(standInOf(start) ?? "it begins neither as a zip archive nor as the older format does");
  } catch (error) {
    throw error instanceof DiapasonError ? error.about(path) : error;
  }
}

const begins = (bytes: Uint8Array, start: Uint8Array): boolean =>
  bytes.length >= start.length && start.every((byte, i) => bytes[i] === byte);
