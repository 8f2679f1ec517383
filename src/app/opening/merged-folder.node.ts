import { existsSync } from "node:fs";
import { cp, mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { asWriteError } from "../../base/atomic-file.node.ts";
import { DiapasonError } from "../../base/errors.ts";
import { isIn } from "../../base/inside.node.ts";
import { mergeAdapter } from "../../models/adapters/merge.ts";
import { loadPeftAdapter, openPeftBase } from "../../models/adapters/peft.node.ts";
import { loadModel } from "../../models/load.node.ts";
import type { Model } from "../../models/model.ts";
import { isNetworkFolder } from "../../models/open-network.node.ts";
import { saveModel } from "../../models/save.node.ts";
import { learnShapes } from "../../runtime/probe.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { mergeNotes } from "../tune/adapter.ts";

/** What belongs to a model beside its weights: its config, tokenizer, preparation of images, chat template, settings of generation. */
const isBeside = (name: string): boolean =>
  /\.(?:json|txt|model|spm|jinja)$/.test(name) && !/^adapter_config\.json$|\.index\.json$/.test(name);

/** Folders of sentence-transformers, which modules.json names: "1_Pooling" says how tokens become one vector. */
const isModule = /^\d+_[A-Za-z]+$/;

/**
 * Writes a model with an adapter in its weights as a folder of its own, with what lies beside the base.
 *
 * `base`: folder or ONNX file. Result: how far the merged model is from the one with its adapter.
 * @throws app/overlapping-folders, what loadPeftAdapter, loadModel and saveModel throw
 */
export async function writeMerged(
  { base, adapter, out, force }: Record<"base" | "adapter" | "out", string> & { readonly force: boolean },
  runtime: Runtime,
): Promise<readonly string[]> {
  for (const [what, path] of Object.entries({ base, adapter }))
    if (isIn(path, out))
      throw new DiapasonError(
        "app/overlapping-folders",
        `The ${what} "${path}" would be lost: the output folder "${out}", in which it lies, is replaced.`,
        "Choose a folder outside of it with --out.",
      );
  const model = await loadAdapterBase(adapter, base, runtime);
  const adapted = await loadPeftAdapter(adapter, model);
  const notes = await mergeNotes({ adapted }, new Map(), runtime);
  await saveModel(mergeAdapter(adapted), out, {
    force,
    keepNames: true,
    more: (folder) => copyBeside(base, folder),
  });
  return notes;
}

/** The base of an adapter, with the head that the adapter is for, where an architecture of ours builds it. */
export async function loadAdapterBase(adapter: string, base: string, runtime: Runtime): Promise<Model> {
  const network = (await isNetworkFolder(base)) ? await openPeftBase(adapter, base) : undefined;
  return network ?? loadModel(base, { whole: true, learnShapes: (graph) => learnShapes(graph, runtime) });
}

/**
 * Copies what belongs to a model beside its weights, as far as it is not there. `from`: folder, or a file, which has none.
 * @throws base/disk-full, base/not-writable
 */
export async function copyBeside(from: string, to: string): Promise<void> {
  if ((await stat(from)).isFile()) return;
  const names = await readdir(from);
  try {
    await mkdir(to, { recursive: true });
    for (const name of names)
      if ((isBeside(name) || isModule.test(name)) && !existsSync(join(to, name)))
        await cp(join(from, name), join(to, name), { dereference: true, recursive: true });
  } catch (error) {
    throw asWriteError(error, to);
  }
}
