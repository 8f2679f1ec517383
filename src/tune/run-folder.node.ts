import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { writeFileAtomic } from "../base/atomic-file.node.ts";
import { DiapasonError } from "../base/errors.ts";
import type { Graph } from "../graph/ir.ts";
import { baseHash } from "./base-hash.node.ts";
import {
  checkpointSteps,
  pruneCheckpoints,
  readCheckpoint,
  readCheckpointValues,
  writeCheckpoint,
} from "./checkpoint.node.ts";
import type { Checkpoint, RunRecord } from "./checkpoint.ts";
import { EventLog } from "./event-log.node.ts";
import type { TuneEvent } from "./events.ts";
import { ScalarLog } from "./scalar-log.node.ts";

/** How many of the newest checkpoints are kept, besides the best. */
const kept = 2;

export interface NewRun {
  /** The graph that the run starts from, with the fresh head. */
  readonly base: Graph;
  /** As resolved: what a run of the same recipe would need. */
  readonly recipe: Readonly<Record<string, unknown>>;
  /** For run.json: seed, versions, device and the like. */
  readonly about: Readonly<Record<string, unknown>>;
  /** Replace a run that is there. Default false. */
  readonly force?: boolean;
}

/**
 * A run's folder: recipe.yaml, run.json, metrics.jsonl, the same curves for TensorBoard, checkpoints/step-N. Close it when the
 * run has ended.
 */
export interface RunFolder extends RunRecord {
  readonly path: string;
  close(): Promise<void>;
}

/**
 * Makes the folder of a new run.
 * @throws tune/run-exists when it holds anything and `force` is not given.
 */
export async function createRunFolder(path: string, run: NewRun): Promise<RunFolder> {
  const files = await readdir(path).catch(() => []);
  if (files.length > 0 && !run.force)
    throw new DiapasonError(
      "tune/run-exists",
      `The run folder ${path} is not empty (it holds ${files.slice(0, 3).join(", ")}${files.length > 3 ? ", …" : ""}).`,
      "Resume that run, choose another folder, or allow replacing it with --force.",
    );
  // The recipe makes the folder, and tells when it cannot be made.
  await writeFileAtomic(join(path, "recipe.yaml"), stringify(run.recipe));
  // What an earlier run came to is not what this one does.
  for (const name of ["checkpoints", "metrics.jsonl", ...results])
    await rm(join(path, name), { recursive: true, force: true });
  await mkdir(join(path, "checkpoints"), { recursive: true });
  const about = { ...run.about, base: baseHash(run.base) };
  await writeFileAtomic(join(path, "run.json"), `${JSON.stringify(about, null, 2)}\n`);
  return runFolder(path);
}

/** What is written beside the events of a run that has ended. */
const results = ["result.json", "report.html"];

/** Removes a run, and its folder where nothing else lies in it. */
export async function removeRun(path: string): Promise<void> {
  const own = new Set(["recipe.yaml", "run.json", "metrics.jsonl", "checkpoints", ...results]);
  for (const name of await readdir(path))
    if (own.has(name) || name.includes(".tfevents."))
      await rm(join(path, name), { recursive: true, force: true });
  if ((await readdir(path)).length === 0) await rmdir(path);
}

/**
 * Opens the folder of a run that is to go on; one that was killed before its first checkpoint starts anew.
 * @throws tune/no-run, tune/base-changed when `base` is not what the run started from.
 */
export async function openRunFolder(path: string, base: Graph): Promise<RunFolder> {
  if (!existsSync(join(path, "run.json")))
    throw new DiapasonError(
      "tune/no-run",
      `The folder ${path} holds no run: it has no run.json.`,
      "Give the folder of a run; `diapason runs` lists them.",
    );
  const started = await baseOf(path);
  const hash = baseHash(base);
  if (started !== hash)
    throw new DiapasonError(
      "tune/base-changed",
      `The run in ${path} started from a model with the hash ${started.slice(0, 12)}…; the one given has ${hash.slice(0, 12)}….`,
      "Give the model that the run was started with, unchanged, or start a new run.",
    );
  return runFolder(path);
}

/** The hash of what a run started from. @throws tune/no-run where run.json does not say it */
async function baseOf(path: string): Promise<string> {
  const file = join(path, "run.json");
  try {
    const { base } = JSON.parse(await readFile(file, "utf8")) as { readonly base?: unknown };
    if (typeof base === "string") return base;
    throw new Error('it has no "base"');
  } catch (cause) {
    throw new DiapasonError(
      "tune/no-run",
      `${file} does not say what the run started from: ${(cause as Error).message}.`,
      "Start a new run; its newest checkpoint holds the weights of this one.",
      cause,
    );
  }
}

function runFolder(path: string): RunFolder {
  const folder = join(path, "checkpoints");
  const events = join(path, "metrics.jsonl");
  let log: EventLog | undefined;
  let scalars: ScalarLog | undefined;
  const close = () => {
    const open = [scalars, log];
    log = scalars = undefined;
    for (const one of open) one?.close();
  };
  const logFrom = (length: number) => {
    close();
    log = new EventLog(events, length);
    scalars = new ScalarLog(path, events);
  };
  return {
    path,
    append(event: TuneEvent) {
      if (!log) logFrom(0);
      log!.append(event);
      scalars!.append(event);
    },
    async save(checkpoint: Checkpoint) {
      const eventBytes = log?.flush() ?? 0;
      await writeCheckpoint(folder, { ...checkpoint, eventBytes });
      const newest = (await checkpointSteps(folder)).slice(-kept);
      const best = checkpoint.progress.best?.step;
      await pruneCheckpoints(folder, new Set(best === undefined ? newest : [...newest, best]));
    },
    async latest() {
      const step = (await checkpointSteps(folder)).at(-1);
      const checkpoint = step === undefined ? undefined : await readCheckpoint(folder, step);
      logFrom(checkpoint?.eventBytes ?? 0);
      return checkpoint;
    },
    valuesAt: (step) => readCheckpointValues(folder, step),
    async flush() {
      log?.flush();
    },
    async close() {
      close();
    },
  };
}
