import { type Evaluated, evaluateOptions, type Scored } from "./judging.ts";
import { parseOptions } from "./options.ts";
import type { Note, Progress } from "./progress.ts";
import { refuseExisting } from "./refuse-existing.node.ts";
import { openRuntime } from "./runtime.node.ts";
import { taskOfModel } from "./task-of-model.node.ts";
import { checkTaskOptions, tasks } from "./tasks.node.ts";
import type { Verb } from "./verb.ts";

/** Judges a model on labelled data. */
export const evaluate: Verb<typeof evaluateOptions, Note | Progress | Evaluated | Scored> = {
  name: "evaluate",
  summary: "judge a model on labelled data",
  options: evaluateOptions,
  positionals: [{ option: "model", required: true }],
  async *run(input, context = {}) {
    const options = parseOptions(evaluateOptions, input);
    if (options.predictions && !options.force) refuseExisting(options.predictions);
    const task = await taskOfModel(options.model, options.task);
    checkTaskOptions("evaluate", input, task);
    const runtime = await openRuntime(options);
    try {
      yield* tasks[task].evaluate(options, runtime, context);
    } finally {
      await runtime.dispose();
    }
  },
};
