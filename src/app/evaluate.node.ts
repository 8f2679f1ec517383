import { graphFileOf } from "./graph-file.node.ts";
import { type Evaluated, evaluateOptions, type Scored } from "./judging.ts";
import { type Download, located } from "./located.node.ts";
import { locatedData, namingData } from "./located-data.node.ts";
import { parseOptions } from "./options.ts";
import type { Note, Progress } from "./progress.ts";
import { refuseExisting } from "./refuse-existing.node.ts";
import { openRuntime } from "./runtime.node.ts";
import { taskOfModel } from "./task-of-model.node.ts";
import { checkTaskOptions, tasks } from "./tasks.node.ts";
import type { Verb } from "./verb.ts";

/** Judges a model on labelled data. */
export const evaluate: Verb<typeof evaluateOptions, Download | Note | Progress | Evaluated | Scored> = {
  name: "evaluate",
  summary: "judge a model on labelled data",
  options: evaluateOptions,
  positionals: [{ option: "model", required: true }],
  async *run(input, context = {}) {
    const given = parseOptions(evaluateOptions, input);
    if (given.predictions && !given.force) refuseExisting(given.predictions);
    const { path } = yield* located(given.model, context);
    const options = { ...given, ...(await graphFileOf(path, given.form)) };
    const task = await taskOfModel(options.model, options.task);
    checkTaskOptions("evaluate", input, task);
    const data = yield* locatedData(given, context);
    const runtime = await openRuntime(options);
    try {
      yield* namingData(tasks[task].evaluate({ ...options, data: data.path }, runtime, context), data);
    } finally {
      await runtime.dispose();
    }
  },
};
