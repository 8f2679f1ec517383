import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { parse } from "yaml";
import { DiapasonError } from "../base/errors.ts";
import type { TuneEvent } from "../tune/events.ts";
import type { RunRecord } from "./report/run-report.ts";
import type { RunResult } from "./tune/run-result.ts";

/**
 * Reads the folder of a run.
 *
 * @throws app/not-a-run when it lacks the files that every run has, or they cannot be understood.
 */
export async function readRun(folder: string): Promise<RunRecord> {
  try {
    const recipe = parse(await readFile(join(folder, "recipe.yaml"), "utf8"), {
      logLevel: "error",
    }) as Record<string, unknown>;
    const about = JSON.parse(await readFile(join(folder, "run.json"), "utf8")) as Record<string, unknown>;
    const events = await readEvents(folder);
    const result = await readIfThere(join(folder, "result.json"));
    return {
      recipe,
      about: { name: basename(resolve(folder)), ...about },
      events,
      ...(result === undefined ? {} : { result: JSON.parse(result) as RunResult }),
    };
  } catch (cause) {
    if (cause instanceof DiapasonError) throw cause;
    const isMissing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (!isMissing) throw notARun(folder, reason, cause);
    throw new DiapasonError(
      "app/not-a-run",
      `"${folder}" is not a run folder: it has no ${basename((cause as NodeJS.ErrnoException).path ?? "recipe.yaml")}.`,
      fix,
      cause,
    );
  }
}

const fix = 'List the runs with "diapason runs".';

/** A folder whose files are called like a run's, and cannot be understood. */
export const notARun = (folder: string, reason: string, cause: unknown): DiapasonError =>
  new DiapasonError(
    "app/not-a-run",
    `"${folder}" is not a run folder that can be read: ${reason}.`,
    fix,
    cause,
  );

/** The events of a run; a last line that a kill cut short is left out. @throws app/not-a-run */
export async function readEvents(folder: string): Promise<TuneEvent[]> {
  const lines = ((await readIfThere(join(folder, "metrics.jsonl"))) ?? "").split("\n");
  return lines.slice(0, -1).flatMap((line, i) => {
    if (line === "") return [];
    try {
      return [JSON.parse(line) as TuneEvent];
    } catch (cause) {
      throw notARun(folder, `line ${i + 1} of metrics.jsonl is no JSON`, cause);
    }
  });
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}
