import { dropoutShare } from "../../graph/dropout-input.ts";
import { forwardFlops, residentBytes, stepFlops, stepMemory } from "../../models/cost.ts";
import type { Model } from "../../models/model.ts";
import type { Plan, Stage } from "../../tune/plan.ts";
import { normalisesBatches, planTable } from "../../tune/plan-table.ts";
import { bytes } from "../numbers.ts";
import type { Judged } from "../task.ts";
import type { Before, Check, Found } from "./events.ts";
import type { Tuning } from "./prepare.node.ts";

/**
 * What was found, for the user to check before anything happens. `reached`: the most bytes that the process has held so
 * far; `limit`: bytes that it may hold.
 */
export function foundOf(tuning: Tuning, reached: number, limit: number): Found {
  const { residentBytes: resident, options, model, adapter, plan, task } = tuning;
  const whole = task.model;
  const elements = new Map([...whole.parameters, ...model.parameters].map((p) => [p.name, p.elements]));
  const sum = (names: Iterable<string>) => [...names].reduce((n, name) => n + (elements.get(name) ?? 0), 0);
  const stages = plan.stages.map((stage) => movingIn(tuning, stage));
  const toCome = Math.max(...stages.map((moving) => sessionBytes(tuning, moving)));
  const peakMemory = Math.max(reached, resident + task.keptBytes + toCome);
  return {
    type: "found",
    model: {
      source: options.model,
      parameters: sum(whole.parameters.map(({ name }) => name)),
      input: model.input.shape ?? [],
      blocks: whole.blocks.map((block) => ({ name: block.name, elements: sum(block.parameters) })),
    },
    data: task.data,
    run: options.run,
    plan: planTable(plan, normalisesBatches(whole.blocks)),
    movingParameters: sum(new Set(stages.flatMap((moving) => [...moving]))),
    peakMemory,
    stepFlops: Math.max(...stages.map((moving) => flopsOf(tuning, moving))),
    notes: [...task.notes, ...(adapter?.notes ?? [])],
    checks: [
      ...tuning.checks,
      ...classChecks(task.data),
      ...accumulationChecks(tuning),
      {
        what: "memory",
        found: `about ${bytes(peakMemory)} of memory will be needed; there are ${bytes(limit)}`,
        isFine: peakMemory <= limit,
      },
    ],
  };
}

/** Whether each class is in every split that there is. */
function classChecks({ classes, examples, unit }: Found["data"]): Check[] {
  if (classes.length === 0) return [];
  const splits = (["train", "validation", "test"] as const).filter((split) => examples[split] > 0);
  const absent = splits.flatMap((split) => {
    const names = classes.filter((one) => one[split] === 0).map(({ name }) => name);
    return names.length > 0 ? [`no ${split} ${unit} for ${listed(names)}`] : [];
  });
  return [
    {
      what: "classes",
      found:
        absent.length === 0
          ? `each of the ${classes.length} classes has ${splits.join(", ")} ${unit}`
          : absent.join("; "),
      isFine: absent.length === 0,
    },
  ];
}

/** Whether a step over several batches is the step over all of their examples. */
function accumulationChecks({ options, task, model, plan }: Tuning): Check[] {
  const { accumulate, batchSize } = options;
  const { unit } = task.data;
  const bound = readsBatchStatistics(model, plan)
    ? "BatchNormalization takes the statistics of each batch"
    : task.batchBound;
  if (bound === undefined) return [];
  if (accumulate === 1)
    return [
      {
        what: "accumulation",
        found: `a step is one batch of ${batchSize}: nothing is added up`,
        isFine: true,
      },
    ];
  const sizes = `${accumulate} batches of ${batchSize}`;
  const isExact = bound === "";
  const drops =
    Number(options.dropout) > 0 || model.graph.inputs.some(({ name }) => dropoutShare(name) !== undefined);
  const drawn = drops ? ", but for what dropout draws" : "";
  return [
    {
      what: "accumulation",
      found: isExact
        ? `a step over ${sizes} is the step over their ${accumulate * batchSize} ${unit}${drawn}`
        : `a step over ${sizes} is not quite that over their ${accumulate * batchSize} ${unit}: ${bound}`,
      isFine: isExact,
    },
  ];
}

/** Whether a thawed BatchNormalization uses the statistics of the batch in some stage. */
const readsBatchStatistics = ({ blocks }: Model, { stages }: Plan): boolean =>
  stages.some(
    (stage) =>
      stage.batchNorm === "training" &&
      blocks.some(({ name, buffers }) => buffers.length > 0 && stage.blocks.includes(name)),
  );

const listed = (names: readonly string[]): string =>
  `${names.slice(0, 5).join(", ")}${names.length > 5 ? ` and ${names.length - 5} more` : ""}`;

/** Bytes of a stage: its weights, and activations of the training session and of the one that evaluates. */
function sessionBytes({ model, options }: Tuning, moving: ReadonlySet<string>): number {
  const training = stepMemory(model, moving, options.batchSize);
  const evaluation = stepMemory(model, new Set(), options.batchSize);
  return residentBytes([training, evaluation]);
}

/** The held-out result before training; the time its forward passes took predicts that of an epoch. */
export function beforeOf(tuning: Tuning, { scores, seconds }: Judged): Before {
  const { model, plan, options, task } = tuning;
  // Operators that are no products count nothing; a graph of those alone is timed as if a step were forward three times.
  const forward = forwardFlops(model);
  const dearest = Math.max(...plan.stages.map((stage) => flopsOf(tuning, movingIn(tuning, stage))));
  const perForward = forward > 0 ? dearest / (forward * options.batchSize) : 3;
  const { train, proof } = task.effort ?? { train: task.data.examples.train, proof: scores.examples };
  const { accuracy } = scores;
  return {
    type: "before",
    split: task.proof,
    goal: task.goal.name,
    metrics: scores.metrics,
    ...(accuracy === undefined ? {} : { accuracy }),
    isFreshHead: task.isFreshHead,
    secondsPerEpoch: seconds * (train / proof) * perForward,
  };
}

/** Names of the parameters that move in a stage. */
function movingIn({ model }: Tuning, stage: Stage): ReadonlySet<string> {
  const blocks = new Set(stage.blocks);
  return new Set(model.blocks.filter((b) => blocks.has(b.name)).flatMap((b) => b.parameters));
}

function flopsOf({ model, options }: Tuning, moving: ReadonlySet<string>): number {
  const { forward, backward } = stepFlops(model, moving, options.batchSize);
  return forward + backward;
}
