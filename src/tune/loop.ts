import { DiapasonError } from "../base/errors.ts";
import { afterStep, spentBudget } from "./after-step.ts";
import { lookahead } from "./data.ts";
import type { Best, EndReason, StageStart, TuneEvent } from "./events.ts";
import { type Feeds, feedsOf, scaledTogether } from "./feeds.ts";
import { adamw, checkOptions, type TuneLoopOptions } from "./options.ts";
import type { Stage } from "./plan.ts";
import { compileStage, type Program } from "./program.ts";
import { RunState, type Values } from "./run-state.ts";
import { scheduleOf } from "./schedules.ts";
import { type Timeline, timelineOf } from "./timeline.ts";
import { trainStep } from "./train-step.ts";

export interface TuneResult {
  readonly reason: EndReason;
  readonly steps: number;
  /** Passes over the data begun. */
  readonly epochs: number;
  readonly seconds: number;
  /** The best evaluation, when there was one. */
  readonly best: Best | undefined;
  /** Of every parameter and buffer that has changed; the others are as in the graph given. */
  readonly values: Values;
}

/**
 * Tunes a model after a plan and tells what happens. Whatever the task, the schedule or the device: this is the one loop.
 *
 * Nothing in it is random but by (seed, epoch, batch), so a run that goes on from a checkpoint ends with the same weights
 * as one that was never interrupted.
 * @throws tune/bad-option, tune/bad-batch, tune/loss-not-finite, tune/settings-changed
 */
export async function* tuneLoop(options: TuneLoopOptions): AsyncGenerator<TuneEvent, TuneResult> {
  checkOptions(options);
  const state = await RunState.open(options);
  const timeline = timelineOf(options);
  yield state.record(runStart(state, timeline));
  let reason = spentBudget(state);
  while (!reason && state.progress.stage < options.plan.stages.length)
    reason = yield* runStage(state, timeline);
  yield* endRun(state, reason ?? "completed");
  return resultOf(state, reason ?? "completed");
}

/** The stage at hand, to its end or until something ends the run. */
async function* runStage(
  state: RunState,
  timeline: Timeline,
): AsyncGenerator<TuneEvent, EndReason | undefined> {
  const stage = state.options.plan.stages[state.progress.stage]!;
  let reason: EndReason | undefined;
  if (!state.progress.stageOver) {
    const from = performance.now();
    const program = await compileStage(stage, state.options, state.arrays);
    try {
      yield state.record(stageStart(state, stage, program, timeline, (performance.now() - from) / 1000));
      while (!reason && !state.progress.stageOver) reason = yield* runEpoch(state, timeline, stage, program);
      await state.keep(program);
      if (!reason && state.progress.stage + 1 < state.options.plan.stages.length) await state.keepMoments();
    } finally {
      await program.dispose();
    }
  }
  if (!state.progress.stageOver) return reason;
  yield state.record({
    type: "stage-end",
    stage: stage.name,
    step: state.progress.step,
    seconds: state.seconds,
  });
  state.enterNextStage();
  return reason;
}

/** What is left of the epoch at hand. */
async function* runEpoch(
  state: RunState,
  timeline: Timeline,
  stage: Stage,
  program: Program,
): AsyncGenerator<TuneEvent, EndReason | undefined> {
  const { accumulate = 1, optimizer = adamw, weightDecay = 0, clipNorm, model } = state.options;
  const schedule = scheduleOf(stage.schedule, timeline.stepsOf(stage));
  const batches = lookahead(feedsOfEpoch(state, program));
  let group: Feeds[] = [];
  let from = performance.now();
  try {
    for (let feeds = await batches.take(); feeds; feeds = await batches.take()) {
      group.push(feeds);
      const batchInEpoch = state.progress.batchInEpoch + group.length;
      if (group.length < accumulate && batchInEpoch < timeline.batchesPerEpoch) continue;
      const step = state.progress.step + 1;
      const rates = ratesOf(stage, schedule(state.progress.stepInStage));
      const together = model.scale === undefined ? group : scaledTogether(group, model.scale);
      const running = trainStep(program, together, { optimizer, weightDecay, clipNorm, rates, step });
      batches.prepare();
      const outcome = await running;
      const examples = group.reduce((sum, { ids }) => sum + ids.length, 0);
      const examplesPerSecond = examples / ((performance.now() - from) / 1000);
      state.countStep(outcome.loss, batchInEpoch);
      const where = { stage: stage.name, ...state.common };
      yield state.record({ type: "step", ...where, ...outcome, rates, examplesPerSecond });
      const reason = yield* afterStep(state, timeline, stage, program);
      if (reason || state.progress.stageOver || state.progress.batchInEpoch === 0) return reason;
      group = [];
      from = performance.now();
    }
  } finally {
    await batches.close();
  }
  throw new DiapasonError(
    "tune/bad-batch",
    `The training data ended after ${state.progress.batchInEpoch + group.length} batches of the ${timeline.batchesPerEpoch} that ${state.options.data.size} examples make.`,
    "Make `size` the number of examples that `batches` gives in an epoch.",
  );
}

/** The epoch's batches that are left, ready for the graph. */
async function* feedsOfEpoch({ options, progress }: RunState, program: Program): AsyncGenerator<Feeds> {
  const { data, batchSize, seed, model } = options;
  const { epoch, batchInEpoch: skip } = progress;
  let batch = skip;
  for await (const given of data.batches({ epoch, batchSize, skip })) {
    yield feedsOf(given, batchSize, program.graph, program.random, { seed, epoch, batch }, model.weights);
    batch++;
  }
}

async function* endRun(state: RunState, reason: EndReason): AsyncGenerator<TuneEvent, void> {
  const { progress, seconds, options } = state;
  const best = progress.best && { best: progress.best };
  const event = {
    type: "run-end",
    reason,
    step: progress.step,
    epoch: state.epochsBegun,
    seconds,
    ...best,
  } as const;
  state.record(event);
  await options.record?.flush();
  yield event;
}

function resultOf(state: RunState, reason: EndReason): TuneResult {
  const { progress, seconds, options } = state;
  const values = ((options.restoreBest ?? true) ? state.best : undefined) ?? state.values;
  return { reason, steps: progress.step, epochs: state.epochsBegun, seconds, best: progress.best, values };
}

/** Learning rate × multiplier of the block × schedule. */
const ratesOf = (stage: Stage, multiplier: number): Record<string, number> =>
  Object.fromEntries(
    stage.blocks.map((name) => [name, stage.learningRate * (stage.multipliers[name] ?? 1) * multiplier]),
  );

function runStart({ options, progress }: RunState, { plannedSteps }: Timeline): TuneEvent {
  const { plan, data, batchSize, accumulate = 1, seed, runtime } = options;
  return {
    type: "run-start",
    plan: plan.name,
    stages: plan.stages.map((stage) => stage.name),
    plannedSteps,
    examples: data.size,
    batchSize,
    accumulate,
    seed,
    device: runtime.device,
    ...(progress.step > 0 ? { resumedFromStep: progress.step } : {}),
  };
}

function stageStart(
  { progress }: RunState,
  stage: Stage,
  program: Program,
  timeline: Timeline,
  compileSeconds: number,
): StageStart {
  const rates = ratesOf(stage, 1);
  const elements = (name: string) =>
    program.movers.reduce((sum, mover) => sum + (mover.block === name ? mover.parameter.elements : 0), 0);
  return {
    type: "stage-start",
    stage: stage.name,
    step: progress.step,
    plannedSteps: timeline.stepsOf(stage),
    blocks: stage.blocks.map((name) => ({ name, rate: rates[name]!, elements: elements(name) })),
    compileSeconds,
  };
}
