import type { ImageExample } from "../data/dataset.ts";
import { defaultCacheBytes } from "../data/pixel-cache.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import { forwardFlops, stepFlops, stepMemory } from "../models/cost.ts";
import type { Stage } from "../tune/plan.ts";
import { planTable } from "../tune/plan-table.ts";
import type { Before, Found, Scores } from "./tune-events.ts";
import type { Tuning } from "./tune-prepare.node.ts";

/** What was found, for the user to check before anything happens. `resident`: bytes the process holds already. */
export function foundOf(tuning: Tuning, resident: number): Found {
  const { options, model, dataset, plan } = tuning;
  const elements = new Map(model.parameters.map((p) => [p.name, p.elements]));
  const sum = (names: Iterable<string>) => [...names].reduce((n, name) => n + (elements.get(name) ?? 0), 0);
  const stages = plan.stages.map((stage) => movingIn(tuning, stage));
  const counted = (examples: readonly ImageExample[], label: number) =>
    examples.filter((e) => e.label === label).length;
  return {
    type: "found",
    model: {
      source: options.model,
      parameters: sum(elements.keys()),
      input: model.input.shape ?? [],
      blocks: model.blocks.map((block) => ({ name: block.name, elements: sum(block.parameters) })),
    },
    data: {
      root: dataset.root,
      origin: dataset.origin,
      classes: dataset.classes.map((name, label) => ({
        name,
        train: counted(dataset.splits.train, label),
        validation: counted(dataset.splits.validation, label),
        test: counted(dataset.splits.test, label),
      })),
    },
    plan: planTable(plan),
    movingParameters: sum(new Set(stages.flatMap((moving) => [...moving]))),
    peakMemory:
      resident + cachedBytes(tuning) + Math.max(...stages.map((moving) => sessionBytes(tuning, moving))),
    stepFlops: Math.max(...stages.map((moving) => flopsOf(tuning, moving))),
    notes: notesOf(tuning),
  };
}

/** What was found or inferred that the user may want to know. */
export const notesOf = ({ opened, model, dataset }: Tuning): readonly string[] => [
  ...new Set([...opened.notes, ...model.notes, ...dataset.findings.map((finding) => finding.message)]),
];

/**
 * Memory that ONNX Runtime takes for each byte of activations alive: its arenas grow by powers of two. Measured: 1.9 to
 * 2.3 (SqueezeNet and ResNet-20, head and everything).
 */
const arenaFactor = 2;

/** Bytes of a stage: its weights, and activations of the training session and of the one that evaluates. */
function sessionBytes({ model, options }: Tuning, moving: ReadonlySet<string>): number {
  const training = stepMemory(model, moving, options.batchSize);
  const evaluation = stepMemory(model, new Set(), options.batchSize);
  const activations = training.kept + training.transient + evaluation.transient;
  return training.frozen + training.moving + evaluation.frozen + arenaFactor * activations;
}

/** Bytes of the resized images that the loader keeps. */
function cachedBytes({ dataset: { splits }, opened: { preprocessor } }: Tuning): number {
  const images = splits.train.length + splits.validation.length + splits.test.length;
  return Math.min(
    defaultCacheBytes,
    images * preprocessor.height * preprocessor.width * preprocessor.channels,
  );
}

/** The held-out result before training; the time its forward passes took predicts that of an epoch. */
export function beforeOf(tuning: Tuning, split: string, before: Evaluation, seconds: number): Before {
  const { model, plan, dataset, options } = tuning;
  const perFlop = seconds / (forwardFlops(model) * before.predictions.length);
  const steps = Math.ceil(dataset.splits.train.length / options.batchSize);
  const flops = Math.max(...plan.stages.map((stage) => flopsOf(tuning, movingIn(tuning, stage))));
  return {
    type: "before",
    split,
    accuracy: before.metrics.accuracy,
    isFreshHead: tuning.isFreshHead,
    secondsPerEpoch: perFlop * flops * steps,
  };
}

export function scoresOf({ metrics }: Evaluation): Scores {
  const { examples, accuracy, accuracyInterval, macroF1, nll, ece } = metrics;
  return { examples, accuracy, accuracyInterval, macroF1, nll, ece };
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
