import type { Model } from "../../models/model.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Plan, Stage } from "../../tune/plan.ts";
import { fewestExamples, largeShift, statisticsShift } from "../../tune/statistics-shift.ts";
import type { TuneSettings } from "../options/tune.ts";
import type { TaskRun } from "../task.ts";
import type { Check } from "./events.ts";

/** Whose statistics thawed BatchNormalizations use, and what was looked at to decide it. */
export interface StatisticsChoice {
  readonly batchNorm: Stage["batchNorm"];
  readonly check?: Check;
}

/**
 * What the user asked for, of all or stage by stage, or else what the training data ask for: the batch's statistics where those of the data lie far
 * from the pretrained ones and a batch has examples enough, the pretrained ones where not.
 */
export async function chooseStatistics(
  { batchNorm, batchSize, seed, stages }: TuneSettings,
  { task, model, plan }: { readonly task: TaskRun; readonly model: Model; readonly plan: Plan },
  runtime: Runtime,
): Promise<StatisticsChoice> {
  if (batchNorm !== "auto") return { batchNorm };
  if (stages?.every((stage) => stage.batchNorm)) return { batchNorm: plan.stages[0]!.batchNorm };
  if (model !== task.model || model.blocks.every(({ buffers }) => buffers.length === 0))
    return { batchNorm: "frozen" };
  const { tunable, data } = task.training(model);
  const shift = await statisticsShift({ model: tunable, plan, data }, runtime, { batchSize, seed });
  if (!shift) return { batchNorm: "frozen" };
  const { nats, layers, examples } = shift;
  const measured = `the statistics of ${examples} training ${task.data.unit} lie ${nats.toFixed(3)} nats from the pretrained ones (mean of ${layers} BatchNormalizations)`;
  const said = (batchNorm: Stage["batchNorm"], isFine: boolean, found: string): StatisticsChoice => ({
    batchNorm,
    check: { what: "statistics", found: `${measured}: ${found}`, isFine },
  });
  if (nats < largeShift) return said("frozen", true, "near, so the pretrained ones stay");
  if (batchSize < fewestExamples)
    return said("frozen", false, `far, but ${batchSize} a batch are too few for statistics of their own`);
  return said("training", true, "far, so each batch uses its own; --batch-norm frozen keeps the pretrained");
}
