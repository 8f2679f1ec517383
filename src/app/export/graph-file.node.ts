import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../base/atomic-file.node.ts";
import { jsonText } from "../../base/json-numbers.ts";
import { type SaveOnnxOptions, saveOnnx } from "../../formats/onnx/file.node.ts";
import type { Graph } from "../../graph/ir.ts";
import { parseConfig, withFilesApart } from "../../models/config.ts";

/**
 * Writes a graph into a model's folder as onnx/NAME, and has config.json say which of the graphs there have their weights in
 * files of their own: transformers.js fetches those only where it does.
 * @throws base/disk-full, base/not-writable
 */
export async function writeGraphFile(
  graph: Graph,
  { folder, path }: { readonly folder: string; readonly path: string },
  options: SaveOnnxOptions = {},
): Promise<void> {
  await saveOnnx(graph, path, options);
  const file = join(folder, "config.json");
  if (!existsSync(file)) return;
  const config = parseConfig(await readFile(file, "utf8"), file);
  const told = withFilesApart(config, apartAmong(await readdir(join(folder, "onnx")).catch(() => [])));
  if (told !== config) await writeFileAtomic(file, `${jsonText(told)}\n`);
}

/** How many files of weights each graph has: model.onnx_data, model.onnx_data_1 … */
export function apartAmong(names: readonly string[]): ReadonlyMap<string, number> {
  const parts = names.flatMap((name) => /^(.*\.onnx)_data(?:_\d+)?$/.exec(name)?.[1] ?? []);
  return new Map(parts.map((name) => [name, parts.filter((other) => other === name).length]));
}
