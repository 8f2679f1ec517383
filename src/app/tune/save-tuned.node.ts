import { basename, join, resolve } from "node:path";
import { writeFileAtomic } from "../../base/atomic-file.node.ts";
import { jsonText } from "../../base/json-numbers.ts";
import type { AdaptedModel } from "../../models/adapters/adapted.ts";
import { savePeftAdapter } from "../../models/adapters/peft.node.ts";
import { hubNameOf } from "../../models/hub/repo-id.ts";
import type { Model } from "../../models/model.ts";
import { saveModel } from "../../models/save.node.ts";
import type { Values } from "../../tune/run-state.ts";
import { reportPage } from "../report/page.ts";
import { readRun } from "../run-record.node.ts";
import { reportOf, tasks } from "../tasks.node.ts";
import type { Tuning } from "./prepare.node.ts";
import type { RunResult } from "./run-result.ts";

/**
 * Writes the tuned model's folder, whole or not at all, and the report also into the run's folder.
 *
 * `values`: what training made of the parameters; where an adapter moved, it lies in the folder "adapter" as PEFT reads it.
 * Result: the path of the report in the model's folder.
 */
export async function saveTuned(
  { options, task, adapter, base }: Tuning,
  tuned: Model,
  result: RunResult,
  values: Values,
): Promise<string> {
  const run = await readRun(options.run);
  const page = await reportPage(reportOf(run));
  await writeFileAtomic(join(options.run, "report.html"), page);
  await saveModel(tuned, options.out, {
    force: options.force,
    keepNames: task.saving.keepNames,
    async more(folder) {
      await task.saving.more(folder);
      // Apart from the merged weights: transformers would else take the folder for an adapter without a model.
      if (adapter) await saveAdapter(join(folder, "adapter"), adapter.adapted, tuned, values, base);
      const name = basename(resolve(options.out));
      const card = tasks[options.task].card({ name, result, recipe: run.recipe });
      await writeFileAtomic(join(folder, "README.md"), card);
      await writeFileAtomic(join(folder, "report.html"), page);
    },
  });
  return join(options.out, "report.html");
}

/** An adapter with its model's config, which says the classes: opened by itself it is what was tuned. */
async function saveAdapter(
  folder: string,
  adapted: AdaptedModel,
  { config }: Model,
  values: Values,
  base: string,
): Promise<void> {
  const isSaved = await savePeftAdapter(folder, adapted, { values, baseName: hubNameOf(base) ?? base });
  if (isSaved) await writeFileAtomic(join(folder, "config.json"), `${jsonText(config)}\n`);
}
