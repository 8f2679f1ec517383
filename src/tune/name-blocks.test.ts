import { expect, test } from "vitest";
import { differentiate } from "../autodiff/differentiate.ts";
import { DiapasonError } from "../base/errors.ts";
import { Graph } from "../graph/ir.ts";
import { float32 } from "../graph/tensor.ts";
import { namingBlocks } from "./name-blocks.ts";
import type { Mover } from "./program.ts";

/** loss = sum(odd(x · stem · body) · head), where nobody knows an operator "Odd". */
function cutOff(): Graph {
  const graph = new Graph("cut off");
  const weight = (name: string) => graph.addInitializer(name, float32([2, 2], [1, 0, 0, 1]));
  const product = (x: ReturnType<typeof weight>, name: string) =>
    graph.addNode("MatMul", [x, weight(name)]).outputs[0]!;
  const below = product(product(graph.addInput("x", "float32", [1, 2]), "stem.weight"), "body.weight");
  const odd = graph.addNode("Odd", [below], { domain: "elsewhere", name: "the odd one" }).outputs[0]!;
  odd.dtype = "float32";
  odd.shape = [1, 2];
  const attributes = [["keepdims", { type: "int", value: 0 }]] as const;
  graph.addOutput(
    graph.addNode("ReduceSum", [product(odd, "head.weight")], { attributes, outputs: ["loss"] }).outputs[0]!,
  );
  return graph;
}

/** What is said where these blocks are to move. */
function said(...blocks: string[]): string {
  const graph = cutOff();
  const movers = blocks.map((block) => ({ parameter: { name: `${block}.weight` }, block }) as Mover);
  try {
    differentiate(graph, { loss: "loss", parameters: movers.map(({ parameter }) => parameter.name) });
  } catch (error) {
    const named = namingBlocks(error, { graph, loss: "loss", movers });
    if (named instanceof DiapasonError) return `${named.message} ${named.fix}`;
    throw named;
  }
  return "nothing";
}

test("an operator without gradient names the blocks it cuts off, and those that can move", () => {
  expect(said("stem", "body", "head")).toMatch(
    /"the odd one".*has no gradient.*Those are the blocks stem, body; a stage with blocks: \[head\] moves the others\.$/,
  );
  expect(said("body")).toMatch(/That is the block body; nothing else moves in this stage\.$/);
  expect(said("head")).toBe("nothing");
});

test("other errors stay as they are", () => {
  const error = new DiapasonError("autodiff/bad-loss", "a", "b");
  expect(namingBlocks(error, { graph: cutOff(), loss: "loss", movers: [] })).toBe(error);
});
