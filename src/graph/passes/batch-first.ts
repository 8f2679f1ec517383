import type { Graph, Value } from "../ir.ts";

/**
 * Brings the batch of every input and output to the front, in place, by transposing what is fed and given: states of
 * recurrent networks are [layers, batch, width], their sequences [time, batch, width]. An input that begins with a number and
 * leaves one size open counts examples there.
 */
export function batchFirst(graph: Graph): void {
  for (const input of graph.inputs) if (!input.constant) nameBatch(graph, input);
  for (const input of [...graph.inputs]) {
    const axis = batchAxis(input);
    if (axis === undefined || input.constant) continue;
    const { name, dtype, storedType, shape } = input;
    graph.rename(input, graph.freshName(`${name}.inside`));
    const order = frontFirst(shape!.length, axis);
    const given = graph.addInput(
      name,
      dtype,
      order.map((i) => shape![i]!),
    );
    const back = order.map((_, i) => order.indexOf(i));
    const inside = transposed(graph, given, back, graph.freshName(`${name}.back`), graph.nodes[0]);
    Object.assign(inside, { dtype, storedType, shape });
    given.storedType = storedType;
    graph.replaceUses(input, inside);
    graph.removeValue(input);
  }
  graph.outputs.forEach((output, i) => {
    const axis = batchAxis(output);
    if (axis === undefined || graph.inputs.includes(output)) return;
    const { name, dtype, storedType, shape } = output;
    graph.rename(output, graph.freshName(`${name}.inside`));
    const order = frontFirst(shape!.length, axis);
    const front = transposed(graph, output, order, name);
    Object.assign(front, { dtype, storedType, shape: order.map((at) => shape![at]!) });
    graph.setOutput(i, front);
  });
}

/** Calls the only open size of an input the batch, wherever it occurs, if its first size is a number. */
function nameBatch(graph: Graph, { shape }: Value): void {
  const open = shape?.filter((dim) => typeof dim === "string") ?? [];
  if (typeof shape?.[0] !== "number" || open.length !== 1 || open[0] === "batch") return;
  for (const value of [...graph.inputs, ...graph.nodes.flatMap((node) => node.outputs)])
    if (value?.shape) value.shape = value.shape.map((dim) => (dim === open[0] ? "batch" : dim));
}

/** Where the batch lies, if it is not in front. */
function batchAxis({ shape }: Value): number | undefined {
  const axis = shape?.indexOf("batch") ?? -1;
  return axis > 0 && shape!.lastIndexOf("batch") === axis ? axis : undefined;
}

const frontFirst = (rank: number, axis: number): readonly number[] => [
  axis,
  ...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis),
];

function transposed(
  graph: Graph,
  value: Value,
  perm: readonly number[],
  name: string,
  before?: Graph["nodes"][number],
): Value {
  const attributes = [["perm", { type: "ints", value: perm }]] as const;
  const options = { attributes, outputs: [name], ...(before && { before }) };
  return graph.addNode("Transpose", [value], options).outputs[0]!;
}
