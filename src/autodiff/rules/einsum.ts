import type { GraphBuilder } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";
import { type Backward, noGradient } from "../rule.ts";

/**
 * The gradient of one operand: the equation with this operand and the output exchanged.
 *
 * Letters that only this operand has were summed: its gradient is the same along them, so they are added as axes of
 * size 1 and repeated. Axes that only the others hide in "..." stay in front, as broadcasting leaves them.
 */
export function einsumGradient({ g, node, dy, x, index, attrs }: Backward<"Einsum">): Value {
  const { terms, output } = parse(attrs.equation);
  const own = terms[index]!;
  const others = terms.filter((_, i) => i !== index);
  const letters = [...own.replace("...", "")];
  if (new Set(letters).size !== letters.length) noGradient(node, `"${own}" takes a diagonal`);
  if (own.includes("...") && !output.includes("...")) noGradient(node, `"..." of "${own}" is summed`);
  const isSummed = (letter: string) => ![output, ...others].some((term) => term.includes(letter));
  const kept = letters.filter((letter) => !isSummed(letter));
  const summed = letters.filter(isSummed);
  const remaining = own.replace(/[A-Za-z]/g, (letter) => (kept.includes(letter) ? letter : ""));
  const isBatched = output.includes("...") && !own.includes("...");
  const target = isBatched ? `...${remaining}` : remaining;
  const operands = [dy, ...x.filter((_, i) => i !== index)];
  const equation = `${[output, ...others].join(",")}->${target}`;
  const gradient = equation === `${output}->${output}` ? dy : g.op("Einsum", operands, { equation });
  return summed.length === 0 ? gradient : repeated(g, gradient, x[index]!, own, summed);
}

/** Axes for the summed letters put in where the operand has them, repeated to its sizes. */
function repeated(
  g: GraphBuilder,
  gradient: Value,
  operand: Value,
  own: string,
  summed: readonly string[],
): Value {
  const [before = "", after = ""] = own.split("...");
  const rank = operand.shape?.length ?? before.length + after.length;
  const axes = summed.map((letter) =>
    before.includes(letter) ? before.indexOf(letter) : rank - after.length + after.indexOf(letter),
  );
  return g.expandLike(
    g.unsqueeze(
      gradient,
      axes.toSorted((a, b) => a - b),
    ),
    operand,
  );
}

/** Without an arrow the output is the broadcast axes, then each letter that occurs once, in alphabetical order. */
function parse(equation: string): { readonly terms: readonly string[]; readonly output: string } {
  const [left = "", right] = equation.replace(/\s/g, "").split("->");
  const letters = [...left].filter((c) => /[A-Za-z]/.test(c));
  const once = letters.filter((c) => letters.indexOf(c) === letters.lastIndexOf(c)).sort();
  const implicit = (left.includes("...") ? "..." : "") + once.join("");
  return { terms: left.split(","), output: right ?? implicit };
}
