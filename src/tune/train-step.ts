import { bug, DiapasonError } from "../base/errors.ts";
import type { OptimizerKind, ParameterUpdate } from "../runtime/runtime.ts";
import type { Feeds } from "./feeds.ts";
import type { Program } from "./program.ts";

export interface StepOptions {
  readonly optimizer: OptimizerKind;
  readonly weightDecay: number;
  readonly clipNorm: number | undefined;
  /** Rate of each moving block at this step. */
  readonly rates: Readonly<Record<string, number>>;
  /** For messages: the step's number, from 1. */
  readonly step: number;
}

export interface StepOutcome {
  readonly loss: number;
  readonly gradientNorm: number;
}

/**
 * One optimizer step: the gradients of `batches` averaged, clipped, applied. The parameters are left as they were when
 * the loss or the gradient is not finite.
 * @throws tune/loss-not-finite
 */
export async function trainStep(
  program: Program,
  batches: readonly Feeds[],
  { optimizer, weightDecay, clipNorm, rates, step }: StepOptions,
): Promise<StepOutcome> {
  let sum = 0;
  for (const [i, { tensors }] of batches.entries()) {
    const outputs = await program.train.run(tensors, { accumulate: i > 0, outputs: [program.loss] });
    sum += Number((outputs[program.loss] ?? bug("a training run gave no loss")).data[0]);
  }
  const loss = sum / batches.length;
  if (!Number.isFinite(loss)) throw notFinite(`loss is ${loss}`, step, batches, rates);
  const updates = program.movers.map(
    ({ parameter, block }): ParameterUpdate => ({
      name: parameter.name,
      rate: rates[block]! * (parameter.rate ?? 1),
      weightDecay: parameter.decays ? weightDecay : 0,
    }),
  );
  const gradientScale = 1 / batches.length;
  const clip = clipNorm === undefined ? {} : { clipNorm };
  const { gradientNorm, applied } = await program.store.update({
    optimizer,
    updates,
    gradientScale,
    ...clip,
  });
  if (!applied) throw notFinite(`gradient's norm is ${gradientNorm}`, step, batches, rates);
  return { loss, gradientNorm };
}

function notFinite(
  found: string,
  step: number,
  batches: readonly Feeds[],
  rates: Readonly<Record<string, number>>,
): DiapasonError {
  const odd = oddNumber(batches);
  if (odd)
    return new DiapasonError(
      "tune/loss-not-finite",
      `At step ${step} the ${found}: "${odd.input}" of the example ${odd.id} holds ${odd.value}.`,
      "Mend the example, or leave it out.",
    );
  const ids = batches.flatMap((batch) => batch.ids);
  const shown = ids.slice(0, 8).join(", ") + (ids.length > 8 ? ` and ${ids.length - 8} more` : "");
  return new DiapasonError(
    "tune/loss-not-finite",
    `At step ${step} the ${found}; the highest rate is ${Math.max(...Object.values(rates))}, the examples are ${shown}.`,
    step === 1
      ? "Look at these examples, the weights and the loss for what is not finite: nothing has moved yet, so that no learning rate is to blame."
      : "Look at these examples, then lower the learning rate or clip gradients; the last checkpoint is from before this step.",
  );
}

/** The first number of an example that is not finite. */
function oddNumber(batches: readonly Feeds[]) {
  for (const { ids, tensors } of batches)
    for (const [input, { data, dims }] of Object.entries(tensors)) {
      if (!(data instanceof Float32Array) || !dims[0]) continue;
      const at = data.findIndex((value) => !Number.isFinite(value));
      const id = ids[Math.floor(at / (data.length / dims[0]))];
      if (at >= 0 && id !== undefined) return { input, id, value: data[at]! };
    }
  return undefined;
}
