import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { DiapasonError } from "../../base/errors.ts";
import { shellWord } from "../../base/shell-word.ts";
import { type OnnxFormatName, onnxFormats } from "../../models/export/formats.ts";
import { folderOfFile } from "../../models/load.node.ts";
import { isBuiltType, readConfig } from "../../models/open-network.node.ts";

/** A model, and the ONNX file that computes where that is not the model's own network. */
export interface ModelFile {
  readonly model: string;
  readonly file?: string;
}

/** Where the form of a model lies, as `export` writes it. */
export const fileOfForm = (folder: string, form: OnnxFormatName): string =>
  join(folder, "onnx", `model${onnxFormats[form].suffix}.onnx`);

/**
 * What computes: the form of the model that was asked for, or the file that was named as the model and lies in the folder
 * of one whose network is built from a checkpoint; else the model itself.
 * @throws models/not-found for a form that is not there
 */
export async function graphFileOf(path: string, form: OnnxFormatName | undefined): Promise<ModelFile> {
  const isFile = await stat(path).then(
    (info) => info.isFile(),
    () => false,
  );
  const folder = isFile ? folderOfFile(resolve(path)) : path;
  if (form === undefined)
    return isFile && isBuiltType(await readConfig(folder)) ? { model: folder, file: path } : { model: path };
  const file = fileOfForm(folder, form);
  if (existsSync(file)) return { model: folder, file };
  throw new DiapasonError(
    "models/not-found",
    `There is no file ${file}.`,
    `Write it with "diapason export ${shellWord(folder)} --to ${form}", or leave "form" out.`,
  );
}
