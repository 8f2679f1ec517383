import { z } from "zod";
import { obstaclesOf } from "../autodiff/path.ts";
import { nameOfType } from "../formats/onnx/value-types.ts";
import { bodiesOf, type Graph, type Node, type Value } from "../graph/ir.ts";
import { nameInFile } from "../graph/node-text.ts";
import { tensorsIn } from "../graph/passes/fold-sequences.ts";
import { realSource } from "../graph/real-source.ts";
import { forwardFlops, type StepMemory, stepFlops, stepMemory } from "../models/cost.ts";
import { loadModel } from "../models/load.node.ts";
import type { Model } from "../models/model.ts";
import { nodesReaching } from "../models/parameters.ts";
import { dependentOutputs, purposeOf } from "../models/purpose.ts";
import { assumedSizes } from "../models/sizes.ts";
import { normalisesBatches, planTable } from "../tune/plan-table.ts";
import { planOf, planWords } from "../tune/plans.ts";
import { learnShapesOrSay } from "./opening/learn-shapes.ts";
import { type Download, located } from "./opening/located.node.ts";
import { deviceOptions } from "./options/common.ts";
import { parseOptions } from "./options/parse.ts";
import { outlines } from "./outlines.ts";
import type { Note } from "./progress.ts";
import { openRuntime } from "./runtime.node.ts";
import type { Verb, VerbEvent } from "./verb.ts";

const inspectOptions = z.strictObject({
  model: z
    .string()
    .describe(
      "Hugging Face folder, ONNX file, folder with onnx/model.onnx, or org/name of the Hugging Face Hub",
    ),
  plan: z.string().default("full").describe(`freeze plan to weigh: ${planWords}`),
  batchSize: z.int().min(1).default(32).describe("examples a step"),
  ...deviceOptions,
});
export type InspectOptions = z.input<typeof inspectOptions>;

/** What a model is made of, and what a plan would cost. */
export interface Inspected extends VerbEvent {
  readonly type: "model";
  readonly source: string;
  /** What it seems to be for: a guess from names, shapes and operators, which it names. */
  readonly purpose: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly classes: number | undefined;
  readonly parameters: number;
  /** Sizes of inputs that the graph leaves open, which costs are counted at: those of a usual image or text. */
  readonly assumedSizes: Readonly<Record<string, number>>;
  /** Of a forward pass of one example; a multiplication with its addition counts two. */
  readonly flops: number;
  readonly nodes: number;
  /** Operators by how often they occur, most frequent first. */
  readonly operators: readonly { readonly op: string; readonly count: number }[];
  readonly blocks: readonly {
    readonly name: string;
    readonly elements: number;
    readonly parameters: number;
  }[];
  /** Absent where there is nothing to tune. */
  readonly plan?: PlanCost;
  /** Operators that stop a gradient, and what below them cannot be tuned. */
  readonly withoutGradient: readonly {
    readonly op: string;
    readonly node: string;
    readonly stops: readonly string[];
  }[];
  readonly notes: readonly string[];
}

export interface Port {
  readonly name: string;
  /** The element type, or what a value that is no tensor is: "sequence of float32". */
  readonly dtype: string;
  /** Absent where not even the number of axes is known. */
  readonly shape?: readonly (number | string)[];
  /** Of an output that no input changes, such as a version. */
  readonly isConstant?: boolean;
}

export interface PlanCost {
  readonly table: string;
  readonly batchSize: number;
  readonly stages: readonly {
    readonly name: string;
    readonly moving: number;
    readonly forwardFlops: number;
    readonly backwardFlops: number;
    readonly memory: StepMemory;
  }[];
}

/** Shows what is in a model: blocks, parameters, cost of a plan, operators without gradient. */
export const inspect: Verb<typeof inspectOptions, Download | Note | Inspected> = {
  ...outlines.inspect,
  options: inspectOptions,
  async *run(input, context = {}) {
    const options = parseOptions(inspectOptions, input);
    const { path, name } = yield* located(options.model, context);
    const runtime = await openRuntime(options);
    try {
      const notes: string[] = [];
      const model = await loadModel(path, {
        whole: true,
        learnShapes: async (graph) => notes.push(...(await learnShapesOrSay(graph, runtime))),
      });
      yield describe(
        { ...model, source: name, notes: [...model.notes, ...notes] },
        options.plan,
        options.batchSize,
      );
    } finally {
      await runtime.dispose();
    }
  },
};

function describe(model: Model, plan: string, batchSize: number): Inspected {
  const { graph, parameters, blocks } = model;
  const elements = new Map(parameters.map((p) => [p.name, p.elements]));
  const total = (names: readonly string[]) => names.reduce((sum, name) => sum + (elements.get(name) ?? 0), 0);
  const dependent = new Set(dependentOutputs(graph));
  const elementsOfAll = total(parameters.map((p) => p.name));
  return {
    type: "model",
    source: model.source,
    purpose: purposeOf(graph, elementsOfAll, new Set(operatorsOf(graph))),
    inputs: graph.inputs.filter((value) => !value.constant).map(portOf),
    outputs: graph.outputs.map((value) => ({
      ...portOf(value),
      ...(!dependent.has(value) && { isConstant: true }),
    })),
    classes: model.labels?.length,
    parameters: elementsOfAll,
    assumedSizes: Object.fromEntries(assumedSizes(model)),
    flops: forwardFlops(model),
    nodes: graph.nodes.length,
    operators: countOperators(model),
    blocks: blocks.map(({ name, parameters: own }) => ({
      name,
      elements: total(own),
      parameters: own.length,
    })),
    ...(parameters.length > 0 && { plan: costOf(model, plan, batchSize) }),
    withoutGradient: withoutGradient(model),
    notes: [...model.notes, ...valuesInside(model)],
  };
}

/** Where no output holds real numbers that a weight reaches: which values inside a loss may name. */
function valuesInside({ graph, parameters }: Model): readonly string[] {
  if (parameters.length === 0) return [];
  const own = new Set(parameters.map((p) => p.value));
  const isReached = (value: Value) =>
    [...nodesReaching(value)].some((node) => node.inputs.some((input) => input && own.has(input)));
  const tensors = graph.outputs.flatMap((value) => (value.opaqueType && tensorsIn(value)) || [value]);
  const isReal = ({ dtype }: Value) => dtype?.startsWith("float") ?? false;
  if (tensors.some((value) => isReal(value) && isReached(value))) return [];
  const sources = tensors.flatMap((value) => (isReached(value) && realSource(value)) || []);
  const named = [...new Set(sources)].map(
    ({ name, shape }) => `"${name}"${shape ? ` [${shape.join(", ")}]` : ""}`,
  );
  return named.length === 0
    ? []
    : [
        `Weights reach no output of real numbers, which a loss needs; it may name a value inside: ${named.join(", ")}.`,
      ];
}

/** What stops a gradient on the way from any of the outputs, each operator once. */
function withoutGradient({ graph, parameters }: Model): Inspected["withoutGradient"] {
  const stops = new Map<Node, Set<string>>();
  for (const output of graph.outputs.flatMap((value) => (value.opaqueType && tensorsIn(value)) || [value])) {
    const reaching = nodesReaching(output);
    const own = parameters
      .map((p) => p.value)
      .filter((value) => value.consumers.some((node) => reaching.has(node)));
    for (const { node, parameters: below } of obstaclesOf(graph, output, own))
      for (const { name } of below) stops.set(node, (stops.get(node) ?? new Set()).add(name));
  }
  return [...stops].map(([node, names]) => {
    const { op, name } = nameInFile(node);
    return { op, node: name, stops: [...names] };
  });
}

const portOf = ({ name, dtype, storedType, shape, opaqueType }: Value): Port => ({
  name,
  dtype: opaqueType ? nameOfType(opaqueType) : (storedType ?? dtype ?? "unknown"),
  ...(shape && { shape }),
});

function countOperators({ graph }: Model): Inspected["operators"] {
  const counts = new Map<string, number>();
  for (const name of operatorsOf(graph)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .map(([op, count]) => ({ op, count }))
    .sort((a, b) => b.count - a.count || (a.op < b.op ? -1 : 1));
}

/** The operator of every node, with its domain where that is not ONNX's main one, those of bodies too. */
function* operatorsOf(graph: Graph): Generator<string> {
  for (const node of graph.nodes) {
    yield node.domain === "" ? node.op : `${node.domain}.${node.op}`;
    for (const body of bodiesOf(node)) yield* operatorsOf(body);
  }
}

function costOf(model: Model, name: string, batchSize: number): PlanCost {
  const plan = planOf(name, model.blocks, {});
  const elements = new Map(model.parameters.map((p) => [p.name, p.elements]));
  const stages = plan.stages.map((stage) => {
    const moving = new Set(
      model.blocks.filter((b) => stage.blocks.includes(b.name)).flatMap((b) => b.parameters),
    );
    const { forward, backward } = stepFlops(model, moving, batchSize);
    return {
      name: stage.name,
      moving: [...moving].reduce((sum, p) => sum + (elements.get(p) ?? 0), 0),
      forwardFlops: forward,
      backwardFlops: backward,
      memory: stepMemory(model, moving, batchSize),
    };
  });
  return { table: planTable(plan, normalisesBatches(model.blocks)), batchSize, stages };
}
