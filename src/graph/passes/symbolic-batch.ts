import { attributesOf, opNameOf } from "../attributes.ts";
import { type Dim, product, type Shape, substitute, symbolsOf } from "../dim.ts";
import { shapeText } from "../infer/rule.ts";
import { forgetShapes, inferNode, inferShapes, knownNumbers } from "../infer.ts";
import type { Graph, Node, Value } from "../ir.ts";
import { int64 } from "../tensor.ts";

const symbol = "batch";

/**
 * Makes the first dim of an input, exported as a fixed number, the symbol "batch": constants of Reshape and AffineGrid that
 * carry the fixed number let it vary; constants that are concatenated to batches and states of recurrent operators are
 * repeated. Several inputs have one batch; one given with an axis has it there.
 *
 * Result: the reasons why it cannot be done; the graph is then as it was. With no reasons it is done, and every shape
 * is inferred anew.
 */
export function makeBatchSymbolic(
  graph: Graph,
  ...inputs: readonly (string | readonly [name: string, axis: number])[]
): readonly string[] {
  const places = inputs.map((input) => (typeof input === "string" ? ([input, 0] as const) : input));
  const [first] = places;
  const fixed = first && graph.get(first[0]).shape?.[first[1]];
  if (typeof fixed !== "number") return [];
  const reasons = new Batching(graph.clone(), places, fixed).reasons();
  if (reasons.length === 0) new Batching(graph, places, fixed).reasons();
  return reasons;
}

/** One pass over a graph with what was known of its shapes before. */
class Batching {
  readonly #graph: Graph;
  readonly #fixed: number;
  readonly #inputs: readonly { readonly value: Value; readonly axis: number }[];
  readonly #before: ReadonlyMap<Value, Shape | undefined>;
  readonly #reasons: string[] = [];

  constructor(graph: Graph, places: readonly (readonly [name: string, axis: number])[], fixed: number) {
    this.#graph = graph;
    this.#fixed = fixed;
    this.#inputs = places.map(([name, axis]) => ({ value: graph.get(name), axis }));
    inferShapes(graph);
    this.#before = new Map(
      graph.nodes.flatMap((n) => n.outputs.flatMap((o) => (o ? [[o, o.shape] as const] : []))),
    );
  }

  reasons(): readonly string[] {
    for (const { value, axis } of this.#inputs)
      value.shape = value.shape!.map((size, i) => (i === axis ? symbol : size));
    forgetShapes(this.#graph);
    for (const node of [...this.#graph.nodes]) {
      if (node.op === "Reshape") this.#openReshape(node);
      if (node.op === "Concat") this.#repeatConstants(node);
      if (recurrent.has(node.op)) this.#repeatStates(node);
      if (node.op === "AffineGrid") this.#countGrids(node);
      try {
        inferNode(node);
      } catch (error) {
        this.#reasons.push(error instanceof Error ? error.message : String(error));
        break;
      }
      this.#check(node);
    }
    return this.#reasons;
  }

  /** Gives a constant shape a −1 (or a 0, which copies) where the batch goes. */
  #openReshape(node: Node): void {
    const [data, wanted] = node.inputs;
    const output = node.outputs[0];
    const target = output && this.#before.get(output);
    const from = data?.shape;
    if (!wanted?.constant || !target || !from) return;
    const axis = from.findIndex(varies);
    if (axis < 0) return;
    const before = product(from.slice(0, axis));
    const at = target.findIndex((_, i) => product(target.slice(0, i)) === before);
    const others = target.filter((_, i) => i !== at);
    if (at < 0) return;
    const isFixed = others.every((dim) => typeof dim === "number");
    const copies = at === axis && from[axis] === symbol && target[at] === this.#fixed;
    if (!isFixed && !(copies && others.filter((dim) => typeof dim === "string").length === 1)) return;
    const sizes = target.map((dim, i) =>
      i === at ? (isFixed ? -1 : 0) : typeof dim === "number" ? dim : -1,
    );
    const name = this.#graph.freshName(`${wanted.name}_batched`);
    this.#graph.setNodeInput(node, 1, this.#graph.addInitializer(name, int64([sizes.length], sizes)));
  }

  /** A constant with size 1 where the other inputs have the batch is repeated for each example. */
  #repeatConstants(node: Node): void {
    const name = opNameOf(node);
    if (name !== "Concat") return;
    const { axis: along } = attributesOf(node, name);
    const batched = node.inputs.find((input) => input?.shape?.some((dim, i) => i !== along && varies(dim)));
    const axis = batched?.shape?.findIndex((dim, i) => i !== along && varies(dim)) ?? -1;
    if (!batched?.shape || axis < 0) return;
    const rank = batched.shape.length;
    for (const [i, input] of node.inputs.entries())
      if (input?.shape?.[axis] === 1 && input.shape.length === rank)
        this.#repeat(node, i, axis, batched, axis);
  }

  /** The states [directions, 1, width] that a recurrent operator begins with are repeated for each example. */
  #repeatStates(node: Node): void {
    const [x] = node.inputs;
    if (!x?.shape || !varies(x.shape[1] ?? 1)) return;
    for (const i of [5, 6]) if (node.inputs[i]?.shape?.[1] === 1) this.#repeat(node, i, 1, x, 1);
  }

  /** Repeats what a node reads along an axis of size 1, as often as another value is long along one of its own. */
  #repeat(node: Node, index: number, axis: number, like: Value, likeAxis: number): void {
    const input = node.inputs[index]!;
    const size = this.#added("Shape", [like], node, { start: likeAxis, end: likeAxis + 1 });
    const ones = (count: number) =>
      this.#graph.addInitializer(
        this.#graph.freshName("ones"),
        int64([count], new Array<number>(count).fill(1)),
      );
    const sizes = this.#added("Concat", [ones(axis), size, ones(input.shape!.length - axis - 1)], node, {
      axis: 0,
    });
    this.#graph.setNodeInput(node, index, this.#added("Expand", [input, sizes], node));
  }

  /** A grid is made for as many examples as there are transformations, whatever number the constant sizes begin with. */
  #countGrids(node: Node): void {
    const [theta, sizes] = node.inputs;
    const [, ...rest] = (sizes && knownNumbers(sizes)) ?? [];
    const batch = theta?.shape?.[0];
    if (!sizes?.constant || batch === undefined || !varies(batch)) return;
    const count = this.#added("Shape", [theta!], node, { start: 0, end: 1 });
    const name = this.#graph.freshName(`${sizes.name}_batched`);
    const others = this.#graph.addInitializer(name, int64([rest.length], rest));
    this.#graph.setNodeInput(node, 1, this.#added("Concat", [count, others], node, { axis: 0 }));
  }

  #added(
    op: string,
    inputs: readonly Value[],
    before: Node,
    ints: { readonly [key: string]: number } = {},
  ): Value {
    const attributes = Object.entries(ints).map(
      ([key, value]) => [key, { type: "int", value } as const] as const,
    );
    const node = this.#graph.addNode(op, inputs, { attributes, before });
    inferNode(node);
    return node.outputs[0]!;
  }

  /** With the fixed number for the batch a shape must be what it was, and no example may be lost or mixed. */
  #check(node: Node): void {
    const name = node.name || node.op;
    const asBefore = new Map<string, Dim>([[symbol, this.#fixed]]);
    const isBatched = node.inputs.some((input) => input?.shape?.some(varies));
    for (const output of node.outputs) {
      const before = output && this.#before.get(output);
      if (!output || !before) continue;
      const after = output.shape?.map((dim) => substitute(dim, asBefore));
      if (after?.join() !== before.join())
        this.#reasons.push(`${name} gives ${shapeText(output.shape)} where it gave ${shapeText(before)}`);
      else if (isBatched && !shapeReaders.has(node.op) && !output.shape!.some(varies))
        this.#reasons.push(`${name} gives ${shapeText(output.shape)}, which does not depend on the batch`);
    }
    if (mixers.has(node.op)) {
      const axis = attributesOf(node, "Softmax").axis;
      if (varies(node.inputs[0]?.shape?.[axis] ?? 1))
        this.#reasons.push(`${name} mixes the examples of a batch`);
    }
  }
}

const varies = (dim: Dim): boolean => symbolsOf(dim).includes(symbol);
/** Operators that read of an input only its shape or type. */
const shapeReaders: ReadonlySet<string> = new Set(["Shape", "Size", "CastLike"]);
const recurrent: ReadonlySet<string> = new Set(["GRU", "LSTM", "RNN"]);
const mixers: ReadonlySet<string> = new Set(["Softmax", "LogSoftmax"]);
