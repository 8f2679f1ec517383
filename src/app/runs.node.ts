import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { parseOptions } from "./options/parse.ts";
import { outlines } from "./outlines.ts";
import { readEvents } from "./run-record.node.ts";
import type { Verb, VerbEvent } from "./verb.ts";

const options = z.strictObject({
  folder: z.string().default("runs").describe("folder that holds the runs"),
});
export type RunsOptions = z.input<typeof options>;

/** One run, as `runs` lists it. */
export interface RunRow extends VerbEvent {
  readonly type: "run";
  readonly path: string;
  /** Unreadable: its files are damaged. */
  readonly state: "finished" | "unfinished" | "unreadable";
  readonly model: string;
  readonly data: string;
  readonly plan: string;
  readonly created: string;
  /** Best value of the metric that chose the checkpoint, when an evaluation was made. */
  readonly best?: { readonly metric: string; readonly value: number };
}

/** Lists the runs of a folder, oldest first. */
export const runs: Verb<typeof options, RunRow> = {
  ...outlines.runs,
  options,
  async *run(input) {
    const { folder } = parseOptions(options, input);
    if (!existsSync(folder)) return;
    const rows: RunRow[] = [];
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      if (existsSync(join(path, "run.json"))) rows.push(await rowOf(path));
    }
    yield* rows.sort((a, b) => (a.created < b.created ? -1 : 1));
  },
};

/** A run whose files are damaged hides none of the others. */
const rowOf = (path: string): Promise<RunRow> =>
  readRow(path).catch(() => ({
    type: "run",
    path,
    state: "unreadable",
    model: "",
    data: "",
    plan: "",
    created: "",
  }));

async function readRow(path: string): Promise<RunRow> {
  const description = JSON.parse(await readFile(join(path, "run.json"), "utf8")) as Record<string, unknown>;
  const last = (await readEvents(path)).at(-1);
  const best = last?.type === "run-end" ? last.best : undefined;
  return {
    type: "run",
    path,
    state: last?.type === "run-end" && last.reason !== "stopped" ? "finished" : "unfinished",
    model: String(description["model"] ?? ""),
    data: String(description["data"] ?? ""),
    plan: String(description["plan"] ?? ""),
    created: String(description["created"] ?? ""),
    ...(best ? { best: { metric: best.metric, value: best.value } } : {}),
  };
}
