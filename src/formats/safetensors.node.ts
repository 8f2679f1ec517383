import { writeFileAtomic } from "../base/atomic-file.node.ts";
import { DiapasonError } from "../base/errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { openFileBytes } from "./file-bytes.node.ts";
import { readSafetensors, type Safetensors, writeSafetensors } from "./safetensors.ts";

/**
 * Opens a .safetensors file of any size.
 *
 * @throws formats/safetensors-damaged, formats/file-unreadable
 */
export async function loadSafetensors(path: string): Promise<Safetensors> {
  const file = openFileBytes(path);
  try {
    return readSafetensors(file.length, (offset, length) => file.range(offset, length));
  } catch (error) {
    throw error instanceof DiapasonError ? error.about(path) : error;
  }
}

/**
 * Writes a .safetensors file; it is there whole or not at all.
 *
 * @throws formats/safetensors-type, base/disk-full, base/not-writable
 */
export async function saveSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  await writeFileAtomic(path, writeSafetensors(tensors, metadata));
}
