import { attributesOf } from "../graph/attributes.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import type { Value } from "../graph/ir.ts";

/** Operators that only move or rename what they are given. */
const carriers = new Set(["Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Dropout"]);

/** The smallest probability whose logarithm is taken: float32 tells 1 − 1e-7 from 1. */
const leastShare = 1e-7;

/** The operator that makes an output's numbers, seen through those that only move them. */
function makerOf(output: Value): Value["producer"] {
  let node = output.producer;
  while (node && carriers.has(node.op)) node = node.inputs[0]?.producer;
  return node;
}

/**
 * Logits of an output that tells yes from no: what its Sigmoid reads where it ends in one, so that neither the loss nor
 * its gradient loses precision where the model is sure; the output itself otherwise.
 */
export function logitsOfShares(g: GraphBuilder, output: Value): Value {
  if (output.producer?.op === "Sigmoid") return output.producer.inputs[0]!;
  if (makerOf(output)?.op !== "Sigmoid") return output;
  const share = g.min(g.max(output, leastShare), 1 - leastShare);
  return g.sub(g.log(share), g.log(g.sub(1, share)));
}

/** The same for an output that tells classes apart along `axis`, and its Softmax. A LogSoftmax gives logits already. */
export function logitsOfClasses(g: GraphBuilder, output: Value, axis: number): Value {
  const node = output.producer;
  if (node?.op === "Softmax" && node.domain === "") {
    const own = attributesOf(node, "Softmax").axis;
    const rank = output.shape?.length ?? 0;
    if ((own < 0 ? own + rank : own) === axis) return node.inputs[0]!;
  }
  return makerOf(output)?.op === "Softmax" ? g.log(g.max(output, leastShare)) : output;
}
