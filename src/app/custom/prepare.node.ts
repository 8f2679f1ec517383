import { join } from "node:path";
import { DiapasonError } from "../../base/errors.ts";
import { type ArrayBatches, openBatches } from "../../data/array-batches.node.ts";
import { defaultKeptBytes } from "../../data/array-column.node.ts";
import { openArrays } from "../../data/array-files.node.ts";
import type { ArrayDataset } from "../../data/array-set.ts";
import { type DeclaredEvaluation, evaluateDeclared } from "../../evaluate/evaluate-declared.ts";
import { loadOnnx, saveOnnx } from "../../formats/onnx/file.node.ts";
import { removeDead } from "../../graph/passes/remove-dead.ts";
import { roundToStored } from "../../graph/passes/stored-types.ts";
import { describeModel } from "../../models/describe.ts";
import type { Model } from "../../models/model.ts";
import type { Executable, Runtime } from "../../runtime/runtime.ts";
import { readInputs } from "../../tasks/bind-inputs.ts";
import { checkGuess } from "../../tasks/guessed-logits.ts";
import { arrayText } from "../../tasks/target.ts";
import type { TrainData } from "../../tune/data.ts";
import { withValues } from "../../tune/program.ts";
import type { Values } from "../../tune/run-state.ts";
import type { TuneSettings } from "../options/tune.ts";
import { type ScoredResult, signOf, worstOf } from "../scored/result.ts";
import type { Judged, TaskRun } from "../task.ts";
import type { Scores } from "../tune/events.ts";
import type { RunResult } from "../tune/run-result.ts";
import { inBatchesOf } from "./one-at-a-time.ts";
import { type CustomModel, infosOf, openCustom } from "./open.node.ts";
import { configWith, isLossFile, lossFile } from "./settings.ts";

/** Opens arrays and a graph, and binds them by name. */
export async function prepareCustom(options: TuneSettings, runtime: Runtime): Promise<TaskRun> {
  const dataset = await openArrays(options.data, options);
  const { splits } = dataset;
  const custom = await openCustom(options.model, options, splits.train.set, runtime);
  const { model, attached, metrics, settings, columns } = custom;
  if (model.parameters.length === 0)
    throw new DiapasonError(
      "models/no-parameters",
      `${options.model} holds no float32 weight that reaches ${attached.outputs.join(", ")}.`,
      "Use the float32 export of the model, or a loss over an output that depends on its weights.",
    );
  const proof = splits.test.rows.length > 0 ? "test" : "validation";
  const trained = trainDataOf(openBatches(splits.train, columns.filter(isTrained(custom))), custom, options);
  const validation = openBatches(splits.validation, columns);
  const heldOut = proof === "test" ? openBatches(splits.test, columns) : validation;
  const guessed = await lookAtGuesses(custom, openBatches(splits.train, columns), runtime, options.batchSize);
  const judging = { loss: attached, metrics, batchSize: options.batchSize };
  const outputs = evaluatedOutputs(custom);
  const goal = metrics[0];
  const lossGraph = isLossFile(settings.loss) ? await loadOnnx(settings.loss) : undefined;
  return {
    model,
    isFreshHead: false,
    data: foundIn(dataset),
    size: trained.data.size,
    notes: [
      ...new Set([
        ...custom.notes,
        ...guessed,
        ...trained.notes,
        ...dataset.findings.map(({ message }) => message),
      ]),
    ],
    keptBytes: keptBytes(dataset),
    goal: goal
      ? { name: goal.name, mode: goal.mode, tie: { name: "loss", mode: "min" } }
      : { name: "loss", mode: "min" },
    proof,
    training(network) {
      const graph = network.graph.clone();
      const { loss, weights } = custom.attach(graph);
      const { parameters, blocks } = network;
      const tunable = {
        graph,
        loss,
        outputs,
        parameters,
        blocks,
        ...(weights === undefined ? {} : { weights }),
      };
      return { tunable, data: trained.data };
    },
    async validate(executable) {
      return (await evaluateDeclared({ ...judging, executable, batches: validation })).metrics;
    },
    async judge(network): Promise<Judged> {
      const evaluated = (one: Model) => evaluateCustom(one, custom, runtime, heldOut, options.batchSize);
      const before = await evaluated(network);
      return {
        scores: scoresOf(before),
        seconds: before.seconds,
        async against(tuned) {
          const after = await evaluated(tuned);
          const sign = signOf(before, after);
          const details: Omit<ScoredResult, keyof RunResult> = {
            loss: settings.loss,
            trained: trained.data.size,
            examples: after.examples,
            before: before.metrics,
            after: after.metrics,
            rising: metrics.filter(({ mode }) => mode === "max").map(({ name }) => name),
            shares: metrics.filter(({ isShare }) => isShare).map(({ name }) => name),
            worst: worstOf(after),
            ...(sign && { sign }),
          };
          return { after: scoresOf(after), details, ...(sign && { pValue: sign.pValue }) };
        },
      };
    },
    tuned(network, values) {
      const config = configWith(custom.source, settings);
      const saved = withNew(
        custom.source,
        values,
        custom.source.graph.outputs.map(({ name }) => name),
      );
      return { judged: withNew(network, values, attached.outputs), saved: { ...saved, config } };
    },
    saving: {
      keepNames: true,
      async more(folder) {
        if (lossGraph) await saveOnnx(lossGraph, join(folder, lossFile));
      },
    },
    async close() {},
  };
}

/** What the model gives for a batch where its loss takes it for logits: notes. @throws tasks/bad-declaration */
async function lookAtGuesses(
  { model, attached: { guesses = [] } }: CustomModel,
  batches: ArrayBatches,
  runtime: Runtime,
  batchSize: number,
): Promise<readonly string[]> {
  const [batch] = guesses.length > 0 ? batches.batches({ batchSize }) : [];
  if (!batch) return [];
  const graph = model.graph.clone();
  const outputs = [...new Set(guesses.map(({ output }) => output))];
  for (const output of [...graph.outputs]) if (!outputs.includes(output.name)) graph.removeOutput(output);
  removeDead(graph);
  const names = readInputs(graph).map(({ name }) => name);
  for (const input of [...graph.inputs]) if (!names.includes(input.name)) graph.removeValue(input);
  const executable = await runtime.compile(graph);
  try {
    const feeds = Object.fromEntries(names.map((name) => [name, batch.inputs[name]!]));
    const result = await inBatchesOf(batchSize, () => executable.run(feeds, { outputs }));
    return guesses.flatMap((guess) => checkGuess(guess, result[guess.output]!));
  } finally {
    await executable.dispose();
  }
}

/** What an evaluation reads of the graph. */
const evaluatedOutputs = ({ attached: { loss, parts }, metrics }: CustomModel): readonly string[] => [
  ...new Set([...(parts ? [parts.sums, parts.perExample] : [loss]), ...metrics.map(({ output }) => output)]),
];

/** Judges a graph with its loss, compiling it for inference first. */
export async function evaluateCustom(
  model: Model,
  custom: CustomModel,
  runtime: Runtime,
  batches: ArrayBatches,
  batchSize: number,
  onProgress?: (done: number, total: number) => void,
): Promise<DeclaredEvaluation & { readonly seconds: number }> {
  const graph = model.graph.clone();
  const loss = custom.attach(graph);
  const wanted = evaluatedOutputs(custom);
  for (const output of [...graph.outputs]) if (!wanted.includes(output.name)) graph.removeOutput(output);
  const executable: Executable = await runtime.compile(graph);
  try {
    const { metrics } = custom;
    const started = performance.now();
    const evaluation = await inBatchesOf(batchSize, () =>
      evaluateDeclared({ executable, loss, metrics, batches, batchSize, ...(onProgress && { onProgress }) }),
    );
    return { ...evaluation, seconds: (performance.now() - started) / 1000 };
  } finally {
    await executable.dispose();
  }
}

const scoresOf = ({ examples, metrics }: DeclaredEvaluation): Scores => ({ examples, metrics });

/** Columns that training feeds: targets of metrics are read only when it is evaluated. */
const isTrained = ({ metrics }: CustomModel) => {
  const hostOnly = new Set(metrics.flatMap(({ target, mask }) => [target.input, mask?.input]));
  return ({ input }: { readonly input: string }) => !hostOnly.has(input);
};

/**
 * The training examples as the loop wants them. A loss that takes no weights cannot leave out the padding of a short last
 * batch: then what does not fill a batch is left out of each epoch, other examples in each.
 */
function trainDataOf(
  batches: ArrayBatches,
  { attached, settings }: CustomModel,
  { batchSize, seed }: TuneSettings,
): { readonly data: TrainData; readonly notes: readonly string[] } {
  const drop = attached.weights === undefined;
  const size = drop ? batches.size - (batches.size % batchSize) : batches.size;
  if (size === 0)
    throw new DiapasonError(
      "tasks/bad-loss-graph",
      `The loss "${settings.loss}" takes no weights, so that a batch must be full; there are ${batches.size} training examples for batches of ${batchSize}.`,
      'Lower --batch-size, or give the loss an input "weights" float32 [batch].',
    );
  const left = batches.size - size;
  const notes =
    left === 0
      ? []
      : [
          `The loss has no input "weights", so batches must be full: ${left} of ${batches.size} training examples are left out of each epoch, others in each.`,
        ];
  return {
    notes,
    data: {
      size,
      async *batches({ epoch, batchSize: count, skip }) {
        yield* batches.batches({ batchSize: count, shuffle: { seed, epoch }, skip, drop });
      },
    },
  };
}

/** The model with other values for what moved; the given one is left as it is. */
function withNew(model: Model, values: Values, outputs: readonly string[]): Model {
  const graph = roundToStored(withValues(model.graph, values));
  return describeModel({ ...model, graph, inputName: model.input.name, outputs });
}

function foundIn({ root, origin, splits }: ArrayDataset): TaskRun["data"] {
  const { train, validation, test } = splits;
  return {
    root,
    origin,
    unit: "examples",
    examples: { train: train.rows.length, validation: validation.rows.length, test: test.rows.length },
    arrays: [...infosOf(train.set)].map(([name, info]) => arrayText(name, info)),
    classes: [],
  };
}

/** Bytes of the arrays that stay in memory. */
function keptBytes({ splits }: ArrayDataset): number {
  const sets = new Set(Object.values(splits).map(({ set }) => set));
  return [...sets]
    .flatMap(({ arrays }) => [...arrays.values()])
    .reduce((sum, { data }) => sum + (data.file && data.length > defaultKeptBytes ? 0 : data.length), 0);
}
