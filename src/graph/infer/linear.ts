import type { Dim, Shape } from "../dim.ts";
import { parseEquation } from "../einsum-equation.ts";
import type { OpName } from "../schemas.ts";
import { type Ask, broadcast, type Found, mismatch, type OpenShape, type ShapeRule } from "./rule.ts";

/** Sizes that must agree do not when both are numbers and differ. */
const clash = (a: Dim | undefined, b: Dim | undefined): boolean =>
  typeof a === "number" && typeof b === "number" && a !== b;

/** [..., rows, inner] · [..., inner, columns]; a side of rank 1 is one row or one column that then disappears. */
export function matrixProduct(ask: Ask, a: Shape | undefined, b: Shape | undefined): readonly Found[] {
  const dtype = ask.dtype(0) ?? ask.dtype(1);
  if (!a || !b) return [{ dtype }];
  if (a.length === 0 || b.length === 0)
    return mismatch(ask.node, "a side is a scalar, which has no rows", "Multiply with Mul instead.");
  const inner = a.at(-1);
  const rows = b.length === 1 ? b[0] : b.at(-2);
  if (clash(inner, rows))
    return mismatch(
      ask.node,
      `the left side has ${inner} columns, the right side has ${rows} rows`,
      "Transpose one side, or check that both were built for the same width.",
    );
  const batch = broadcast(ask.node, [a.slice(0, -2), b.slice(0, -2)])!;
  const shape: OpenShape = [
    ...batch,
    ...(a.length > 1 ? [a.at(-2)] : []),
    ...(b.length > 1 ? [b.at(-1)] : []),
  ];
  return [{ dtype, shape }];
}

/** The shape of a side of FusedMatMul before the product: the batch transposed to the front, the last two swapped. */
function arranged(shape: Shape | undefined, swap: number, batch: number): Shape | undefined {
  if (!shape || shape.length < 2) return shape;
  const front = batch ? [...shape.slice(1, -1), shape[0]!, shape.at(-1)!] : [...shape];
  return swap ? [...front.slice(0, -2), front.at(-1)!, front.at(-2)!] : front;
}

const gemm: ShapeRule<"Gemm"> = (ask) => {
  const { transA, transB } = ask.attributes;
  const a = arranged(ask.shape(0), transA, 0);
  const b = arranged(ask.shape(1), transB, 0);
  const [found] = matrixProduct(ask, a, b);
  const c = ask.shape(2);
  if (found!.shape && c) broadcast(ask.node, [found!.shape, c]);
  return [found!];
};

/** The letters of an equation's inputs and output, "..." as one letter per broadcast axis. */
const einsum: ShapeRule<"Einsum"> = (ask) => {
  const dtype = ask.dtype(0);
  const shapes = ask.inputs.map((_, i) => ask.shape(i));
  if (!shapes.every((shape) => shape !== undefined)) return [{ dtype }];
  const { terms, output } = parseEquation(ask.attributes.equation);
  const sizes = new Map<string, Dim | undefined>();
  const dots: OpenShape[] = [];
  terms.forEach((side, i) => {
    const shape = shapes[i];
    if (!shape) return;
    const [before, after = ""] = side.includes("...") ? (side.split("...") as [string, string]) : [side];
    const hidden = shape.length - before.length - after.length;
    if (hidden < 0 || (hidden > 0 && !side.includes("...")))
      mismatch(ask.node, `"${side}" has not as many letters as input ${i} has axes`, "Correct the equation.");
    dots.push(shape.slice(before.length, before.length + hidden));
    const named = [...shape.slice(0, before.length), ...shape.slice(before.length + hidden)];
    [...(before + after)].forEach((letter, k) => {
      const known = sizes.get(letter);
      const size = named[k];
      if (clash(known === 1 ? size : known, size === 1 ? known : size))
        mismatch(
          ask.node,
          `"${letter}" is ${known} in one input and ${size} in another`,
          "Correct the equation.",
        );
      if (known === undefined || known === 1 || typeof size === "number")
        sizes.set(letter, size === 1 ? (known ?? 1) : size);
    });
  });
  const hidden = broadcast(ask.node, dots)!;
  const [before, after = ""] = output.split("...") as [string, string?];
  const of = (letters: string) => [...letters].map((letter) => sizes.get(letter));
  return [{ dtype, shape: output.includes("...") ? [...of(before), ...hidden, ...of(after)] : of(output) }];
};

export const linear = {
  MatMul: (ask) => matrixProduct(ask, ask.shape(0), ask.shape(1)),
  "com.microsoft.FusedMatMul": (ask) => {
    const { transA, transB, transBatchA, transBatchB } = ask.attributes;
    return matrixProduct(
      ask,
      arranged(ask.shape(0), transA, transBatchA),
      arranged(ask.shape(1), transB, transBatchB),
    );
  },
  Gemm: gemm,
  Det: (ask) => [{ dtype: ask.dtype(0), shape: ask.shape(0)?.slice(0, -2) }],
  Einsum: einsum,
} satisfies { readonly [N in OpName]?: ShapeRule<N> };
