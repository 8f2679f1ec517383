import { random } from "../../base/random.ts";
import { type Graph, graphsIn } from "../ir.ts";
import { drawsRandomNumbers } from "../random.ts";

/**
 * Gives every node that draws random numbers and names no seed one of its own, in place, so that the same runs in the same
 * order draw the same numbers. Result: the operators that draw, those with seeds too.
 */
export function seedDraws(graph: Graph, seed: number): readonly string[] {
  const drawing = new Set<string>();
  for (const owner of graphsIn(graph))
    for (const node of owner.nodes) {
      if (!drawsRandomNumbers(node) || node.op === "Dropout") continue;
      drawing.add(node.op);
      if (node.attributes.has("seed")) continue;
      // A whole number that float32 holds, which is what the attribute is.
      const value = random(seed, "draws", node.outputs[0]?.name ?? node.name).integer(2 ** 24);
      owner.setAttribute(node, "seed", { type: "float", value });
    }
  return [...drawing].sort();
}
