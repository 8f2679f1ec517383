import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { asWriteError, writeFileAtomic } from "../../base/atomic-file.node.ts";
import { jsonText, parseJson } from "../../base/json-numbers.ts";
import type { HeadKind } from "../architecture.ts";
import { architectureOf } from "../architectures/table.ts";
import { type ModelConfig, withLabels } from "../config.ts";
import { isNetworkFolder, readConfig } from "../open-network.node.ts";
import { describePeft } from "./peft.node.ts";

const adapterConfig = "adapter_config.json";
const ofAdapter = /^adapter_(?:config\.json|model\.(?:safetensors|bin))$/;

/** What an adapter's config calls a base that lies in its own folder. */
const here = ".";

/** Whether a folder holds a base model and the adapter on it, as `writeAdaptedFolder` puts them together. */
export async function isAdaptedFolder(folder: string): Promise<boolean> {
  const text = await readFile(join(folder, adapterConfig), "utf8").catch(() => undefined);
  if (text === undefined) return false;
  try {
    return (JSON.parse(text) as Record<string, unknown> | null)?.["base_model_name_or_path"] === here;
  } catch {
    return false; // A broken config beside a whole model is nobody's adapter.
  }
}

/**
 * Puts a base model and an adapter on it together in one folder of links, which is opened like any model's.
 *
 * The config is the adapter's own where it has one, else the base's with the head that the adapter is for. What else lies in both
 * (tokenizers) is the adapter's. `base`: folder or ONNX file. `within`: folder of such folders. `isApart`: the adapter's own
 * files are left out, so that the base opens without it.
 * @throws what describePeft throws, base/not-writable, base/disk-full
 */
export async function writeAdaptedFolder(
  { adapter, base, within }: { readonly adapter: string; readonly base: string; readonly within: string },
  { isApart = false }: { readonly isApart?: boolean } = {},
): Promise<string> {
  const { head, classes } = await describePeft(adapter);
  const places = [adapter, base].map((path) => resolve(path));
  const name = createHash("sha256")
    .update(JSON.stringify([...places, isApart]))
    .digest("hex")
    .slice(0, 16);
  const folder = join(within, name);
  const links = new Map([...(await filesOfBase(places[1]!)), ...(await filesOfAdapter(places[0]!, isApart))]);
  links.delete("config.json");
  links.delete(adapterConfig);
  try {
    await mkdir(folder, { recursive: true });
    for (const old of await readdir(folder))
      if (!links.has(old) && old !== "onnx" && !old.endsWith(".tmp"))
        await rm(join(folder, old), { recursive: true, force: true });
    for (const [file, target] of links) await link(target, join(folder, file));
  } catch (error) {
    throw asWriteError(error, folder);
  }
  const own = await readConfig(adapter);
  const config = Object.keys(own).length > 0 ? own : forHead(await configOfBase(base), head, classes);
  if (Object.keys(config).length > 0) await writeJson(join(folder, "config.json"), config);
  if (isApart) return folder;
  const said = parseJson(await readFile(join(adapter, adapterConfig), "utf8")) as object;
  await writeJson(join(folder, adapterConfig), { ...said, base_model_name_or_path: here });
  return folder;
}

const writeJson = (path: string, value: object): Promise<void> =>
  writeFileAtomic(path, `${jsonText(value)}\n`);

/** A base's config as that of a network with the head that an adapter is for. */
function forHead(config: ModelConfig, kind: HeadKind | undefined, classes: number | undefined): ModelConfig {
  const head = kind && architectureOf(`${config["model_type"]}`)?.heads[kind];
  if (!head) return config;
  const named = config["architectures"];
  const names = [head.className, ...(head.otherClassNames ?? [])];
  const isNamed = Array.isArray(named) && named.some((name) => names.includes(name));
  const whole = isNamed ? config : { ...config, architectures: [head.className] };
  const known = Object.keys((config["id2label"] as object | null | undefined) ?? {}).length;
  if (classes === undefined || classes === known) return whole;
  return withLabels(
    whole,
    Array.from({ length: classes }, (_, i) => `LABEL_${i}`),
  );
}

const configOfBase = async (base: string): Promise<ModelConfig> =>
  readConfig((await stat(base)).isFile() ? dirname(base) : base);

type Links = readonly (readonly [name: string, target: string])[];

async function filesOfAdapter(folder: string, isApart: boolean): Promise<Links> {
  const names = (await readdir(folder, { withFileTypes: true })).filter((entry) => !entry.isDirectory());
  return names.flatMap(({ name }) =>
    (isApart && ofAdapter.test(name)) || name === "README.md" ? [] : [[name, join(folder, name)] as const],
  );
}

/** What of a base makes it: all but forms of it that were exported, which have no adapter. */
async function filesOfBase(base: string): Promise<Links> {
  const isFile = (await stat(base)).isFile();
  const folder = isFile ? dirname(base) : base;
  const isNetwork = !isFile && (await isNetworkFolder(base));
  const links: (readonly [string, string])[] = [];
  for (const name of await readdir(folder)) {
    const isGraph = /\.onnx([._]data(_\d+)?)?$/.test(name);
    if (name === "onnx" || ofAdapter.test(name) || name === "README.md") continue;
    if (isGraph && (isNetwork || (isFile && !name.startsWith(basename(base))))) continue;
    links.push([name, join(folder, name)]);
  }
  const graphs = isFile || isNetwork ? [] : await readdir(join(folder, "onnx")).catch(() => []);
  for (const name of graphs)
    if (name.startsWith("model.onnx")) links.push([join("onnx", name), join(folder, "onnx", name)]);
  return links;
}

/** A link to a file or folder, or a copy where links are not allowed (Windows). */
async function link(target: string, path: string): Promise<void> {
  const draft = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  const isFolder = (await stat(target)).isDirectory();
  if (isFolder && existsSync(path)) return;
  await mkdir(dirname(path), { recursive: true });
  try {
    await symlink(target, draft, isFolder ? "junction" : "file").catch((error: unknown) => {
      if (isFolder) throw error;
      return copyFile(target, draft);
    });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
