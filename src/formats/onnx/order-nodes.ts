import { DiapasonError } from "../../base/errors.ts";
import type { AttributeProto, GraphProto, NodeProto } from "./onnx.generated.ts";

/** What each body reads from outside; a body inside bodies is asked for by all of them. */
export type FreeNames = WeakMap<GraphProto, readonly string[]>;

/**
 * Nodes of one graph in topological order: as the file has them where that is one, else each after what it reads.
 * `isKnown`: whether a name that none of these nodes makes can be read.
 *
 * @throws formats/onnx-bad-graph when two nodes make one name, one reads what nothing makes, or they read in a circle.
 */
export function orderNodes(
  nodes: readonly NodeProto[],
  isKnown: (name: string) => boolean,
  free: FreeNames,
): readonly NodeProto[] {
  const makers = makersOf(nodes);
  const order: NodeProto[] = [];
  const state = new Uint8Array(nodes.length); // 0: not met, 1: waits for what it reads, 2: in order
  const waiting: { readonly index: number; readonly reads: readonly string[]; next: number }[] = [];
  const meet = (index: number) => {
    state[index] = 1;
    waiting.push({ index, reads: namesRead(nodes[index]!, free), next: 0 });
  };
  for (let first = 0; first < nodes.length; first++) {
    if (state[first] === 0) meet(first);
    for (let top = waiting.at(-1); top; top = waiting.at(-1)) {
      const { index, reads } = top;
      if (top.next === reads.length) {
        order.push(nodes[index]!);
        state[index] = 2;
        waiting.pop();
        continue;
      }
      const name = reads[top.next++]!;
      if (name === "") continue;
      const maker = makers.get(name);
      if (maker === undefined && !isKnown(name))
        throw badGraph(`${called(nodes[index]!)} reads "${name}", which nothing makes`);
      if (maker === undefined || state[maker] === 2) continue;
      if (state[maker] === 1)
        throw badGraph(`${called(nodes[index]!)} reads "${name}", which is made from its own result`);
      meet(maker);
    }
  }
  return order;
}

function makersOf(nodes: readonly NodeProto[]): Map<string, number> {
  const makers = new Map<string, number>();
  for (const [index, { output }] of nodes.entries()) {
    for (const name of output) {
      if (makers.has(name)) throw badGraph(`two values are called "${name}"`);
      if (name !== "") makers.set(name, index);
    }
  }
  return makers;
}

const called = (node: NodeProto): string => `node "${node.name || node.opType}"`;

/**
 * Whether the bodies of an attribute are branches of If, which are given nothing: what they declare as inputs, as some
 * exporters write, are values around them; ONNX Runtime refuses such a file, but not what is written of it.
 */
export const holdsBranches = ({ name }: AttributeProto): boolean =>
  name === "then_branch" || name === "else_branch";

/** What a node and its bodies read from outside. */
function namesRead(node: NodeProto, free: FreeNames): readonly string[] {
  const inner = node.attribute.flatMap((attribute) => {
    const bodies = attribute.g ? [attribute.g, ...attribute.graphs] : attribute.graphs;
    return bodies.flatMap((body) => freeNames(body, holdsBranches(attribute), free));
  });
  return inner.length === 0 ? node.input : [...node.input, ...inner];
}

function freeNames(body: GraphProto, isBranch: boolean, free: FreeNames): readonly string[] {
  const known = free.get(body);
  if (known) return known;
  const own = new Set([
    ...(isBranch ? [] : body.input.map((i) => i.name)),
    ...body.initializer.map((t) => t.name),
    ...body.sparseInitializer.map((t) => t.values?.name ?? ""),
    ...body.node.flatMap((n) => n.output),
  ]);
  const read = new Set([...body.node.flatMap((n) => namesRead(n, free)), ...body.output.map((o) => o.name)]);
  const names = [...read].filter((name) => !own.has(name));
  free.set(body, names);
  return names;
}

export const badGraph = (what: string): DiapasonError =>
  new DiapasonError(
    "formats/onnx-bad-graph",
    `The graph does not hold together: ${what}.`,
    "Export the model again; onnx.checker tells more.",
  );
