import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { asWriteError, writeFileAtomic } from "../base/atomic-file.node.ts";
import { DiapasonError } from "../base/errors.ts";
import { loadSafetensors, type PendingTensor, saveSafetensors } from "../formats/safetensors.node.ts";
import { float32, sizeOf, type Tensor } from "../graph/tensor.ts";
import type { ArrayState, Checkpoint, Moment, Progress } from "./checkpoint.ts";

/** Of the layout below; a reader refuses any other. */
const version = 1;

/** What state.json holds beside the arrays. */
interface StateFile {
  readonly version: number;
  readonly progress: Progress;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly arrays: Readonly<Record<string, { readonly kind: ArrayState["kind"]; readonly steps: number }>>;
  /** Bytes of metrics.jsonl that belong to the run up to here. */
  readonly eventBytes: number;
}

/** A checkpoint as it lies in a folder, with the length of the event log at that time. */
export interface StoredCheckpoint extends Checkpoint {
  readonly eventBytes: number;
}

const temporary = ".writing-";

/**
 * Writes `folder/step-N`: values.safetensors under the parameters' own names, moments.safetensors as "first/…" and
 * "second/…", state.json. The folder has a temporary name until all of it is on the disk, so it is whole or absent.
 */
export async function writeCheckpoint(folder: string, checkpoint: StoredCheckpoint): Promise<void> {
  const name = `step-${checkpoint.progress.step}`;
  const building = join(folder, `${temporary}${name}`);
  try {
    await rm(building, { recursive: true, force: true });
    await mkdir(building, { recursive: true });
    await writeFiles(building, checkpoint);
    const target = join(folder, name);
    await rm(target, { recursive: true, force: true });
    await rename(building, target);
    await syncFolder(folder);
  } catch (error) {
    await rm(building, { recursive: true, force: true }).catch(() => undefined);
    throw asWriteError(error, building);
  }
}

async function writeFiles(folder: string, checkpoint: StoredCheckpoint): Promise<void> {
  const values = new Map<string, Tensor>();
  const moments = new Map<string, Tensor | PendingTensor>();
  for (const [name, { dims, value, first, second }] of checkpoint.arrays) {
    values.set(name, float32(dims, value));
    if (first) moments.set(`first/${name}`, momentOf(dims, first));
    if (second) moments.set(`second/${name}`, momentOf(dims, second));
  }
  const { progress, settings, eventBytes } = checkpoint;
  const arrays = Object.fromEntries(
    [...checkpoint.arrays].map(([name, { kind, steps }]) => [name, { kind, steps }]),
  );
  const state: StateFile = { version, progress, settings, arrays, eventBytes };
  await saveSafetensors(join(folder, "values.safetensors"), values);
  await saveSafetensors(join(folder, "moments.safetensors"), moments);
  await writeFileAtomic(join(folder, "state.json"), `${JSON.stringify(state, null, 2)}\n`);
}

function momentOf(dims: readonly number[], moment: Moment): Tensor | PendingTensor {
  if (typeof moment !== "function") return float32(dims, moment);
  const read = async () => float32(dims, await moment()).data.read();
  return { dtype: "float32", dims, data: { length: 4 * sizeOf(dims), read } };
}

/** Steps of the complete checkpoints in a folder, in ascending order. */
export async function checkpointSteps(folder: string): Promise<readonly number[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** @throws tune/bad-checkpoint when a file is missing, damaged or of another version. */
export async function readCheckpoint(folder: string, step: number): Promise<StoredCheckpoint> {
  const path = join(folder, `step-${step}`);
  try {
    const state = JSON.parse(await readFile(join(path, "state.json"), "utf8")) as StateFile;
    if (state.version !== version) throw new Error(`it has version ${state.version}, ${version} is expected`);
    const values = await readValues(folder, step);
    const { tensors: moments } = await loadSafetensors(join(path, "moments.safetensors"));
    const arrays = new Map<string, ArrayState>();
    for (const [name, { kind, steps }] of Object.entries(state.arrays)) {
      const { dims, data } = values.get(name) ?? missing(name);
      const [first, second] = [moments.get(`first/${name}`), moments.get(`second/${name}`)];
      arrays.set(name, {
        kind,
        dims,
        value: floats(data.read()),
        ...(first && { first: floats(first.data.read()) }),
        ...(second && { second: floats(second.data.read()) }),
        steps,
      });
    }
    const { progress, settings, eventBytes } = state;
    return { progress, settings, eventBytes, arrays };
  } catch (cause) {
    throw badCheckpoint(path, cause);
  }
}

/** Only the values of a checkpoint, by the names of their arrays. */
export async function readCheckpointValues(
  folder: string,
  step: number,
): Promise<ReadonlyMap<string, Float32Array>> {
  try {
    const values = await readValues(folder, step);
    return new Map([...values].map(([name, { data }]) => [name, floats(data.read())]));
  } catch (cause) {
    throw badCheckpoint(join(folder, `step-${step}`), cause);
  }
}

/** Removes unfinished checkpoints and those of other steps. */
export async function pruneCheckpoints(folder: string, keep: ReadonlySet<number>): Promise<void> {
  for (const name of await readdir(folder)) {
    const step = /^step-(\d+)$/.exec(name)?.[1];
    const goes = step === undefined ? name.startsWith(temporary) : !keep.has(Number(step));
    if (goes) await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function readValues(folder: string, step: number): Promise<ReadonlyMap<string, Tensor>> {
  return (await loadSafetensors(join(folder, `step-${step}`, "values.safetensors"))).tensors;
}

/** A copy, so that alignment and the file's buffer do not matter. */
const floats = (bytes: Uint8Array) => new Float32Array(bytes.slice().buffer);

/** Makes renames in a folder last through a power cut, where the system can. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r").catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

function missing(name: string): never {
  throw new Error(`values.safetensors has no "${name}"`);
}

const badCheckpoint = (path: string, cause: unknown) =>
  new DiapasonError(
    "tune/bad-checkpoint",
    `The checkpoint ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`,
    "Remove this checkpoint's folder to go on from the one before.",
    cause,
  );
