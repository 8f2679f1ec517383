import { attributesOf } from "../graph/attributes.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import type { Node, Value } from "../graph/ir.ts";

/** What an output tells: probabilities, or the numbers that a Softmax or Sigmoid would make them of. */
export type Said = "probabilities" | "logits";

/** Operators that move, repeat, choose or average what they are given: probabilities stay probabilities. */
const carriers = new Set([
  "Identity",
  "Reshape",
  "Flatten",
  "Squeeze",
  "Unsqueeze",
  "Transpose",
  "Dropout",
  "Expand",
  "Slice",
  "Concat",
  "Gather",
  "ReduceMean",
  "ReduceMax",
  "AveragePool",
  "MaxPool",
  "GlobalAveragePool",
  "GlobalMaxPool",
]);

/** The smallest probability whose logarithm is taken: float32 tells 1 − 1e-7 from 1. */
const leastShare = 1e-7;

/** The operator that makes a value's numbers, seen through those that carry them. */
function makerOf(value: Value | undefined): Node | undefined {
  let node = value && beforeCasts(value).producer;
  while (node && carriers.has(node.op)) node = node.inputs[0] && beforeCasts(node.inputs[0]).producer;
  return node;
}

/** A value before it was given another type of real numbers, as exports do with what they give. */
function beforeCasts(value: Value): Value {
  const { producer } = value;
  const [given] = producer?.op === "Cast" ? producer.inputs : [];
  return given?.dtype?.startsWith("float") ? beforeCasts(given) : value;
}

/** exp(x) / Σ exp(x), as some exports write a Softmax: what the exponential reads. */
function spelledOut(node: Node | undefined): Value | undefined {
  if (node?.op !== "Div") return undefined;
  const exponential = node.inputs[0]?.producer;
  const sum = makerOf(node.inputs[1]);
  if (exponential?.op !== "Exp" || sum?.op !== "ReduceSum") return undefined;
  return sum.inputs[0] === exponential.outputs[0] ? exponential.inputs[0] : undefined;
}

/**
 * Logits of an output that tells yes from no: what its Sigmoid reads where it ends in one, so that neither the loss nor
 * its gradient loses precision where the model is sure; the output itself otherwise. `said` overrules what the graph shows.
 */
export function logitsOfShares(g: GraphBuilder, output: Value, said?: Said): Value {
  if (said === "logits") return output;
  const node = beforeCasts(output).producer;
  if (node?.op === "Sigmoid") return g.cast(node.inputs[0]!, output);
  if (said !== "probabilities" && makerOf(output)?.op !== "Sigmoid") return output;
  const share = g.min(g.max(output, leastShare), 1 - leastShare);
  return g.sub(g.log(share), g.log(g.sub(1, share)));
}

/** The same for an output that tells classes apart along `axis`, and its Softmax. A LogSoftmax gives logits already. */
export function logitsOfClasses(g: GraphBuilder, output: Value, axis: number, said?: Said): Value {
  if (said === "logits") return output;
  const node = beforeCasts(output).producer;
  if (node?.op === "Softmax") {
    const own = attributesOf(node, "Softmax").axis;
    const rank = output.shape?.length ?? 0;
    if ((own < 0 ? own + rank : own) === axis) return g.cast(node.inputs[0]!, output);
  }
  const exponent = spelledOut(node);
  // Of the rank of the output, so that both have one class axis.
  if (exponent?.shape && exponent.shape.length === output.shape?.length) return g.cast(exponent, output);
  const maker = makerOf(output);
  const isShare = said === "probabilities" || maker?.op === "Softmax" || spelledOut(maker) !== undefined;
  return isShare ? g.log(g.max(output, leastShare)) : output;
}
