import { symbolsOf } from "../graph/dim.ts";
import { cloneAttribute, type Graph, type Node, readsOf, type Value } from "../graph/ir.ts";
import { drawsRandomNumbers } from "../graph/random.ts";
import type { Steps } from "../graph/steps.ts";
import { carryType } from "../graph/value.ts";

/** Whether a value of a body has the same sizes in every step, as far as its shape tells: what is stacked must. */
export function steadyIn(body: Graph): (value: Value) => boolean {
  const around = body.nodes.flatMap(readsOf).filter((value) => !body.owns(value));
  const known = new Set(
    [...around, ...body.inputs].flatMap(({ shape = [] }) => shape.flatMap((dim) => symbolsOf(dim))),
  );
  return ({ shape, opaqueType }) =>
    opaqueType !== undefined ||
    (shape?.every((dim) => symbolsOf(dim).every((name) => known.has(name))) ?? false);
}

/**
 * Lets the way back compute again what it reads of values whose sizes may differ from step to step, such as the items of a
 * bag: they cannot be stacked, what they are made of can. `before`: the nodes of the forward pass.
 */
export function computeAgain(work: Graph, before: ReadonlySet<Node>, { inputs, outputs }: Steps): void {
  const isSteady = steadyIn(work);
  const isAtHand = new Set([...inputs, ...outputs].map(({ slice }) => slice));
  const copies = new Map<Value, Value>();
  const again = (value: Value, reader: Node): Value => {
    const known = copies.get(value);
    if (known) return known;
    const { producer } = value;
    if (!producer || !before.has(producer) || isAtHand.has(value) || isSteady(value)) return value;
    if (drawsRandomNumbers(producer)) return value;
    const copy = work.addNode(
      producer.op,
      producer.inputs.map((input) => input && again(input, reader)),
      {
        domain: producer.domain,
        origin: producer.origin,
        attributes: [...producer.attributes].map(([key, a]) => [key, cloneAttribute(a, work)] as const),
        outputs: producer.outputs.map((output) => (output ? work.freshName(output.name) : "")),
        before: reader,
      },
    );
    for (const [i, output] of producer.outputs.entries()) {
      if (!output) continue;
      carryType(output, copy.outputs[i]!);
      copies.set(output, copy.outputs[i]!);
    }
    return copies.get(value)!;
  };
  for (const node of work.nodes.filter((one) => !before.has(one)))
    for (const [i, input] of node.inputs.entries()) {
      const copy = input && again(input, node);
      if (copy !== input) work.setNodeInput(node, i, copy);
    }
}
