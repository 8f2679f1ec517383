import {
  type EntitiesOf,
  type Generated,
  type OutputsOf,
  type Predicted,
  predictOptions,
  type Written,
} from "./judging.ts";
import { graphFileOf } from "./opening/graph-file.node.ts";
import { type Download, located } from "./opening/located.node.ts";
import { taskOfModel } from "./opening/task-of-model.node.ts";
import { parseOptions } from "./options/parse.ts";
import { outlines } from "./outlines.ts";
import type { Note, Progress } from "./progress.ts";
import { refuseExisting } from "./refuse-existing.node.ts";
import { openRuntime } from "./runtime.node.ts";
import { checkTaskOptions, tasks } from "./tasks.node.ts";
import type { Verb } from "./verb.ts";

/** Says what images show or texts are, or what a graph gives for arrays. */
export const predict: Verb<
  typeof predictOptions,
  Download | Note | Progress | Predicted | EntitiesOf | Generated | OutputsOf | Written
> = {
  ...outlines.predict,
  options: predictOptions,
  async *run(input, context = {}) {
    const given = parseOptions(predictOptions, input);
    if (given.out && !given.force) refuseExisting(given.out);
    const { path } = yield* located(given.model, context);
    const options = { ...given, ...(await graphFileOf(path, given.form)) };
    const task = await taskOfModel(options.model, options.task);
    checkTaskOptions("predict", input, task);
    const runtime = await openRuntime(options);
    try {
      yield* tasks[task].predict(options, runtime, context);
    } finally {
      await runtime.dispose();
    }
  },
};
