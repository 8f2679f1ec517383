import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../base/atomic-file.node.ts";
import { readThumbnail } from "../data/thumbnail.node.ts";
import { compareEvaluations } from "../evaluate/compare.ts";
import { type TuneResult, tuneLoop } from "../tune/loop.ts";
import { createRunFolder, openRunFolder, type RunFolder } from "../tune/run-folder.node.ts";
import { evaluateExecutable, evaluateModel } from "./classifier.node.ts";
import { optimizerOf } from "./optimizer.ts";
import { mistakesOf, type RunResult } from "./run-result.ts";
import { saveTuned } from "./save-tuned.node.ts";
import type { TuneVerbEvent } from "./tune-events.ts";
import { beforeOf, foundOf, notesOf, scoresOf } from "./tune-facts.ts";
import { trainDataOf, tunableOf, withTuned } from "./tune-inputs.ts";
import type { Tuning } from "./tune-prepare.node.ts";
import type { VerbContext } from "./verb.ts";
import { version } from "./version.ts";

/** Runs a prepared tuning to its end: says what it found, evaluates, trains, evaluates again, writes the result. */
export async function* runTuning(
  tuning: Tuning,
  { signal }: VerbContext,
): AsyncGenerator<TuneVerbEvent, void> {
  const { options, dataset, runtime, loader, plan, model } = tuning;
  let record: RunFolder | undefined;
  let hasStepped = false;
  try {
    yield foundOf(tuning, await runtime.peakMemoryBytes());
    const [split, examples] = heldOut(tuning);
    const judged = { loader, examples, classes: dataset.classes.length, batchSize: options.batchSize };
    const started = performance.now();
    const before = await evaluateModel(model, runtime, judged);
    yield beforeOf(tuning, split, before, (performance.now() - started) / 1000);

    // Only now is anything written: what cannot even be evaluated leaves no run behind, nor does what fails before its first step.
    record = await openRecord(tuning);
    const result = yield* noticing(train(tuning, record, signal), (event) => {
      hasStepped ||= event.type === "step";
    });
    if (result.reason === "stopped") return;

    const tuned = withTuned(model, dataset.classes, result.values);
    const after = await evaluateModel(tuned, runtime, judged);
    const { mcnemar } = compareEvaluations(before, after);
    const pictures = new Map<string, string>();
    for (const { id, path } of after.worst) pictures.set(id, await readThumbnail(path));
    const facts: RunResult = {
      model: options.model,
      data: options.data,
      origin: dataset.origin,
      split,
      classes: dataset.classes,
      trainCounts: dataset.classes.map(
        (_, label) => dataset.splits.train.filter((e) => e.label === label).length,
      ),
      blocks: model.blocks.map((block) => block.name),
      plan,
      isFreshHead: tuning.isFreshHead,
      before: before.metrics,
      after: after.metrics,
      mcnemar,
      mistakes: mistakesOf(after, dataset.classes, pictures),
      trainedSeconds: result.seconds,
      steps: result.steps,
      peakMemory: await runtime.peakMemoryBytes(),
      notes: notesOf(tuning),
    };
    await writeFileAtomic(join(options.run, "result.json"), `${JSON.stringify(facts)}\n`);
    const report = await saveTuned(tuning, tuned, facts);
    yield {
      type: "saved",
      out: options.out,
      run: options.run,
      report,
      split,
      before: scoresOf(before),
      after: scoresOf(after),
      pValue: mcnemar.pValue,
    };
  } catch (error) {
    if (record && !hasStepped && !tuning.resume) await rm(options.run, { recursive: true, force: true });
    throw error;
  } finally {
    await record?.close();
    await loader.close();
    await runtime.dispose();
  }
}

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
  tuning: Tuning,
  record: RunFolder,
  signal: AbortSignal | undefined,
): AsyncGenerator<TuneVerbEvent, TuneResult> {
  const { options, dataset, runtime, loader, plan, model } = tuning;
  const { tunable, targets } = tunableOf(model, options.dropout);
  const examples = dataset.splits.validation;
  const held = { loader, examples, classes: dataset.classes.length, batchSize: options.batchSize };
  return yield* tuneLoop({
    model: tunable,
    plan,
    data: trainDataOf(tuning, model.input.name, targets),
    runtime,
    seed: options.seed,
    batchSize: options.batchSize,
    accumulate: options.accumulate,
    optimizer: optimizerOf(options),
    weightDecay: options.weightDecay,
    clipNorm: options.clipNorm,
    async evaluate(executable) {
      const { metrics } = await evaluateExecutable(executable, model, held);
      return { accuracy: metrics.accuracy, macroF1: metrics.macroF1, loss: metrics.nll };
    },
    metric: { name: "accuracy", mode: "max", tie: { name: "loss", mode: "min" } },
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
    model: options.model,
    data: options.data,
    plan: plan.name,
    seed: options.seed,
    device: runtime.device,
    ...runtime.description,
  };
  return createRunFolder(options.run, { base: model.graph, recipe: options, about, force: options.force });
}

/** The split that proves the result: test where there is one, else validation. */
function heldOut({ dataset: { splits } }: Tuning) {
  return splits.test.length > 0
    ? (["test", splits.test] as const)
    : (["validation", splits.validation] as const);
}
