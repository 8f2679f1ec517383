import { type GraphBuilder, range, rankOf } from "../../graph/builder.ts";
import { parseEquation } from "../../graph/einsum-equation.ts";
import type { Value } from "../../graph/ir.ts";
import { reduceTo, sumOver } from "../reduce.ts";
import { type Backward, noGradient } from "../rule.ts";

/**
 * The gradient of one operand: the equation with this operand and the output exchanged.
 *
 * Letters that only this operand has were summed: its gradient is the same along them, so they are added as axes of
 * size 1 and repeated. Axes that only the others hide in "..." stand in front, and are summed.
 */
export function einsumGradient({ g, node, dy, x, index, attrs }: Backward<"Einsum">): Value {
  const { terms, output } = parseEquation(attrs.equation);
  const operand = x[index]!;
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
  const identities = diagonals.map((pair) => identity(g, operand, axisOf(own, pair[0]!, operand), dy));
  const operands = [dy, ...x.filter((_, i) => i !== index), ...identities];
  const equation = `${[output, ...others].join(",")}->${target}`;
  const made = equation === `${output}->${output}` ? dy : g.op("Einsum", operands, { equation });
  const gradient = isBatched ? sumOver(g, made, range(rankOf(made) - kept.length)) : made;
  const axes = summed.map((letter) => axisOf(own, letter, operand)).sort((a, b) => a - b);
  // either side may have been repeated from a size of 1, which may be known at run time only
  return reduceTo(g, g.expandLike(g.unsqueeze(gradient, axes), operand), operand);
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
