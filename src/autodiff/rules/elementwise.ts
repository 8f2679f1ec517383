import type { GraphBuilder } from "../../graph/builder.ts";
import { knownNumbers } from "../../graph/infer.ts";
import type { Value } from "../../graph/ir.ts";
import type { OpName } from "../../graph/schemas.ts";
import { type GradRules, type InputRule, noGradient } from "../rule.ts";

/** 2/√π, the slope of erf at 0. */
const erfSlope = 2 / Math.sqrt(Math.PI);

/** dx = dy ⊙ f'(x), the derivative given as a value. */
const times =
  <N extends OpName>(derivative: InputRule<N>): InputRule<N> =>
  (b) => {
    const slope = derivative(b);
    return slope && b.g.mul(b.dy, slope);
  };

/** 1 where the condition holds, else 0, in the type of `like`. */
const mask = (g: GraphBuilder, condition: Value, like: Value): Value => g.cast(condition, like);

/**
 * Φ(x) + x·φ(x), the derivative of x·Φ(x) with Φ the normal distribution: ½ + ½·erf u + u·e^(−u²)/√π with u = x/√2.
 * Every operator is a pass over memory, so factors are made part of one: ½ + ½·e is a HardSigmoid that never saturates.
 */
function geluSlope(g: GraphBuilder, x: Value): Value {
  const u = g.mul(x, Math.SQRT1_2);
  const cumulative = g.op("HardSigmoid", [g.op("Erf", [u])], { alpha: 0.5, beta: 0.5 });
  const density = g.exp(g.sub(-0.5 * Math.log(Math.PI), g.square(u)));
  return g.add(cumulative, g.mul(u, density));
}

/** With u = √(2/π)·(x + 0.044715·x³) and t = tanh u: ½(1 + t) + ½·x·(1 − t²)·u'. */
function tanhGeluSlope(g: GraphBuilder, x: Value): Value {
  const c = Math.sqrt(2 / Math.PI);
  const squared = g.square(x);
  const t = g.op("Tanh", [g.mul(g.mul(c, x), g.add(1, g.mul(0.044715, squared)))]);
  const inner = g.mul(c, g.add(1, g.mul(3 * 0.044715, squared)));
  const rising = g.mul(g.mul(x, g.sub(1, g.square(t))), inner);
  return g.mul(0.5, g.add(g.add(1, t), rising));
}

/** y = x·σ(αx)   y' = σ + αx·σ·(1 − σ) */
export function swishSlope(g: GraphBuilder, x: Value, alpha: number): Value {
  const scaled = alpha === 1 ? x : g.mul(alpha, x);
  const s = g.op("Sigmoid", [scaled]);
  return g.mul(s, g.add(1, g.mul(scaled, g.sub(1, s))));
}

export const elementwise = {
  Abs: [({ g, dy, x: [x] }) => g.mul(dy, g.op("Sign", [x]))],
  Acos: [({ g, dy, x: [x] }) => g.neg(g.div(dy, g.sqrt(g.sub(1, g.square(x)))))],
  // √(x²−1) in factors, which does not overflow
  Acosh: [({ g, dy, x: [x] }) => g.div(dy, g.mul(g.sqrt(g.sub(x, 1)), g.sqrt(g.add(x, 1))))],
  Asin: [({ g, dy, x: [x] }) => g.div(dy, g.sqrt(g.sub(1, g.square(x))))],
  Asinh: [({ g, dy, x: [x] }) => g.div(dy, g.sqrt(g.add(1, g.square(x))))],
  Atan: [({ g, dy, x: [x] }) => g.div(dy, g.add(1, g.square(x)))],
  Atanh: [({ g, dy, x: [x] }) => g.div(dy, g.sub(1, g.square(x)))],
  // steps: the slope is 0 wherever there is one
  Ceil: [null],
  Floor: [null],
  Round: [null],
  Sign: [null],
  Cos: [times(({ g, x: [x] }) => g.neg(g.op("Sin", [x])))],
  Cosh: [times(({ g, x: [x] }) => g.op("Sinh", [x]))],
  Erf: [times(({ g, x: [x] }) => g.mul(erfSlope, g.exp(g.neg(g.square(x)))))],
  Exp: [times(({ y }) => y)],
  // 0 below −3, x/3 + ½ to 3, then 1
  HardSwish: [
    times(({ g, x: [x] }) => {
      const inside = mask(g, g.less(g.abs(x), 3), x);
      return g.add(mask(g, g.greaterOrEqual(x, 3), x), g.mul(inside, g.add(0.5, g.mul(1 / 3, x))));
    }),
  ],
  Identity: [({ dy }) => dy],
  Log: [({ g, dy, x: [x] }) => g.div(dy, x)],
  // with t = tanh(softplus(x)): t + x·(1 − t²)·σ(x)
  Mish: [
    times(({ g, x: [x] }) => {
      const t = g.op("Tanh", [g.op("Softplus", [x])]);
      return g.add(t, g.mul(g.mul(x, g.sub(1, g.square(t))), g.op("Sigmoid", [x])));
    }),
  ],
  Neg: [({ g, dy }) => g.neg(dy)],
  Reciprocal: [({ g, dy, y }) => g.neg(g.mul(dy, g.square(y)))],
  // y ≥ 0, so its truth is its mask: two casts are faster than a comparison and a choice
  Relu: [({ g, dy, y }) => g.mul(dy, g.cast(g.cast(y, "bool"), dy))],
  Sigmoid: [times(({ g, y }) => g.mul(y, g.sub(1, y)))],
  Sin: [times(({ g, x: [x] }) => g.op("Cos", [x]))],
  Sinh: [times(({ g, x: [x] }) => g.op("Cosh", [x]))],
  Softplus: [times(({ g, x: [x] }) => g.op("Sigmoid", [x]))],
  Softsign: [({ g, dy, x: [x] }) => g.div(dy, g.square(g.add(1, g.abs(x))))],
  // 0 where the slope is infinite: √Σx² of an image region that is all 0 has a gradient that way, and NaN otherwise
  Sqrt: [({ g, dy, y }) => g.div(g.mul(0.5, dy), g.where(g.equal(y, 0), Number.POSITIVE_INFINITY, y))],
  Tan: [times(({ g, y }) => g.add(1, g.square(y)))],
  Tanh: [times(({ g, y }) => g.sub(1, g.square(y)))],
  Not: "no-gradient",
  IsNaN: "no-gradient",
  IsInf: "no-gradient",
  BitwiseNot: "no-gradient",
  BitCast: "no-gradient",
  Cast: [({ g, dy, x: [x] }) => g.cast(dy, x)],
  CastLike: [({ g, dy, x: [x] }) => g.cast(dy, x), null],
  // e^(min(x, 0)/α) is 1 from 0 on
  Celu: [times(({ g, x: [x], attrs: { alpha } }) => g.exp(g.mul(1 / alpha, g.min(x, 0))))],
  Elu: [
    times(({ g, x: [x], attrs: { alpha } }) => g.where(g.less(x, 0), g.mul(alpha, g.exp(g.min(x, 0))), 1)),
  ],
  Gelu: [
    times(({ g, x: [x], attrs: { approximate } }) =>
      approximate === "tanh" ? tanhGeluSlope(g, x) : geluSlope(g, x),
    ),
  ],
  "com.microsoft.Gelu": [times(({ g, x: [x] }) => geluSlope(g, x))],
  HardSigmoid: [
    ({ g, dy, y, attrs: { alpha } }) => {
      const inside = g.op("And", [g.greater(y, 0), g.less(y, 1)]);
      return g.mul(g.mul(alpha, dy), mask(g, inside, dy));
    },
  ],
  LeakyRelu: [({ g, dy, x: [x], attrs: { alpha } }) => g.where(g.greater(x, 0), dy, g.mul(alpha, dy))],
  Selu: [
    times(({ g, x: [x], attrs: { alpha, gamma } }) =>
      g.where(g.less(x, 0), g.mul(gamma * alpha, g.exp(g.min(x, 0))), gamma),
    ),
  ],
  Shrink: [({ g, dy, x: [x], attrs: { lambd } }) => g.mul(dy, mask(g, g.greater(g.abs(x), lambd), dy))],
  Swish: [times(({ g, x: [x], attrs: { alpha } }) => swishSlope(g, x, alpha))],
  ThresholdedRelu: [({ g, dy, x: [x], attrs: { alpha } }) => g.mul(dy, mask(g, g.greater(x, alpha), dy))],
  // the bounds are scalars: each takes what it cut off; the upper one wins where they cross
  Clip: [
    (b) => {
      const { g, dy, y, x } = b;
      const [low, high] = [1, 2].map((i) => (b.has(i) ? knownNumbers(x[i])?.[0] : undefined));
      // ReLU6, as exporters write it: flat at its corners, as in PyTorch, so that y tells all and x need not be kept
      if (low === 0 && high === 6)
        return g.mul(dy, mask(g, g.op("And", [g.greater(y, 0), g.less(y, 6)]), dy));
      const above = b.has(1) ? g.greaterOrEqual(x[0], x[1]) : undefined;
      const below = b.has(2) ? g.lessOrEqual(x[0], x[2]) : undefined;
      const inside = above && below ? g.op("And", [above, below]) : (above ?? below);
      return inside ? g.mul(dy, mask(g, inside, dy)) : dy;
    },
    (b) => {
      const { g, dy, x } = b;
      const cut = g.less(x[0], x[1]);
      return g.mul(dy, mask(g, b.has(2) ? g.op("And", [cut, g.lessOrEqual(x[1], x[2])]) : cut, dy));
    },
    (b) => {
      const { g, dy, x } = b;
      const raised = b.has(1) ? g.max(x[0], x[1]) : x[0];
      return g.mul(dy, mask(g, g.greater(raised, x[2]), dy));
    },
  ],
} satisfies Partial<GradRules>;

/** dy for every input that ties for the extreme, shared between them. */
const extreme: InputRule<"Max" | "Min"> = ({ g, dy, y, x, index }) => {
  if (x.length === 1) return dy;
  const hits = x.map((input) => g.cast(g.equal(input, y), dy));
  return g.div(g.mul(dy, hits[index]!), hits.reduce(g.add));
};

export const elementwiseSeveral = {
  Add: [({ dy }) => dy, ({ dy }) => dy],
  Sub: [({ dy }) => dy, ({ g, dy }) => g.neg(dy)],
  Mul: [({ g, dy, x: [, b] }) => g.mul(dy, b), ({ g, dy, x: [a] }) => g.mul(dy, a)],
  Div: [({ g, dy, x: [, b] }) => g.div(dy, b), ({ g, dy, y, x: [, b] }) => g.neg(g.mul(g.div(dy, b), y))],
  // da = dy·b·a^(b−1), 0 where b is 0 so that 0·∞ does not arise   db = dy·y·log a, 0 where a is 0
  Pow: [
    ({ g, dy, x: [a, exponent] }) => {
      const b = g.cast(exponent, a);
      const list = knownNumbers(exponent);
      const [known] = list ?? [];
      const isSingle = list?.length === 1;
      if (known === 2 && isSingle) return g.mul(g.mul(2, dy), a);
      const power = !isSingle || known === 0 ? g.where(g.equal(b, 0), 1, b) : b;
      return g.mul(dy, g.mul(b, g.pow(a, g.sub(power, 1))));
    },
    ({ g, dy, y, x: [a] }) => {
      const isZero = g.equal(a, 0);
      return g.mul(dy, g.where(isZero, 0, g.mul(y, g.log(g.where(isZero, 1, a)))));
    },
  ],
  PRelu: [
    ({ g, dy, x: [x, slope] }) => g.where(g.greater(x, 0), dy, g.mul(slope, dy)),
    ({ g, dy, x: [x] }) => g.mul(dy, g.min(x, 0)),
  ],
  // a − b·n with n whole: truncated for fmod, which floats must use
  Mod: [
    ({ node, dy, attrs: { fmod } }) =>
      fmod ? dy : noGradient(node, "its fmod is 0, which floats do not have"),
    ({ g, node, dy, attrs: { fmod }, x: [a, b] }) => {
      if (!fmod) return noGradient(node, "its fmod is 0, which floats do not have");
      const ratio = g.div(a, b);
      return g.neg(g.mul(dy, g.mul(g.op("Sign", [ratio]), g.op("Floor", [g.abs(ratio)]))));
    },
  ],
  Sum: [({ dy }) => dy],
  Mean: [({ g, dy, x }) => g.mul(1 / x.length, dy)],
  Max: [extreme],
  Min: [extreme],
  Where: [
    null,
    ({ g, dy, x: [condition] }) => g.where(condition, dy, 0),
    ({ g, dy, x: [condition] }) => g.where(condition, 0, dy),
  ],
  And: "no-gradient",
  Or: "no-gradient",
  Xor: "no-gradient",
  Equal: "no-gradient",
  Greater: "no-gradient",
  GreaterOrEqual: "no-gradient",
  Less: "no-gradient",
  LessOrEqual: "no-gradient",
  BitwiseAnd: "no-gradient",
  BitwiseOr: "no-gradient",
  BitwiseXor: "no-gradient",
  BitShift: "no-gradient",
} satisfies Partial<GradRules>;
