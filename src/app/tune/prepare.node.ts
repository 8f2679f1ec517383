import { checkWritable } from "../../base/atomic-file.node.ts";
import { DiapasonError } from "../../base/errors.ts";
import { isIn } from "../../base/inside.node.ts";
import type { LocatedAdapter } from "../../models/hub/locate.node.ts";
import type { Model } from "../../models/model.ts";
import { checkFree } from "../../models/save.node.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Plan, ScheduleSpec } from "../../tune/plan.ts";
import { defaultSchedule, planOf } from "../../tune/plans.ts";
import type { TuneSettings } from "../options/tune.ts";
import { openRuntime } from "../runtime.node.ts";
import type { TaskRun } from "../task.ts";
import { tasks } from "../tasks.node.ts";
import { type AdapterTuning, adapterTuning } from "./adapter.ts";
import { adapterGoingOn } from "./adapter-going-on.node.ts";
import { chooseStatistics } from "./batch-norm.ts";
import type { Check, Found } from "./events.ts";

/** Everything a run needs, opened and checked; nothing is written yet. */
export interface Tuning {
  /** As the run is recorded: a model or a data set of the Hub by its commit. */
  readonly options: TuneSettings;
  readonly resume: boolean;
  readonly task: TaskRun;
  /** What is tuned: the task's model, or that with an adapter. */
  readonly model: Model;
  readonly adapter: AdapterTuning | undefined;
  /** What an adapter is put on, which `options.model` may name or be an adapter of. */
  readonly base: string;
  readonly plan: Plan;
  /** What was looked at because it would go wrong in silence. */
  readonly checks: readonly Check[];
  /** Bytes that the process held once model and data were open; what ran since is released and used again. */
  readonly residentBytes: number;
  readonly runtime: Runtime;
}

/**
 * Opens model, data and runtime and makes the plan.
 *
 * `modelPath`, `dataPath`: where the model and the data lie, which the options name; `found`: the adapter on the model that is
 * to be tuned on.
 * @throws models/output-exists when the output or run folder holds something and `force` is not given,
 * base/not-writable, app/overlapping-folders.
 */
export async function prepareTuning(
  options: TuneSettings,
  {
    resume,
    modelPath,
    dataPath,
    adapter: found,
  }: {
    readonly resume: boolean;
    readonly modelPath: string;
    readonly dataPath: string;
    readonly adapter?: LocatedAdapter | undefined;
  },
): Promise<Tuning> {
  refuseOverlap({ ...options, model: found?.folder ?? modelPath, data: dataPath });
  await checkFree(options.out, options.force);
  if (!resume) await checkFree(options.run, options.force);
  for (const path of [options.out, options.run]) await checkWritable(path);
  const runtime = await openRuntime(options);
  let task: TaskRun | undefined;
  try {
    const startOf = async (model: Model) =>
      (found && (await adapterGoingOn(model, found.folder, options)).start) ?? model;
    const placed = { ...options, model: modelPath, data: dataPath };
    task = await tasks[options.task].prepare(placed, runtime, startOf);
    if (dataPath !== options.data) task = { ...task, data: { ...task.data, root: options.data } };
    refuseUnproven(options, task.data);
    if (task.data.examples.validation === 0) task = { ...task, notes: [...task.notes, lastStepNote] };
    const adapter = found
      ? await adapterGoingOn(task.model, found.folder, options)
      : adapterTuning(task.model, options);
    if (found) task = { ...task, isFreshHead: false, notes: notesLess(task, adapter) };
    const model = adapter?.trained ?? task.model;
    const { size } = task;
    const sized = { ...options, batchSize: Math.min(options.batchSize, size) };
    if (size < options.batchSize) task = { ...task, notes: [...task.notes, smallNote(size, options)] };
    const named = options.plan ?? (task.isFreshHead ? "lp-ft" : "full");
    const planned = {
      epochs: options.epochs,
      learningRate: options.learningRate ?? adapter?.learningRate ?? task.learningRate,
      headLearningRate: options.headLearningRate ?? adapter?.headLearningRate,
      decay: options.decay,
      schedule: scheduleOf(options),
    };
    const stages = stagesOf(options) ?? named;
    const residentBytes = process.memoryUsage.rss();
    const { batchNorm, check } = await chooseStatistics(
      sized,
      { task, model, plan: planOf(stages, model.blocks, planned) },
      runtime,
    );
    const plan = planOf(stages, model.blocks, { ...planned, batchNorm });
    const settled = { ...sized, plan: options.stages ? options.plan : named, batchNorm };
    const checks = [...(task.checks ?? []), ...(check ? [check] : [])];
    const base = found?.base ?? options.model;
    return { options: settled, resume, task, model, adapter, base, plan, checks, residentBytes, runtime };
  } catch (error) {
    await task?.close();
    await runtime.dispose();
    throw error;
  }
}

/** The notes of a task without what they say of weights that an adapter brought. */
function notesLess({ notes, model }: TaskRun, adapter: AdapterTuning | undefined): readonly string[] {
  const { notes: left } = adapter?.start ?? model;
  return notes.filter((note) => left.includes(note) || !model.notes.includes(note));
}

/**
 * What is written may not lie inside what is read, nor in place of it: a second run would read or replace it. Nor may what
 * is read lie in the output folder, which is replaced as a whole.
 */
function refuseOverlap({ model, data, out, run }: TuneSettings): void {
  const pairs = [
    ["data", data, "output", out],
    ["model", model, "output", out],
    ["output", out, "data", data],
    ["run", run, "data", data],
    ["output", out, "model", model],
    ["run", run, "model", model],
    ["output", out, "run", run],
    ["run", run, "output", out],
  ] as const;
  const found = pairs.find(([, written, , read]) => isIn(written, read));
  if (!found) return;
  const [what, written, of, read] = found;
  throw new DiapasonError(
    "app/overlapping-folders",
    of === "output" && what !== "run"
      ? `The ${what} "${written}" would be lost: the output folder "${read}", in which it lies, is replaced.`
      : `The ${what} folder "${written}" lies in the folder of the ${of}, "${read}".`,
    `Choose a folder outside of it with --${what === "run" ? "run" : "out"}.`,
  );
}

const smallNote = (size: number, { batchSize }: TuneSettings): string =>
  `A batch is all ${size} there are to train on; ${batchSize} would be filled up with nothing.`;

const lastStepNote =
  "Nothing is held out to choose a checkpoint by: the weights after the last step are kept.";

/** Whoever trains on every example must have others to judge the result by, and cannot stop early. */
function refuseUnproven(
  { patience, evaluateEvery, validationShare }: TuneSettings,
  { root, unit, examples }: Found["data"],
) {
  if (examples.validation > 0) return;
  if (examples.test === 0)
    throw new DiapasonError(
      "app/nothing-held-out",
      `"${root}" has no test split, and none of its ${unit} are held out for validation (validationShare ${validationShare}): nothing is left to tell whether the model got better.`,
      "Give a test split, or hold out a share with --validation-share 0.1.",
    );
  const given = Object.entries({ patience, evaluateEvery }).find(([, value]) => value !== undefined);
  if (given)
    throw new DiapasonError(
      "app/nothing-held-out",
      `"${given[0]}" is ${given[1]}, and there are no validation ${unit} (validationShare ${validationShare}) to evaluate while training.`,
      `Leave "${given[0]}" out, or hold out a share with --validation-share 0.1.`,
    );
}

function stagesOf({ stages, warmup }: TuneSettings) {
  return stages?.map(({ schedule, warmup: own, ...stage }) => {
    const course = scheduleOf({ schedule, warmup: own ?? (schedule && warmup) });
    return course ? { ...stage, schedule: course } : stage;
  });
}

/** Undefined where nothing is said: then the plan has its own. */
function scheduleOf({
  schedule,
  warmup,
}: Pick<TuneSettings, "schedule" | "warmup">): ScheduleSpec | undefined {
  if (schedule === undefined && warmup === undefined) return undefined;
  const { kind, warmupShare } = defaultSchedule;
  return { kind: schedule ?? kind, warmupShare: warmup ?? warmupShare };
}
