import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../base/atomic-file.node.ts";
import { parseOptions } from "./options/parse.ts";
import { outlines } from "./outlines.ts";
import { reportPage } from "./report/page.ts";
import type { RunRecord } from "./report/run-report.ts";
import { notARun, readRun } from "./run-record.node.ts";
import { reportOf } from "./tasks.node.ts";
import type { Verb, VerbEvent } from "./verb.ts";

const options = z.strictObject({
  run: z.string().describe("run folder"),
  out: z.string().optional().describe("file to write; default: report.html in the run folder"),
});
export type ReportOptions = z.input<typeof options>;

/** A report, written. */
export interface ReportWritten extends VerbEvent {
  readonly type: "report";
  readonly path: string;
  readonly finished: boolean;
}

/** Writes the report of a run, finished or not, from what its folder holds. */
export const report: Verb<typeof options, ReportWritten> = {
  ...outlines.report,
  options,
  async *run(input) {
    const { run, out } = parseOptions(options, input);
    const record = await readRun(run);
    const path = out ?? join(run, "report.html");
    await writeFileAtomic(path, await pageOf(run, record));
    yield { type: "report", path, finished: record.result !== undefined };
  },
};

/** @throws app/not-a-run where files are those of a run by their names alone */
async function pageOf(run: string, record: RunRecord): Promise<string> {
  try {
    return await reportPage(reportOf(record));
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw notARun(run, cause.message, cause);
  }
}
