import { opNameOf } from "../attributes.ts";
import { inferNode, inferShapes, knownNumbers } from "../infer.ts";
import { bodiesOf, type Graph, type Node, type Value } from "../ir.ts";
import { fromNdArray, runNode, toNdArray } from "../kernels/interpret.ts";
import { isFloat, type NdArray, ndArray } from "../kernels/nd-array.ts";
import { type Schema, schemas } from "../schemas.ts";
import { bitsOf, sizeOf, type Tensor } from "../tensor.ts";
import { replaceByConstants } from "./constants.ts";

export interface FoldOptions {
  /**
   * Constants that must stay constants of their own, such as the parameters to train. Without it: every float
   * constant of more than one element.
   */
  readonly keep?: ReadonlySet<Value>;
}

/** A folded constant may be so large, or as large as what it is computed from. */
const cheapBytes = 1 << 20;

/**
 * Computes once what depends on constants only, in float64, and what shape inference knows of sizes.
 *
 * Random operators, operators outside the table, bodies of If, Loop and Scan, and outputs of the graph stay.
 */
export function foldConstants(graph: Graph, options: FoldOptions = {}): void {
  inferShapes(graph);
  const keep = options.keep ?? new Set([...graph.initializers].filter(isWeight));
  const inputs = new Set(graph.inputs);
  const isFixed = (value: Value) => value.constant !== undefined && !inputs.has(value) && !keep.has(value);
  for (const node of [...graph.nodes]) {
    inferNode(node);
    const tensors = isFoldable(graph, node) ? (known(node) ?? computed(node, isFixed)) : undefined;
    if (tensors) replaceByConstants(graph, node, tensors);
  }
}

const isWeight = ({ constant }: Value): boolean =>
  constant !== undefined && isFloat(constant.dtype) && sizeOf(constant.dims) > 1;

/** Whether the node gives the same in every run and nothing outside reads its outputs by name. */
function isFoldable(graph: Graph, node: Node): boolean {
  const name = opNameOf(node);
  if (name === undefined || name === "Constant" || (schemas[name] as Schema).draws) return false;
  // what a body reads from around it is no input of its node
  if (bodiesOf(node).length > 0) return false;
  return node.outputs.every((output) => !output || (!graph.outputs.includes(output) && isStatic(output)));
}

const isStatic = (value: Value): boolean =>
  value.dtype !== undefined && (value.shape?.every((dim) => typeof dim === "number") ?? false);

/** The single output of a node whose elements inference knows; sizes are whole numbers, so that floats may be weights. */
function known(node: Node): readonly Tensor[] | undefined {
  const [output, ...others] = node.outputs;
  const numbers = knownNumbers(output);
  if (
    !output ||
    isFloat(output.dtype!) ||
    !numbers ||
    others.length > 0 ||
    !numbers.every(Number.isSafeInteger)
  )
    return undefined;
  return [fromNdArray(ndArray(output.dtype!, output.shape as readonly number[], numbers))];
}

function computed(
  node: Node,
  isFixed: (value: Value) => boolean,
): readonly (Tensor | undefined)[] | undefined {
  const given = node.inputs.filter((input) => input !== undefined);
  if (given.length === 0 || !given.every(isFixed)) return undefined;
  const bytesOf = (value: Value) => (sizeOf(value.shape as readonly number[]) * bitsOf[value.dtype!]) / 8;
  const made = node.outputs.filter((output) => output !== undefined);
  const most = Math.max(cheapBytes, ...given.map(bytesOf));
  if (given.some((value) => value.dtype === "string") || made.some((value) => bytesOf(value) > most))
    return undefined;
  const inputs = node.inputs.map((input) => input?.constant && toNdArray(input.constant));
  if (!inputs.every((array) => array === undefined || isExact(array))) return undefined;
  return runNode(node, inputs).map((array) => array && fromNdArray(array));
}

/** Whether every element is held exactly: large int64 sentinels are not. */
const isExact = ({ dtype, data }: NdArray): boolean =>
  isFloat(dtype) || data.every((value) => Number.isSafeInteger(value));
