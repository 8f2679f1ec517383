import { open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeAll } from "../base/atomic-file.node.ts";
import { makeTemporaryFolder, removeTemporaryFolder } from "../base/temporary-folder.node.ts";
import { type ExternalPlace, writeOnnx } from "../formats/onnx/writer.ts";
import type { Graph, Value } from "../graph/ir.ts";
import type { ByteSource } from "../graph/tensor.ts";

/** Weights from this size on lie beside the model's bytes, so that they are not copied into them. */
const besideBytes = 1 << 16;
/** Where those of a graph come to less, files are not worth their while. */
const worthFiles = 1 << 24;
/** Places are multiples of a page, so that they can be mapped as they are. */
const pageBytes = 4096;

/** A graph in a file of its own, for ONNX Runtime to open. */
export interface ModelFile {
  readonly path: string;
  /** Removes the file, not the weights it names: later graphs may have them too. */
  remove(): Promise<void>;
}

/**
 * Large weights of one runtime's graphs in temporary files: ONNX Runtime maps what is in a file, and lets go of what it
 * has packed, where it copies what is handed over in memory, and keeps the copy. A weight is written once, for however
 * many graphs have it.
 */
export class WeightFiles {
  #folder: Promise<string> | undefined;
  readonly #places = new WeakMap<ByteSource, ExternalPlace>();
  #count = 0;

  /** The graph as a file, or undefined where its weights are small or the disk does not take them. */
  async write(graph: Graph): Promise<ModelFile | undefined> {
    const weights = [...graph.initializers].filter(isBeside).map((value) => value.constant!.data);
    if (weights.reduce((sum, { length }) => sum + length, 0) < worthFiles) return undefined;
    try {
      this.#folder ??= makeTemporaryFolder();
      const folder = await this.#folder;
      const missing = [...new Set(weights.filter((data) => !this.#places.has(data)))];
      if (missing.length > 0) await this.#writeWeights(folder, `weights-${this.#count++}`, missing);
      const path = join(folder, `model-${this.#count++}.onnx`);
      const place = (value: Value) => this.#places.get(value.constant!.data);
      await writeFile(path, writeOnnx(graph, { place }));
      return { path, remove: () => rm(path, { force: true }) };
    } catch (error) {
      // a disk that is full or closed to us: the weights go through memory
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
      return undefined;
    }
  }

  /** Removes everything; no session may be opened from here afterwards. */
  async dispose(): Promise<void> {
    const folder = await this.#folder?.catch(() => undefined);
    if (folder !== undefined) await removeTemporaryFolder(folder);
  }

  async #writeWeights(folder: string, location: string, weights: readonly ByteSource[]): Promise<void> {
    const path = join(folder, location);
    const file = await open(path, "wx", 0o600);
    try {
      let offset = 0;
      for (const data of weights) {
        await writeAll(file, data.read(), offset);
        offset += Math.ceil(data.length / pageBytes) * pageBytes;
      }
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    let offset = 0;
    for (const data of weights) {
      this.#places.set(data, { location, offset });
      offset += Math.ceil(data.length / pageBytes) * pageBytes;
    }
  }
}

export const isBeside = ({ constant }: Value): boolean =>
  constant !== undefined && !constant.strings && constant.data.length >= besideBytes;
