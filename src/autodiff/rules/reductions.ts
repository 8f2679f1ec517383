import { fromFront } from "../../graph/attributes.ts";
import { type GraphBuilder, range } from "../../graph/builder.ts";
import { knownNumbers } from "../../graph/infer.ts";
import type { Value } from "../../graph/ir.ts";
import type { OpName } from "../../graph/schemas.ts";
import type { Backward, GradRules, InputRule } from "../rule.ts";

type Reduction = Extract<OpName, `Reduce${string}`>;

/** Axes a reduction runs over, each once, from the front; undefined where they are known at run time only. */
function axesOf({ node, attrs }: Backward<Reduction>): readonly number[] | undefined {
  const rank = node.inputs[0]?.shape?.length;
  const given = node.inputs[1] ? knownNumbers(node.inputs[1]) : [];
  if (given === undefined || rank === undefined) return undefined;
  if (given.length > 0) return [...new Set(given.map((axis) => fromFront(axis, rank)))].sort((a, b) => a - b);
  return attrs.noop_with_empty_axes ? [] : range(rank);
}

/** A value of the output's shape with the reduced axes back as axes of size 1. */
function kept(b: Backward<Reduction>, value: Value): Value {
  const { g, node, attrs } = b;
  const axes = axesOf(b);
  if (attrs.keepdims) return value;
  if (axes) return g.unsqueeze(value, axes);
  const inputs = node.inputs as readonly Value[];
  const { noop_with_empty_axes } = attrs;
  return g.reshapeTo(value, g.shapeOf(g.op("ReduceSum", inputs, { keepdims: 1, noop_with_empty_axes })));
}

/** dx = dy ⊙ slope, with the output's axes put back; the slope has the input's shape. */
const times =
  (slope: (b: Backward<Reduction>, x: Value, y: Value) => Value): InputRule<Reduction> =>
  (b) => {
    const x = b.x[0];
    return b.g.mul(kept(b, b.dy), slope(b, x, kept(b, b.y)));
  };

const mask = (g: GraphBuilder, condition: Value, like: Value): Value => g.cast(condition, like);

/** The elements that are the extreme, sharing the gradient. */
const extreme: InputRule<Reduction> = (b) => {
  const { g, x } = b;
  const hits = mask(g, g.equal(x[0], kept(b, b.y)), x[0]);
  const shared = g.div(kept(b, b.dy), kept(b, sameReduction(b, hits)));
  return g.mul(shared, hits);
};

/** The sum over what the node reduces. */
function sameReduction({ g, node, attrs }: Backward<Reduction>, x: Value): Value {
  const { keepdims, noop_with_empty_axes } = attrs;
  return g.op("ReduceSum", [x, node.inputs[1]], { keepdims, noop_with_empty_axes });
}

/** How many elements one output element sums. */
function counted({ g, node, x, dy }: Backward<Reduction>, axes: readonly number[] | undefined): Value {
  if (axes) return g.count(x[0], dy, axes);
  return g.div(g.count(x[0], dy), g.count(node.outputs[0]!, dy));
}

const whole: InputRule<Reduction> = (b) => b.g.expandLike(kept(b, b.dy), b.x[0]);

/** y / x where no element is 0; with one zero only its own gradient is not 0, with more none is. */
const product: InputRule<Reduction> = (b) => {
  const { g, x, node, attrs } = b;
  const { keepdims, noop_with_empty_axes } = attrs;
  const isZero = g.equal(x[0], 0);
  const filled = g.where(isZero, 1, x[0]);
  const others = kept(b, g.op("ReduceProd", [filled, node.inputs[1]], { keepdims, noop_with_empty_axes }));
  const zeros = kept(b, sameReduction(b, mask(g, isZero, x[0])));
  const atOthers = g.where(g.equal(zeros, 0), g.div(others, filled), 0);
  const atZero = g.where(g.equal(zeros, 1), others, 0);
  return g.mul(kept(b, b.dy), g.where(isZero, atZero, atOthers));
};

export const reductions = {
  ReduceSum: [whole, null],
  ReduceMean: [
    (b) => {
      const { g, dy, x } = b;
      return g.expandLike(kept(b, g.div(dy, counted(b, axesOf(b)))), x[0]);
    },
    null,
  ],
  ReduceMax: [extreme, null],
  ReduceMin: [extreme, null],
  ReduceProd: [product, null],
  ReduceL1: [times(({ g }, x) => g.op("Sign", [x])), null],
  // 0 at the origin, where there is no slope
  ReduceL2: [times(({ g }, x, y) => g.div(x, g.where(g.equal(y, 0), 1, y))), null],
  ReduceLogSum: [times(({ g }, x, y) => g.expandLike(g.exp(g.neg(y)), x)), null],
  ReduceLogSumExp: [times(({ g }, x, y) => g.exp(g.sub(x, y))), null],
  ReduceSumSquare: [times(({ g }, x) => g.mul(2, x)), null],
  ArgMax: [null],
  ArgMin: [null],
} satisfies Partial<GradRules>;
