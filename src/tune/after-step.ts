import { listNames } from "../data/code-points.ts";
import type { EndReason, TuneEvent } from "./events.ts";
import { judge } from "./judge.ts";
import { adamw } from "./options.ts";
import type { Stage } from "./plan.ts";
import { moversOf, type Program } from "./program.ts";
import type { RunState } from "./run-state.ts";
import type { Timeline } from "./timeline.ts";
import { patienceWithZeros, zeroGradients } from "./zero-gradients.ts";

/**
 * What is due between two steps, in this order: warnings, evaluation, early stopping, the turn of the epoch, checkpoint.
 * Result: why the run ends here, if it does.
 */
export async function* afterStep(
  state: RunState,
  timeline: Timeline,
  stage: Stage,
  program: Program,
): AsyncGenerator<TuneEvent, EndReason | undefined> {
  const { evaluate, evaluateEvery, checkpointEvery, record } = state.options;
  const { step, stepInStage, batchInEpoch } = state.progress;
  const isStageEnd = stepInStage >= timeline.stepsOf(stage);
  const isEpochEnd = batchInEpoch >= timeline.batchesPerEpoch;
  const isDue = (every: number | undefined) => (every === undefined ? isEpochEnd : step % every === 0);
  const reason = spentBudget(state);

  if (stepInStage === Math.min(patienceWithZeros, timeline.stepsOf(stage)))
    yield* warnOfZeros(state, program);
  let isBest = false;
  let isEnough = false;
  // A stop by signal evaluates only where the uninterrupted run would, so that both go on alike.
  if (evaluate && (isDue(evaluateEvery) || isStageEnd || (reason && reason !== "stopped"))) {
    const metrics = await evaluate(await program.evaluation());
    const verdict = judge(metrics, state.progress, state.options);
    ({ isBest, isEnough } = verdict);
    const { lossSum, lossCount } = state.progress;
    const trainLoss = lossCount > 0 ? { trainLoss: lossSum / lossCount } : {};
    state.progress = verdict.progress;
    const { common } = state;
    yield state.record({ type: "evaluation", stage: stage.name, ...common, metrics, ...trainLoss, isBest });
  }
  const { best } = state.progress;
  if (isEnough && !isStageEnd && best)
    yield state.record({ type: "early-stop", stage: stage.name, step, best });
  state.turn({ isEpochEnd, stageOver: isStageEnd || isEnough });

  const isSaved = record && (isDue(checkpointEvery) || isBest || isStageEnd || isEnough || reason);
  if (isSaved || isBest) await state.keep(program);
  if (isBest) state.best = state.values;
  if (isSaved) {
    // Recorded first, so that the checkpoint counts its own event as one that a resumed run need not repeat.
    const event = state.record({ type: "checkpoint", step, seconds: state.seconds });
    await state.save();
    yield event;
  }
  return reason;
}

/** Why the run may not make another step. */
export function spentBudget({ options, progress, seconds }: RunState): EndReason | undefined {
  if (options.signal?.aborted) return "stopped";
  if (progress.step >= (options.maxSteps ?? Number.POSITIVE_INFINITY)) return "max-steps";
  if (seconds >= (options.maxSeconds ?? Number.POSITIVE_INFINITY)) return "max-seconds";
  return undefined;
}

async function* warnOfZeros(
  { options, progress, record }: RunState,
  program: Program,
): AsyncGenerator<TuneEvent, void> {
  const { model, plan, optimizer = adamw } = options;
  const earlier = plan.stages
    .slice(0, progress.stage)
    .flatMap((s) => moversOf(s, model.blocks, model.parameters));
  const judged = new Set(earlier.map(({ parameter }) => parameter.name));
  const found = await zeroGradients(program, judged, optimizer);
  if (!found || found.judged === 0) return;
  // one step proves the gradients that there are, not that one is missing: an adapter's first matrix has none in it
  if (found.zero.length > 0 && progress.stepInStage === 1) return;
  yield record({
    type: "gradients",
    stage: plan.stages[progress.stage]!.name,
    step: progress.step,
    steps: progress.stepInStage,
    parameters: found.judged,
    without: found.zero,
  });
  if (found.zero.length > 0)
    yield record({
      type: "warning",
      kind: "zero-gradient",
      message: `The gradient of ${listNames(found.zero)} was exactly 0 in all ${progress.stepInStage} steps of this stage: ${found.zero.length === 1 ? "it does not" : "they do not"} learn.`,
      step: progress.step,
    });
}
