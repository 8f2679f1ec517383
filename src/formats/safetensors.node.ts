import { writeFileAtomic } from "../base/atomic-file.node.ts";
import { DiapasonError } from "../base/errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { openFileBytes } from "./file-bytes.node.ts";
import { layOut, readSafetensors, type Safetensors } from "./safetensors.ts";

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

/** A tensor whose bytes come when they are asked for, once. */
export interface PendingTensor extends Pick<Tensor, "dtype" | "dims"> {
  readonly data: { readonly length: number; read(): Promise<Uint8Array> };
}

/**
 * Writes a .safetensors file; it is there whole or not at all. Of tensors that are pending one is in memory at a time.
 *
 * @throws formats/safetensors-type, base/disk-full, base/not-writable
 */
export async function saveSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor | PendingTensor>,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  const { head, order } = layOut(tensors, metadata);
  await writeFileAtomic(path, piecesOf(head, order));
}

async function* piecesOf(
  head: Uint8Array,
  order: readonly (Tensor | PendingTensor)[],
): AsyncGenerator<Uint8Array> {
  yield head;
  for (const { data } of order) yield await data.read();
}
