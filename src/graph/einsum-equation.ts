/** An Einsum equation as the axes of each operand and of the output, one letter an axis; "..." hides any number of them. */
export interface EinsumEquation {
  readonly terms: readonly string[];
  readonly output: string;
}

/** Without an arrow the output is the axes under "...", then each letter that occurs once, in alphabetical order. */
export function parseEquation(equation: string): EinsumEquation {
  const [left = "", right] = equation.replace(/\s/g, "").split("->");
  const letters = [...left].filter((c) => /[A-Za-z]/.test(c));
  const once = letters.filter((c) => letters.indexOf(c) === letters.lastIndexOf(c)).sort();
  const implicit = (left.includes("...") ? "..." : "") + once.join("");
  return { terms: left.split(","), output: right ?? implicit };
}
