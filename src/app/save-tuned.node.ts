import { basename, join, resolve } from "node:path";
import { writeFileAtomic } from "../base/atomic-file.node.ts";
import type { Model } from "../models/model.ts";
import { saveModel } from "../models/save.node.ts";
import { reportPage } from "./report/page.ts";
import { readRun } from "./run-record.node.ts";
import type { RunResult } from "./run-result.ts";
import { reportOf, tasks } from "./tasks.node.ts";
import type { Tuning } from "./tune-prepare.node.ts";

/**
 * Writes the tuned model's folder, whole or not at all, and the report also into the run's folder.
 *
 * Result: the path of the report in the model's folder.
 */
export async function saveTuned({ options, task }: Tuning, tuned: Model, result: RunResult): Promise<string> {
  const run = await readRun(options.run);
  const page = reportPage(reportOf(run));
  await writeFileAtomic(join(options.run, "report.html"), page);
  await saveModel(tuned, options.out, {
    force: options.force,
    keepNames: task.saving.keepNames,
    async more(folder) {
      await task.saving.more(folder);
      const name = basename(resolve(options.out));
      const card = tasks[options.task].card({ name, result, recipe: run.recipe });
      await writeFileAtomic(join(folder, "README.md"), card);
      await writeFileAtomic(join(folder, "report.html"), page);
    },
  });
  return join(options.out, "report.html");
}
