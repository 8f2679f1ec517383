import { opNameOf } from "../graph/attributes.ts";
import { inferNode } from "../graph/infer.ts";
import { bodiesOf, type Graph, type Node, type Value } from "../graph/ir.ts";
import { wentBackThrough } from "../graph/print.ts";
import { drawsRandomNumbers } from "../graph/random.ts";

/**
 * Moves what every run of a body computes alike out of it, before a node of the graph around it: transposed weights,
 * shapes, zeros. Outputs of the body stay.
 */
export function hoistInvariants(body: Graph, outer: Graph, before: Node): void {
  const own = new Set<Value>(body.inputs);
  for (const node of body.nodes) for (const output of node.outputs) if (output) own.add(output);
  const constants = new Map<Value, Value>();
  const outside = (value: Value): Value => {
    if (!body.initializers.has(value)) return value;
    const known = constants.get(value);
    const copy = known ?? outer.addInitializer(outer.freshName("constant"), value.constant!);
    constants.set(value, copy);
    return copy;
  };
  const taken = new Set(outer.nodes.map(({ name }) => name));
  // two bodies may call their nodes alike, and one graph may not; those of a way back are no longer on it
  const nameOf = ({ name }: Node) => (taken.has(name) || wentBackThrough(name) !== undefined ? "" : name);
  for (const node of [...body.nodes]) {
    const varies = node.inputs.some((input) => input && own.has(input));
    const isGiven = node.outputs.some((output) => output && body.outputs.includes(output));
    if (varies || isGiven || !isPlain(node)) continue;
    const copy = outer.addNode(
      node.op,
      node.inputs.map((input) => input && outside(input)),
      {
        domain: node.domain,
        name: nameOf(node),
        origin: node.origin,
        attributes: node.attributes,
        outputs: node.outputs.map((output) => (output ? outer.freshName(output.name) : "")),
        before,
      },
    );
    taken.add(copy.name);
    for (const [i, output] of node.outputs.entries()) {
      if (!output) continue;
      const moved = copy.outputs[i]!;
      moved.dtype = output.dtype;
      moved.shape = output.shape;
      body.replaceUses(output, moved);
      own.delete(output);
    }
    inferNode(copy);
    body.removeNodes(new Set([node]));
  }
}

/** Whether a node is known to give the same each time and has no body. */
const isPlain = (node: Node): boolean =>
  opNameOf(node) !== undefined && !drawsRandomNumbers(node) && bodiesOf(node).length === 0;
