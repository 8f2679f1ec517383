import { type Differentiated, differentiate } from "../autodiff/differentiate.ts";
import { DiapasonError } from "../base/errors.ts";
import { dropNothing } from "../graph/dropout-input.ts";
import type { Graph } from "../graph/ir.ts";
import { bindSymbols } from "../graph/passes/bind-symbols.ts";
import { fuseGelu } from "../graph/passes/fuse-gelu.ts";
import { joinProducts } from "../graph/passes/join-products.ts";
import { removeDead } from "../graph/passes/remove-dead.ts";
import { takeEarly } from "../graph/passes/take-early.ts";
import { float32 } from "../graph/tensor.ts";
import type { Block, Parameter } from "../models/model.ts";
import type {
  ArrayPlace,
  Executable,
  OptimizerKind,
  ParameterStore,
  StoredArray,
} from "../runtime/runtime.ts";
import { movingStatistics, useBatchStatistics } from "./batch-statistics.ts";
import { type ArrayState, type Arrays, type Moment, numbersOf } from "./checkpoint.ts";
import { type RandomInput, randomInputs } from "./feeds.ts";
import { namingBlocks } from "./name-blocks.ts";
import { adamw, type TuneLoopOptions } from "./options.ts";
import type { Stage } from "./plan.ts";

/** A moving parameter with the block that decides its rate. */
export interface Mover {
  readonly parameter: Parameter;
  readonly block: string;
}

/** A stage compiled: what moves lies in the store, what does not is constant in the graph. */
export interface Program {
  readonly graph: Graph;
  readonly store: ParameterStore;
  readonly train: Executable;
  /** Compiled when first asked for. */
  evaluation(): Promise<Executable>;
  readonly loss: string;
  readonly movers: readonly Mover[];
  readonly random: readonly RandomInput[];
  /** Names of the arrays in the store. */
  readonly arrays: readonly string[];
  /** Every array of the store as it stands. */
  read(): Promise<Arrays>;
  dispose(): Promise<void>;
}

/** A copy of a graph with other values for some of its initializers; the other tensors are shared. */
export function withValues(graph: Graph, values: ReadonlyMap<string, Float32Array>): Graph {
  const copy = graph.clone();
  for (const [name, value] of values) {
    const target = copy.get(name);
    copy.setConstant(target, float32(target.constant!.dims, value));
  }
  return copy;
}

/** Parameters that a stage moves, from the input end. */
export function moversOf(
  stage: Stage,
  blocks: readonly Block[],
  parameters: readonly Parameter[],
): readonly Mover[] {
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const head = blocks.at(-1)?.name;
  return blocks
    .filter((block) => stage.blocks.includes(block.name))
    .flatMap((block) => block.parameters.map((name) => ({ parameter: byName.get(name)!, block: block.name })))
    .filter(({ parameter, block }) => stage.parameters !== "biases" || block === head || !parameter.decays);
}

/** Compiles a stage. `arrays`: what moved before, with optimizer moments that go on. */
export async function compileStage(stage: Stage, options: TuneLoopOptions, arrays: Arrays): Promise<Program> {
  const { model, runtime, batchSize, optimizer = adamw } = options;
  const base = withValues(model.graph, new Map([...arrays].map(([name, { value }]) => [name, value])));
  const movers = moversOf(stage, model.blocks, model.parameters);
  if (movers.length === 0)
    throw new DiapasonError(
      "tune/bad-plan",
      `Stage "${stage.name}" moves no parameter: ${stage.blocks.join(", ") || "no block"} has none to move.`,
      `Choose among ${model.blocks.map(({ name }) => name).join(", ")}.`,
    );
  const bare = base.clone();
  for (const output of [...bare.outputs]) if (output.name !== model.loss) bare.removeOutput(output);
  fuseGelu(bare);
  removeDead(bare);
  const symbols = { batch: batchSize };
  // before anything counts the elements of a batch: a count at run time would keep what it counts
  bindSymbols(bare, symbols);
  takeEarly(bare);
  joinProducts(bare);
  const bufferUpdates = useBatchStatistics(bare, movingStatistics(stage, model.blocks));
  const differentiated = backwards(bare, model.loss, movers, symbols);
  for (const name of bufferUpdates.keys()) {
    differentiated.graph.initializerToInput(differentiated.graph.get(name));
  }
  const stored = [
    ...movers.map(({ parameter }) => placeOf(base, parameter.name, "parameter")),
    ...[...bufferUpdates.keys()].map((name) => placeOf(base, name, "buffer")),
  ];
  const store = await runtime.store(stored.map((place) => withValue(base, place)));
  try {
    // from here on their values are the store's
    for (const { name } of stored) base.initializerToInput(base.get(name));
    await restoreMoments(store, stored, arrays);
    const train = await runtime.compile(differentiated.graph, {
      store,
      gradients: differentiated.gradients,
      bufferUpdates,
      purpose: "training",
    });
    let evaluation: Promise<Executable> | undefined;
    return {
      graph: differentiated.graph,
      store,
      train,
      loss: differentiated.loss,
      movers,
      random: randomInputs(differentiated.graph, batchSize),
      evaluation() {
        evaluation ??= runtime.compile(evaluationGraph(base, model.outputs), { store });
        return evaluation;
      },
      arrays: stored.map(({ name }) => name),
      read: () => readArrays(store, stored, optimizer),
      async dispose() {
        // one that could not be compiled was told to whom asked for it
        await (await evaluation?.catch(() => undefined))?.dispose();
        await train.dispose();
        await store.dispose();
      },
    };
  } catch (error) {
    await store.dispose();
    throw error;
  }
}

/** @throws autodiff/no-gradient naming the blocks that can move, where an operator is in the way */
function backwards(
  graph: Graph,
  loss: string,
  movers: readonly Mover[],
  symbols: Readonly<Record<string, number>>,
): Differentiated {
  try {
    return differentiate(graph, { loss, parameters: movers.map(({ parameter }) => parameter.name), symbols });
  } catch (error) {
    throw namingBlocks(error, { graph, loss, movers });
  }
}

/** The graph up to `outputs`; dropout masks become 1. */
export function evaluationGraph(base: Graph, outputs: readonly string[]): Graph {
  const graph = base.clone();
  for (const output of [...graph.outputs]) if (!outputs.includes(output.name)) graph.removeOutput(output);
  dropNothing(graph);
  removeDead(graph);
  takeEarly(graph);
  for (const input of [...graph.inputs]) {
    if (!graph.isRead(input)) graph.removeValue(input);
  }
  return graph;
}

const placeOf = (graph: Graph, name: string, kind: ArrayPlace["kind"]): ArrayPlace => ({
  name,
  dims: graph.get(name).constant!.dims,
  kind,
});

const withValue = (graph: Graph, place: ArrayPlace): StoredArray => ({
  ...place,
  value: graph.get(place.name).constant!.data,
});

/** Optimizer arrays that an optimizer keeps for each parameter. */
export function momentsOf(optimizer: OptimizerKind): readonly ("first" | "second")[] {
  if (optimizer.kind !== "sgd") return ["first", "second"];
  return optimizer.momentum > 0 ? ["first"] : [];
}

async function restoreMoments(
  store: ParameterStore,
  stored: readonly ArrayPlace[],
  arrays: Arrays,
): Promise<void> {
  const steps: Record<string, number> = {};
  for (const { name, kind } of stored) {
    const before = arrays.get(name);
    if (kind !== "parameter" || !before) continue;
    for (const slot of ["first", "second"] as const) {
      const moment = before[slot];
      if (moment) await store.write(name, slot, await numbersOf(moment));
    }
    steps[name] = before.steps;
  }
  if (Object.keys(steps).length > 0) await store.setSteps(steps);
}

async function readArrays(
  store: ParameterStore,
  stored: readonly ArrayPlace[],
  optimizer: OptimizerKind,
): Promise<Arrays> {
  const steps = await store.steps();
  const arrays = new Map<string, ArrayState>();
  for (const { name, dims, kind } of stored) {
    const moments: { first?: Moment; second?: Moment } = {};
    // twice the weights: one at a time is read from the store, when a checkpoint is written or the stage ends
    if (kind === "parameter")
      for (const slot of momentsOf(optimizer)) moments[slot] = () => store.read(name, slot);
    const value = await store.read(name, "value");
    arrays.set(name, { kind, dims, value, ...moments, steps: steps[name] ?? 0 });
  }
  return arrays;
}
