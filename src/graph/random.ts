import { opNameOf } from "./attributes.ts";
import { knownNumbers } from "./infer/known-dims.ts";
import type { Node } from "./ir.ts";
import { type Schema, schemas } from "./schemas.ts";

/** Whether a node may give something else each time it runs. */
export function drawsRandomNumbers(node: Node): boolean {
  const name = opNameOf(node);
  if (name === undefined) return false;
  const { draws, inputs }: Schema = schemas[name];
  if (!draws) return false;
  const mode = inputs.indexOf("training_mode?");
  const isIdle = mode >= 0 && (node.inputs[mode] === undefined || knownNumbers(node.inputs[mode])?.[0] === 0);
  return !isIdle;
}
