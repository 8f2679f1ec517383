import { join } from "node:path";
import type { ImageBatch } from "../data/dataset.ts";
import { compareEvaluations } from "../evaluate/compare.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import { stepFlops, stepMemory, forwardFlops } from "../models/cost.ts";
import type { Model } from "../models/model.ts";
import { imageClassification } from "../tasks/image-classification.ts";
import type { TrainData } from "../tune/data.ts";
import type { TuneEvent } from "../tune/events.ts";
import { tuneLoop } from "../tune/loop.ts";
import type { Tunable } from "../tune/options.ts";
import { planTable } from "../tune/plan-table.ts";
import { openRunFolder } from "../tune/run-folder.node.ts";
import { augmentationOf } from "./augment.ts";
import { evaluateExecutable, evaluateModel } from "./classifier.node.ts";
import { optimizerOf } from "./optimizer.ts";
import { saveTuned } from "./save-tuned.node.ts";
import type { Before, Found, Scores, TuneVerbEvent } from "./tune-events.ts";
import type { Tuning } from "./tune-prepare.node.ts";
import type { VerbContext } from "./verb.ts";

/** Runs a prepared tuning to its end: says what it found, evaluates, trains, evaluates again, writes the result. */
export async function* runTuning(tuning: Tuning, { signal }: VerbContext): AsyncGenerator<TuneVerbEvent, void> {
  const { options, dataset, runtime, loader, plan, model } = tuning;
  try {
    yield foundOf(tuning);
    const [split, examples] = heldOut(tuning);
    const judged = { loader, examples, classes: dataset.classes.length, batchSize: options.batchSize };
    const started = performance.now();
    const before = await evaluateModel(model, runtime, judged);
    yield beforeOf(tuning, split, before, (performance.now() - started) / 1000);

    const record = await openRunFolder(options.run, { recipe: options, describe: describeRun(tuning), resume: tuning.resume, force: options.force });
    const validation = { ...judged, examples: dataset.splits.validation };
    const { tunable, target } = tunableOf(model);
    const events: TuneEvent[] = [];
    const loop = tuneLoop({
      model: tunable,
      plan,
      data: trainDataOf(tuning, model.input.name, target),
      runtime,
      seed: options.seed,
      batchSize: options.batchSize,
      accumulate: options.accumulate,
      optimizer: optimizerOf(options),
      weightDecay: options.weightDecay,
      clipNorm: options.clipNorm,
      evaluate: async (executable) => {
        const { metrics } = await evaluateExecutable(executable, model, validation);
        return { accuracy: metrics.accuracy, macroF1: metrics.macroF1, loss: metrics.nll };
      },
      metric: { name: "accuracy", mode: "max" },
      record,
      ...(options.evaluateEvery === undefined ? {} : { evaluateEvery: options.evaluateEvery }),
      ...(options.patience === undefined ? {} : { earlyStopping: { patience: options.patience } }),
      ...(options.maxSeconds === undefined ? {} : { maxSeconds: options.maxSeconds }),
      ...(options.checkpointEvery === undefined ? {} : { checkpointEvery: options.checkpointEvery }),
      ...(signal === undefined ? {} : { signal }),
    });
    let next = await loop.next();
    while (!next.done) {
      events.push(next.value);
      yield next.value;
      next = await loop.next();
    }
    if (next.value.reason === "stopped") return;

    const tuned = withValues(model, next.value.weights);
    const after = await evaluateModel(tuned, runtime, judged);
    const paths = await saveTuned({ tuning, tuned, split, before, after, events, record });
    const { mcnemar } = compareEvaluations(before, after);
    yield {
      type: "saved",
      out: options.out,
      run: options.run,
      report: paths.report,
      split,
      before: scoresOf(before),
      after: scoresOf(after),
      pValue: mcnemar.pValue,
    };
  } finally {
    await loader.close();
    await runtime.dispose();
  }
}

/** The split that proves the result: test where there is one, else validation. */
function heldOut({ dataset: { splits } }: Tuning) {
  return splits.test.length > 0 ? (["test", splits.test] as const) : (["validation", splits.validation] as const);
}
void join;
