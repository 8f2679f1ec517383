import { type Dim, difference, floorQuotient, product, quotient, sum } from "../dim.ts";
import { dataTypeOf } from "../element-types.ts";
import type { OpName } from "../schemas.ts";
import type { DataType } from "../tensor.ts";
import { type Ask, broadcast, type Found, type ShapeRule } from "./rule.ts";

/** An elementwise function of the elements' values where they are known; undefined where the result is not. */
type OnDims = (...dims: readonly Dim[]) => Dim | undefined;

/** Same shape and type as the first input. */
export const same: ShapeRule<OpName> = (ask) => [{ dtype: ask.dtype(0), shape: ask.shape(0) }];
/** Same shape and elements as the first input. */
const kept: ShapeRule<OpName> = (ask) => [
  { dtype: ask.dtype(0), shape: ask.shape(0), values: ask.values(0) },
];
const yesNo: ShapeRule<OpName> = (ask) => [{ dtype: "bool", shape: ask.shape(0) }];

/** An elementwise function of one value. */
const each =
  (onNumber: (x: number) => number): ShapeRule<OpName> =>
  (ask) => [{ dtype: ask.dtype(0), shape: ask.shape(0), values: mapped(ask, [0], onNumbers(onNumber)) }];

/** A broadcasting function of all inputs, of the type of one of them or of a given type. */
const together =
  (onDims?: OnDims, dtype?: DataType, typeFrom = 0): ShapeRule<OpName> =>
  (ask) => {
    const all = ask.inputs.map((_, i) => i);
    const shape = broadcast(
      ask.node,
      all.map((i) => ask.shape(i)),
    );
    const type = dtype ?? ask.dtype(typeFrom) ?? ask.dtype(ask.inputs.length - 1);
    return [{ dtype: type, shape, values: onDims && mapped(ask, all, onDims) }];
  };

/** The elements of a broadcasting function of small inputs of rank 0 or 1, or undefined where one is not known. */
function mapped(ask: Ask, inputs: readonly number[], onDims: OnDims): readonly Dim[] | undefined {
  const columns = inputs.map((i) => ask.values(i));
  if (!columns.every((column) => column !== undefined)) return undefined;
  if (inputs.some((i) => (ask.shape(i)?.length ?? 2) > 1)) return undefined;
  const all = columns.flat();
  const isMixed =
    all.some((dim) => typeof dim === "string") &&
    !all.every((d) => typeof d === "string" || Number.isInteger(d));
  if (isMixed) return undefined;
  const length = columns.every((column) => column.length > 0) ? Math.max(...columns.map((c) => c.length)) : 0;
  const result = Array.from({ length }, (_, i) => onDims(...columns.map((c) => c[c.length === 1 ? 0 : i]!)));
  return result.every((dim) => dim !== undefined) ? result : undefined;
}

/** A function of numbers only. */
const onNumbers =
  (f: (...numbers: number[]) => number): OnDims =>
  (...dims) => {
    if (!dims.every((dim) => typeof dim === "number")) return undefined;
    const result = f(...dims);
    return Number.isFinite(result) ? result : undefined;
  };

/** Numbers are compared; of symbols only equal texts. */
const compared =
  (f: (a: number, b: number) => boolean): OnDims =>
  (a, b) => {
    if (typeof a === "number" && typeof b === "number") return Number(f(a, b));
    return a === b ? Number(f(0, 0)) : undefined;
  };

const equal: OnDims = (a, b) => {
  if (a === b) return 1;
  const isNeverSize = (dim: Dim | undefined) => typeof dim === "number" && dim < 0;
  // symbols are sizes, and so are sums, products and quotients of them from which nothing is taken away
  const isSize = (dim: Dim | undefined) => typeof dim === "string" && !dim.includes("-");
  if (typeof a === "number" && typeof b === "number") return 0;
  return (isNeverSize(a) && isSize(b)) || (isNeverSize(b) && isSize(a)) ? 0 : undefined;
};

/** Division of whole numbers cuts towards zero, that of others does not round. */
const divided: ShapeRule<OpName> = (ask) => {
  const whole = /^u?int/.test(ask.dtype(0) ?? "");
  const divide: OnDims = (a, b) => {
    if (b === 0) return undefined;
    if (typeof a === "number" && typeof b === "number") return whole ? Math.trunc(a / b) : a / b;
    return quotient(a!, b!) ?? (whole && typeof b === "number" && b > 0 ? floorQuotient(a!, b) : undefined);
  };
  return together(divide)(ask);
};

/** Bounds that are left out are no bounds; exporters clip the padding that they compute at 0. */
const clipped: ShapeRule<OpName> = (ask) => {
  const given = ask.inputs.flatMap((input, i) => (input ? [i] : []));
  const clip = onNumbers((x, ...bounds) => {
    const boundOf = (input: number) => bounds[given.indexOf(input) - 1];
    return Math.min(boundOf(2) ?? x, Math.max(boundOf(1) ?? x, x));
  });
  return [{ dtype: ask.dtype(0), shape: ask.shape(0), values: mapped(ask, given, clip) }];
};

const chosen: OnDims = (condition, x, y) =>
  typeof condition === "number" ? (condition !== 0 ? x : y) : undefined;

/** The largest or smallest of several elements; of a symbol only where all are equal. */
const extreme =
  (pick: (...numbers: number[]) => number): OnDims =>
  (...dims) =>
    dims.every((dim) => dim === dims[0]) ? dims[0] : onNumbers(pick)(...dims);

/** Cast of known elements: whole numbers cut fractions, truth of a symbol is not known. */
function castTo(ask: Ask, dtype: DataType | undefined): readonly Found[] {
  const known = ask.values(0);
  const convert = (dim: Dim): Dim | undefined => {
    if (dtype === "bool") return typeof dim === "number" ? Number(dim !== 0) : undefined;
    return typeof dim === "number" && /^u?int/.test(dtype ?? "") ? Math.trunc(dim) : dim;
  };
  const values = known?.map(convert);
  return [
    { dtype, shape: ask.shape(0), values: values?.every((dim) => dim !== undefined) ? values : undefined },
  ];
}

export const elementwise = {
  Abs: each(Math.abs),
  Acos: same,
  Acosh: same,
  Asin: same,
  Asinh: same,
  Atan: same,
  Atanh: same,
  Ceil: each(Math.ceil),
  Cos: same,
  Cosh: same,
  Erf: same,
  Exp: same,
  Floor: each(Math.floor),
  HardSwish: same,
  Identity: kept,
  Log: same,
  Mish: same,
  Neg: (ask) => [
    { dtype: ask.dtype(0), shape: ask.shape(0), values: mapped(ask, [0], (x) => product([-1, x!])) },
  ],
  Reciprocal: same,
  Relu: same,
  Round: same,
  Sigmoid: same,
  Sign: same,
  Sin: same,
  Sinh: same,
  Softplus: same,
  Softsign: same,
  Sqrt: each(Math.sqrt),
  Tan: same,
  Tanh: same,
  Not: (ask) => [
    {
      dtype: "bool",
      shape: ask.shape(0),
      values: mapped(
        ask,
        [0],
        onNumbers((x) => Number(x === 0)),
      ),
    },
  ],
  IsNaN: yesNo,
  IsInf: yesNo,
  BitwiseNot: same,
  BitCast: (ask) => [{ dtype: dataTypeOf(ask.attributes.to), shape: ask.shape(0) }],
  Cast: (ask) => castTo(ask, dataTypeOf(ask.attributes.to)),
  CastLike: (ask) => castTo(ask, ask.dtype(1)),
  Celu: same,
  Elu: same,
  Gelu: same,
  HardSigmoid: same,
  LeakyRelu: same,
  Selu: same,
  Shrink: same,
  Swish: same,
  ThresholdedRelu: same,
  Clip: clipped,
  "com.microsoft.Gelu": same,
  Add: together((a, b) => addends(a!, b!)),
  Sub: together((a, b) => (bothNumbers(a, b) ? Number(a) - Number(b) : difference(a!, b!))),
  Mul: together((a, b) => (bothNumbers(a, b) ? Number(a) * Number(b) : product([a!, b!]))),
  Div: divided,
  Pow: together(onNumbers(Math.pow)),
  PRelu: together(),
  // the sign of the divisor, or with fmod that of the dividend
  Mod: (ask) =>
    together(onNumbers(ask.attributes.fmod ? (a, b) => a! % b! : (a, b) => a! - b! * Math.floor(a! / b!)))(
      ask,
    ),
  Sum: together(),
  Mean: together(),
  Max: together(extreme(Math.max)),
  Min: together(extreme(Math.min)),
  Where: together(chosen, undefined, 1),
  And: together(
    onNumbers((a, b) => Number(a !== 0 && b !== 0)),
    "bool",
  ),
  Or: together(
    onNumbers((a, b) => Number(a !== 0 || b !== 0)),
    "bool",
  ),
  Xor: together(
    onNumbers((a, b) => Number((a !== 0) !== (b !== 0))),
    "bool",
  ),
  Equal: together(equal, "bool"),
  Greater: together(
    compared((a, b) => a > b),
    "bool",
  ),
  GreaterOrEqual: together(
    compared((a, b) => a >= b),
    "bool",
  ),
  Less: together(
    compared((a, b) => a < b),
    "bool",
  ),
  LessOrEqual: together(
    compared((a, b) => a <= b),
    "bool",
  ),
  BitwiseAnd: together(),
  BitwiseOr: together(),
  BitwiseXor: together(),
  BitShift: together(),
} satisfies { readonly [N in OpName]?: ShapeRule<N> };

const bothNumbers = (a: Dim | undefined, b: Dim | undefined): boolean =>
  typeof a === "number" && typeof b === "number";
const addends = (a: Dim, b: Dim): Dim => (bothNumbers(a, b) ? Number(a) + Number(b) : sum([a, b]));
