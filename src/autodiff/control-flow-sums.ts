import { attributesOf, opNameOf } from "../graph/attributes.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import type { Node, Value } from "../graph/ir.ts";
import type { OpName } from "../graph/schemas.ts";

/** A sum over steps as one application of an operator to what all steps give. */
export interface Merge {
  /** What each step gives. */
  readonly factors: readonly Value[];
  /** The sum, from the factors of all steps, one step a slice of the first axis. */
  make(g: GraphBuilder, stacks: readonly Value[]): Value;
}

/** The values that add up to a total, as far as the additions are those of the backward pass. */
export function summands(total: Value, isBackward: (node: Node) => boolean): readonly Value[] {
  const node = total.producer;
  const adds = node && ["Add", "Sum", "Identity"].includes(node.op) && isBackward(node);
  if (!adds) return [total];
  const isPlain = node.inputs.every((input) => input?.shape && input.shape.join() === total.shape?.join());
  return isPlain ? node.inputs.flatMap((input) => summands(input!, isBackward)) : [total];
}

/** How the sum of a value over steps can be made at once; undefined where it cannot. */
export function mergeOf(value: Value, isStepwise: (value: Value) => boolean): Merge | undefined {
  const node = value.producer;
  const name = node && opNameOf(node);
  const merge = name && mergers[name]?.(node);
  return merge && isStepwise(value) && merge.factors.every(isStepwise) ? merge : undefined;
}

const mergers: { readonly [N in OpName]?: (node: Node) => Merge | undefined } = {
  // Σ Aₜᵀ·Bₜ is one product of all rows
  "com.microsoft.FusedMatMul": (node) => {
    const { alpha, transA, transB, transBatchA, transBatchB } = attributesOf(
      node,
      "com.microsoft.FusedMatMul",
    );
    const [a, b] = node.inputs as [Value, Value];
    const columns = [a, b].map((side) => (side.shape?.length === 2 ? side.shape[1] : undefined));
    const isPlain = transA === 1 && transB === 0 && transBatchA === 0 && transBatchB === 0;
    if (!isPlain || !columns.every((size) => typeof size === "number")) return undefined;
    return {
      factors: [a, b],
      make: (g, stacks) => {
        const [left, right] = stacks.map((stack, i) => g.reshape(stack, [-1, columns[i] as number]));
        return g.product(left!, right!, { transA: true, alpha });
      },
    };
  },
  // rows added to zeros where indices put them
  ScatterND: (node) => {
    const [zeros, indices, updates] = node.inputs as [Value, Value, Value];
    const adds = attributesOf(node, "ScatterND").reduction === "add";
    if (!adds || zeros.producer?.op !== "ConstantOfShape") return undefined;
    return {
      factors: [indices, updates],
      make: (g, stacks) => g.op("ScatterND", [zeros, ...stacks], { reduction: "add" }),
    };
  },
};
