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
  const { own, diagonals } = withoutRepeats(terms[index]!, attrs.equation);
  const others = [...terms.filter((_, i) => i !== index), ...diagonals];
  const letters = [...own.replace("...", "")];
  if (own.includes("...") && !output.includes("...")) noGradient(node, `"..." of "${own}" is summed`);
  const isSummed = (letter: string) => ![output, ...others].some((term) => term.includes(letter));
  const kept = letters.filter((letter) => !isSummed(letter));
  const summed = letters.filter(isSummed);
  const remaining = own.replace(/[A-Za-z]/g, (letter) => (kept.includes(letter) ? letter : ""));
  const isBatched = output.includes("...") && !own.includes("...");
  const target = isBatched ? `...${remaining}` : remaining;
  const identities = diagonals.map((pair) => identity(g, x[index]!, axisOf(own, pair[0]!, x[index]!), dy));
  const operands = [dy, ...x.filter((_, i) => i !== index), ...identities];
  const equation = `${[output, ...others].join(",")}->${target}`;
  const gradient = equation === `${output}->${output}` ? dy : g.op("Einsum", operands, { equation });
  return summed.length === 0 ? gradient : repeated(g, gradient, x[index]!, own, summed);
}

/**
 * A term that takes a diagonal, as "ii", with letters of its own for the repeats, as "ij", and the pairs of letters whose
 * axes the diagonal ties: the gradient is zero beside it, which an identity matrix over each pair says.
 */
function withoutRepeats(term: string, equation: string): { own: string; diagonals: readonly string[] } {
  const free = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"].filter(
    (c) => !equation.includes(c),
  );
  const diagonals: string[] = [];
  const own = [...term].map((letter, i) => {
    if (letter === "." || term.indexOf(letter) === i) return letter;
    const fresh = free.pop()!;
    diagonals.push(letter + fresh);
    return fresh;
  });
  return { own: own.join(""), diagonals };
}

/** The axis of an operand that a letter of its term names. */
function axisOf(own: string, letter: string, operand: Value): number {
  const [before = "", after = ""] = own.split("...");
  if (before.includes(letter)) return before.indexOf(letter);
  return (operand.shape?.length ?? before.length + after.length) - after.length + after.indexOf(letter);
}

function identity(g: GraphBuilder, operand: Value, axis: number, like: Value): Value {
  const size = g.sizeOf(operand, axis);
  return g.op("EyeLike", [g.zeros(g.concat([size, size], 0), like)]);
}

/** Axes for the summed letters put in where the operand has them, repeated to its sizes. */
function repeated(
  g: GraphBuilder,
  gradient: Value,
  operand: Value,
  own: string,
  summed: readonly string[],
): Value {
  const axes = summed.map((letter) => axisOf(own, letter, operand));
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
