import type { Graph, Value } from "../ir.ts";

/**
 * Brings the batch of every input and output to the front, in place, by transposing what is fed and given: states of
 * recurrent networks are [layers, batch, width], their sequences [time, batch, width].
 */
export function batchFirst(graph: Graph): void {
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
