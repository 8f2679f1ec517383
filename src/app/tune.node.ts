import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { DiapasonError } from "../base/errors.ts";
import { shellWord } from "../base/shell-word.ts";
import { located } from "./opening/located.node.ts";
import { locatedData } from "./opening/located-data.node.ts";
import { taskOfModel } from "./opening/task-of-model.node.ts";
import { parseOptions, requireNames } from "./options/parse.ts";
import { readRecipe } from "./options/recipe.node.ts";
import { tuneOptions } from "./options/tune.ts";
import { outlines } from "./outlines.ts";
import { readEvents } from "./run-record.node.ts";
import { checkTaskOptions } from "./tasks.node.ts";
import type { TuneVerbEvent } from "./tune/events.ts";
import { prepareTuning } from "./tune/prepare.node.ts";
import { runTuning } from "./tune/run.node.ts";
import type { Verb } from "./verb.ts";

const tuneInput = tuneOptions.partial({ model: true, data: true, out: true }).extend({
  recipe: z.string().optional().describe("recipe file (YAML); flags go before it"),
});

/** A recipe's options, or the path of a recipe file as `recipe` with options that go before the file's. */
export type TuneInput = z.input<typeof tuneInput>;

/** Fine-tunes a model on your own data and proves what came of it. */
export const tune: Verb<typeof tuneInput, TuneVerbEvent> = {
  ...outlines.tune,
  options: tuneInput,
  async *run(input, context = {}) {
    requireNames(input);
    const { recipe, ...flags } = input;
    const given = recipe === undefined ? flags : await readRecipe(recipe, flags);
    const options = parseOptions(tuneOptions, given);
    const run = resolve(options.run ?? join("runs", basename(resolve(options.out))));
    const { path, name, adapter } = yield* located(options.model, context, { isApart: true });
    const task = await taskOfModel(path, options.task, "tune");
    checkTaskOptions("tune", given, task);
    const data = yield* locatedData(options, context);
    const settings = { ...options, run, task, model: name, data: data.name };
    const places = { modelPath: path, dataPath: data.path, adapter };
    yield* runTuning(await prepareTuning(settings, { resume: false, ...places }), context);
  },
};

const resumeOptions = z.strictObject({
  run: z.string().describe("run folder of an unfinished run"),
});
export type ResumeOptions = z.input<typeof resumeOptions>;

/** Goes on with a run from its newest checkpoint, to the weights it would have reached uninterrupted. */
export const resume: Verb<typeof resumeOptions, TuneVerbEvent> = {
  ...outlines.resume,
  options: resumeOptions,
  async *run(input, context = {}) {
    const { run } = parseOptions(resumeOptions, input);
    const recipe = join(run, "recipe.yaml");
    const options = parseOptions(
      tuneOptions,
      await readRecipe(recipe, {}).catch((cause) => {
        throw new DiapasonError(
          "app/not-a-run",
          `"${run}" is not a run folder: it has no readable recipe.yaml.`,
          'List the runs with "diapason runs".',
          cause,
        );
      }),
    );
    await refuseFinished(run, options.out);
    const { path, name, adapter } = yield* located(options.model, context, { isApart: true });
    const task = await taskOfModel(path, options.task, "tune");
    const data = yield* locatedData(options, context);
    const settings = { ...options, run: resolve(run), task, model: name, data: data.name };
    const places = { modelPath: path, dataPath: data.path, adapter };
    yield* runTuning(await prepareTuning(settings, { resume: true, ...places }), context);
  },
};

/** A run that ended but could not save what it made goes on, to save it. */
async function refuseFinished(run: string, out: string): Promise<void> {
  const last = (await readEvents(run)).at(-1);
  if (last?.type !== "run-end" || last.reason === "stopped" || !existsSync(join(out, "report.html"))) return;
  throw new DiapasonError(
    "app/run-finished",
    `The run "${run}" is finished; what it made is in "${out}".`,
    `Judge it with "diapason evaluate", or tune it further with "diapason tune --model ${shellWord(out)}".`,
  );
}
