import { join } from "node:path";
import { writeFileAtomic } from "../../base/atomic-file.node.ts";
import { DiapasonError } from "../../base/errors.ts";
import { shellWord } from "../../base/shell-word.ts";
import { mergedValues } from "../../models/adapters/merge.ts";
import { jsNotes } from "../../models/js-class.ts";
import { type TuneResult, tuneLoop } from "../../tune/loop.ts";
import { createRunFolder, openRunFolder, type RunFolder, removeRun } from "../../tune/run-folder.node.ts";
import { noteOf } from "../progress.ts";
import { recipeOf } from "../tasks.node.ts";
import type { VerbContext } from "../verb.ts";
import { version } from "../version.ts";
import { mergeNotes } from "./adapter.ts";
import type { TuneVerbEvent } from "./events.ts";
import { beforeOf, foundOf } from "./facts.ts";
import { memoryLimit, refuseTooLarge } from "./memory.node.ts";
import { optimizerOf } from "./optimizer.ts";
import type { Tuning } from "./prepare.node.ts";
import { roomNotes } from "./room.node.ts";
import type { RunResult } from "./run-result.ts";
import { saveTuned } from "./save-tuned.node.ts";

/** Runs a prepared tuning to its end: says what it found, evaluates, trains, evaluates again, writes the result. */
export async function* runTuning(
  tuning: Tuning,
  { signal }: VerbContext,
): AsyncGenerator<TuneVerbEvent, void> {
  const { options, task, runtime, plan, model, adapter } = tuning;
  let record: RunFolder | undefined;
  let [hasStepped, isTrained] = [false, false];
  try {
    const found = foundOf(tuning, await runtime.peakMemoryBytes(), memoryLimit());
    yield found;
    refuseTooLarge(found.peakMemory, options);
    const isHalf = /^(b?float16)$/.test(
      String(task.model.config["dtype"] ?? task.model.config["torch_dtype"]),
    );
    const sizes = { parameters: found.model.parameters, moving: found.movingParameters };
    const room = await roomNotes({
      out: options.out,
      run: options.run,
      ...sizes,
      elementBytes: isHalf ? 2 : 4,
    });
    yield* room.map(noteOf);
    const before = await task.judge(adapter?.start ?? task.model);
    yield beforeOf(tuning, before);

    // Only now is anything written: what cannot even be evaluated leaves no run behind, nor does what fails before its first step.
    record = await openRecord(tuning);
    const result = yield* noticing(train(tuning, record, signal), (event) => {
      hasStepped ||= event.type === "step";
    });
    if (result.reason === "stopped") return;
    isTrained = true;

    const values = adapter ? mergedValues(adapter.adapted, result.values) : result.values;
    const merging = adapter ? await mergeNotes(adapter, result.values, runtime) : [];
    // An adapter that goes on may have taken its base's tied tables apart.
    const tuned = task.tuned(adapter?.adapted.adapter.base ?? task.model, values);
    const { after, pValue, details, notes = [] } = await before.against(tuned.judged);
    const elsewhere = [...notes, ...jsNotes(tuned.saved)];
    yield* elsewhere.map(noteOf);
    const facts: RunResult = {
      task: options.task,
      model: options.model,
      data: options.data,
      origin: task.data.origin,
      split: task.proof,
      blocks: model.blocks.map((block) => block.name),
      plan,
      isFreshHead: task.isFreshHead,
      trainedSeconds: result.seconds,
      steps: result.steps,
      peakMemory: await runtime.peakMemoryBytes(),
      notes: [...task.notes, ...(adapter?.notes ?? []), ...merging, ...elsewhere],
      ...details,
    };
    await writeFileAtomic(join(options.run, "result.json"), `${JSON.stringify(facts)}\n`);
    const report = await saveTuned(tuning, tuned.saved, facts, result.values);
    yield {
      type: "saved",
      out: options.out,
      run: options.run,
      report,
      split: task.proof,
      unit: task.data.unit,
      goal: task.goal.name,
      before: before.scores,
      after,
      ...(pValue === undefined ? {} : { pValue }),
    };
  } catch (error) {
    if (record && !hasStepped && !tuning.resume) {
      // what cannot be kept of it need not be
      await record.close().catch(() => undefined);
      await removeRun(options.run);
    }
    throw isTrained ? keeping(error, options.run) : error;
  } finally {
    await task.close();
    await runtime.dispose();
    await record?.close();
  }
}

/** What kept a result from being written, with how to write it once that is mended: the last checkpoint holds it. */
const keeping = (error: unknown, run: string): unknown =>
  error instanceof DiapasonError
    ? new DiapasonError(
        error.code,
        error.message,
        `${error.fix} What was trained is kept: "diapason resume ${shellWord(run)}" then writes it.`,
        error.cause,
      )
    : error;

/** Passes events on, and shows each to `notice` first. */
async function* noticing<E, R>(
  events: AsyncGenerator<E, R>,
  notice: (event: E) => void,
): AsyncGenerator<E, R> {
  for (;;) {
    const { done, value } = await events.next();
    if (done) return value;
    notice(value);
    yield value;
  }
}

/** The loop over the prepared model, its events passed on. */
async function* train(
  { options, task, runtime, plan, model }: Tuning,
  record: RunFolder,
  signal: AbortSignal | undefined,
): AsyncGenerator<TuneVerbEvent, TuneResult> {
  const { tunable, data } = task.training(model);
  return yield* tuneLoop({
    model: tunable,
    plan,
    data,
    runtime,
    seed: options.seed,
    batchSize: options.batchSize,
    accumulate: options.accumulate,
    optimizer: optimizerOf(options),
    weightDecay: options.weightDecay,
    clipNorm: options.clipNorm,
    ...(task.data.examples.validation > 0 && { evaluate: (executable) => task.validate(executable) }),
    metric: task.goal,
    record,
    ...(options.evaluateEvery === undefined ? {} : { evaluateEvery: options.evaluateEvery }),
    ...(options.patience === undefined ? {} : { earlyStopping: { patience: options.patience } }),
    ...(options.maxSeconds === undefined ? {} : { maxSeconds: options.maxSeconds }),
    ...(options.checkpointEvery === undefined ? {} : { checkpointEvery: options.checkpointEvery }),
    ...(signal === undefined ? {} : { signal }),
  });
}

function openRecord({ options, resume, model, runtime, plan }: Tuning): Promise<RunFolder> {
  if (resume) return openRunFolder(options.run, model.graph);
  const about = {
    diapason: version,
    created: new Date().toISOString(),
    task: options.task,
    model: options.model,
    data: options.data,
    plan: plan.name,
    seed: options.seed,
    device: runtime.device,
    ...runtime.description,
  };
  const recipe = recipeOf(options);
  return createRunFolder(options.run, { base: model.graph, recipe, about, force: options.force });
}
