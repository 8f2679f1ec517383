import { type Evaluated, evaluateOptions, type Scored } from "./judging.ts";
import { graphFileOf } from "./opening/graph-file.node.ts";
import { type Download, located } from "./opening/located.node.ts";
import { locatedData, namingData } from "./opening/located-data.node.ts";
import { taskOfModel } from "./opening/task-of-model.node.ts";
import { parseOptions } from "./options/parse.ts";
import { outlines } from "./outlines.ts";
import type { Note, Progress } from "./progress.ts";
import { refuseExisting } from "./refuse-existing.node.ts";
import { openRuntime } from "./runtime.node.ts";
import { checkTaskOptions, tasks } from "./tasks.node.ts";
import type { Verb } from "./verb.ts";

/** Judges a model on labelled data. */
export const evaluate: Verb<typeof evaluateOptions, Download | Note | Progress | Evaluated | Scored> = {
  ...outlines.evaluate,
  options: evaluateOptions,
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
