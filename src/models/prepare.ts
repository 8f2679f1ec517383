import type { Dim } from "../graph/dim.ts";
import { inferShapes } from "../graph/infer.ts";
import type { Graph, Value } from "../graph/ir.ts";
import { foldSequences } from "../graph/passes/fold-sequences.ts";
import { hoistWeights } from "../graph/passes/hoist-weights.ts";
import { weighLinearModels } from "../graph/passes/linear-models.ts";
import { normalize } from "../graph/passes/normalize.ts";
import { removeDead } from "../graph/passes/remove-dead.ts";
import { computeInFloat32 } from "../graph/passes/stored-types.ts";
import { makeBatchSymbolic } from "../graph/passes/symbolic-batch.ts";

/** Fills in shapes of a graph by running it. */
export type ShapeLearner = (graph: Graph) => Promise<unknown>;

/**
 * Brings a graph as it was read into the form that everything else expects, in place: one spelling of operators, no
 * dead nodes or unread inputs, no weights in bodies, constants that are not inputs as well, shapes, a first input dim "batch", float32 where it
 * is of half precision. Result: notes.
 *
 * `whole`: inputs that nothing reads stay, and the first dim of every input counts examples, where it can.
 * `keepsHalves`: half precision stays, for a graph that is run and not tuned.
 */
export async function prepareGraph(
  graph: Graph,
  learnShapes?: ShapeLearner,
  { whole = false, keepsHalves = false }: { readonly whole?: boolean; readonly keepsHalves?: boolean } = {},
): Promise<string[]> {
  for (const input of [...graph.inputs]) if (input.constant) graph.inputToInitializer(input, input.constant);
  normalize(graph);
  weighLinearModels(graph);
  removeDead(graph);
  hoistWeights(graph);
  for (const input of graph.inputs.filter((value) => value.consumers.length === 0))
    if (!whole && graph.inputs.length > 1 && !graph.outputs.includes(input)) graph.removeValue(input);
  const notes = whole ? nameBatchOfAll(graph) : nameBatch(graph);
  inferShapes(graph);
  foldSequences(graph);
  const others = computeInFloat32(graph, { keepsHalves });
  if (others.size > 0)
    notes.push(
      `The model computes in ${[...others].join(" and ")}; it is tuned in float32 and saved as it was.`,
    );
  const isOpen = (value: Value) => value.shape === undefined;
  if (learnShapes && graph.nodes.some((node) => node.outputs.some((output) => output && isOpen(output))))
    await learnShapes(graph);
  return notes;
}

/** Calls the first dim of the first input "batch" wherever it is used, and frees it where the export fixed it. */
function nameBatch(graph: Graph): string[] {
  const input = graph.inputs[0];
  const dim = input?.shape?.[0];
  if (input && typeof dim === "number") return freed(graph, [[input.name, 0]], dim);
  if (typeof dim === "string") renameDim(graph, dim);
  return [];
}

/**
 * The same for every input that is read: their first dims are one, unless they are fixed to different numbers, or are a
 * size of something else in another input, or the batch is said to lie elsewhere.
 */
function nameBatchOfAll(graph: Graph): string[] {
  const read = graph.inputs.filter(({ shape, consumers }) => shape?.length && consumers.length > 0);
  const inner = innerBatch(read);
  if (inner !== undefined) {
    renameDim(graph, inner);
    return [];
  }
  for (const [i, { shape }] of read.entries()) {
    const dim = shape![0]!;
    const isElsewhere = i > 0 && read.some((input) => input.shape!.slice(1).includes(dim));
    if (typeof dim === "string" && !isElsewhere) renameDim(graph, dim);
  }
  const dim = read[0]?.shape?.[0];
  if (typeof dim !== "number") return [];
  const states = read.filter(
    (input) => input.shape!.length === 3 && input.shape![1] === dim && isState(input),
  );
  const places = read.flatMap((input): readonly (readonly [name: string, axis: number])[] => {
    if (states.includes(input)) return [[input.name, 1]];
    return input.shape![0] === dim ? [[input.name, 0]] : [];
  });
  return freed(graph, places, dim);
}

/** Whether an input is what recurrent operators begin with, [layers, batch, width]: all of it, or a part of the layers. */
function isState(value: Value): boolean {
  return (
    value.consumers.length > 0 &&
    value.consumers.every((node) => {
      if (["LSTM", "GRU", "RNN"].includes(node.op)) return node.inputs.indexOf(value) >= 5;
      const isPart = ["Slice", "Split", "Identity"].includes(node.op) && node.inputs[0] === value;
      return isPart && node.outputs.every((output) => !output || isState(output));
    })
  );
}

/** The size that is called after the batch where it is the first of no input: sequences [time, batch, width]. */
function innerBatch(read: readonly Value[]): string | undefined {
  const firsts = new Set(read.map(({ shape }) => shape![0]));
  const called = (dim: Dim | undefined): dim is string =>
    typeof dim === "string" && /^(n|bs|batch(_?size)?)$/i.test(dim) && !firsts.has(dim);
  const axis = read[0]?.shape?.findIndex(called) ?? -1;
  return axis > 0 ? (read[0]!.shape![axis] as string) : undefined;
}

function freed(
  graph: Graph,
  places: readonly (readonly [name: string, axis: number])[],
  dim: number,
): string[] {
  const [reason] = makeBatchSymbolic(graph, ...places);
  if (reason === undefined) return [];
  return [
    `The model is exported for exactly ${dim} example${dim === 1 ? "" : "s"} at a time, and cannot be freed of it (${reason}); it is tuned in batches of that size.`,
  ];
}

function renameDim(graph: Graph, dim: string): void {
  if (dim === "batch") return;
  const rename = (size: string) =>
    size.replace(/[A-Za-z_][\w.:]*/g, (symbol) => (symbol === dim ? "batch" : symbol));
  const values = [...graph.inputs, ...graph.nodes.flatMap((node) => node.outputs)];
  for (const value of new Set(values))
    if (value?.shape)
      value.shape = value.shape.map((size) =>
        typeof size === "number" ? size : size === dim ? "batch" : rename(size),
      );
}
