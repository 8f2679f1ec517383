import { attributesOf, fillOf, opNameOf } from "../graph/attributes.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { numbersOf } from "../graph/infer/known-dims.ts";
import type { Graph, Node, Value } from "../graph/ir.ts";
import { removeDead } from "../graph/passes/remove-dead.ts";

/** Rows that are added to a parameter's gradient where indices put them, as the outputs of a graph that give both. */
export interface RowGradient {
  readonly name: string;
  /** int64, any shape. */
  readonly indices: string;
  /** float32, as many rows as there are indices. */
  readonly updates: string;
}

/** Gradients of which some come in rows. A parameter may have a whole one, rows, or both, which are then added. */
export interface Gradients {
  readonly graph: Graph;
  /** Parameter to the output that holds its whole gradient. */
  readonly whole: ReadonlyMap<string, string>;
  readonly rows: readonly RowGradient[];
}

/**
 * Leaves it to the caller to add rows to gradients, in a copy of a training graph: a table of 30,000 words of which a batch
 * has a thousand is then neither made of zeros nor copied.
 *
 * `gradients`: parameter to the output that holds its gradient.
 */
export function rowGradients(source: Graph, gradients: ReadonlyMap<string, string>): Gradients {
  const graph = source.clone();
  const whole = new Map<string, string>();
  const rows: RowGradient[] = [];
  for (const [name, output] of gradients) {
    const total = graph.get(output);
    const parts = summands(total);
    const scattered = parts.filter(isRows);
    if (scattered.length === 0) {
      whole.set(name, output);
      continue;
    }
    graph.removeOutput(total);
    for (const { producer } of scattered) {
      const [, indices, updates] = producer!.inputs as [Value, Value, Value];
      const give = (value: Value, what: string) => giveOut(graph, value, `${output}.${what}`, producer!);
      rows.push({ name, indices: give(indices, "indices"), updates: give(updates, "rows") });
    }
    const others = parts.filter((part) => !isRows(part));
    if (others.length === 0) continue;
    const sum = others.length === 1 ? others[0]! : new GraphBuilder(graph, total.producer).op("Sum", others);
    whole.set(name, giveOut(graph, sum, `${output}.whole`, total.producer!));
  }
  removeDead(graph);
  return { graph, whole, rows };
}

/** Makes a value an output of its own, where another node stood in the order. */
function giveOut(graph: Graph, value: Value, name: string, before: Node): string {
  const made = graph.addNode("Identity", [value], { outputs: [graph.freshName(name)], before }).outputs[0]!;
  made.dtype = value.dtype;
  made.shape = value.shape;
  graph.addOutput(made);
  return made.name;
}

/** The values that add up to a gradient. */
function summands(total: Value): readonly Value[] {
  const node = total.producer;
  if (!node || !["Add", "Sum", "Identity"].includes(node.op)) return [total];
  const isPlain = node.inputs.every((input) => input?.shape && String(input.shape) === String(total.shape));
  return isPlain ? node.inputs.flatMap((input) => summands(input!)) : [total];
}

/** Whether a value is rows added to zeros along the first axis. */
function isRows({ producer, dtype }: Value): boolean {
  if (!producer || dtype !== "float32" || opNameOf(producer) !== "ScatterND") return false;
  const [zeros, indices] = producer.inputs;
  const adds = attributesOf(producer, "ScatterND").reduction === "add";
  return adds && indices?.shape?.at(-1) === 1 && isZeros(zeros?.producer);
}

const isZeros = (node: Node | undefined): boolean =>
  node?.op === "ConstantOfShape" && numbersOf(fillOf(node))?.[0] === 0;
