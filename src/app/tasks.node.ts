import { DiapasonError } from "../base/errors.ts";
import { customTask } from "./custom/task.node.ts";
import { imageTask } from "./image/task.node.ts";
import { type TaskName, taskNames } from "./options/common.ts";
import { nameOf } from "./options/parse.ts";
import type { TuneSettings } from "./options/tune.ts";
import type { Report } from "./report/report.ts";
import { type RunRecord, runReport } from "./report/run-report.ts";
import type { Task } from "./task.ts";
import { classificationKind } from "./text/classification-kind.ts";
import { languageKind, maskKind, preferenceKind, similarityKind, tagsKind } from "./text/kinds.node.ts";
import { textTask } from "./text/task.node.ts";

/** Every task there is. */
export const tasks: { readonly [N in TaskName]: Task } = {
  "image-classification": imageTask,
  "text-classification": textTask(classificationKind),
  "token-classification": textTask(tagsKind),
  "fill-mask": textTask(maskKind),
  "sentence-similarity": textTask(similarityKind),
  "causal-lm": textTask(languageKind),
  preference: textTask(preferenceKind),
  custom: customTask,
};

type TaskVerb = keyof Task["options"];

/** Options of a verb that some tasks take and others do not. */
const ofSome = (verb: TaskVerb) => new Set(taskNames.flatMap((name) => tasks[name].options[verb]));

/** @throws app/bad-option for an option that was given and means nothing to the task. */
export function checkTaskOptions(
  verb: TaskVerb,
  given: Readonly<Record<string, unknown>>,
  name: TaskName,
): void {
  const some = ofSome(verb);
  for (const key of Object.keys(given)) {
    const option = nameOf(key);
    if (given[key] === undefined || !some.has(option) || tasks[name].options[verb].includes(option)) continue;
    const takers = taskNames.filter((other) => tasks[other].options[verb].includes(option));
    throw new DiapasonError(
      "app/bad-option",
      `"${option}" is given, and the task ${name} has no use for it (${takers.join(", ")} ${takers.length === 1 ? "has" : "have"}).`,
      `Leave "${option}" out, or name the task with --task.`,
    );
  }
}

/** The options that decide a run: those that its task takes. */
export function recipeOf(options: TuneSettings): Readonly<Record<string, unknown>> {
  const some = ofSome("tune");
  const own = tasks[options.task].options.tune;
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => own.includes(name) || !some.has(name)),
  );
}

/** The report of a run, finished or not. */
export const reportOf = (record: RunRecord): Report => runReport(record, taskOfRun(record).report(record));

function taskOfRun({ recipe }: RunRecord): Task {
  const name = taskNames.find((one) => one === recipe["task"]);
  return tasks[name ?? taskNames[0]];
}
