import type { Dim, Shape } from "../graph/dim.ts";

/** Elements of a shape when its symbols have these sizes; other symbols count as 1, an unknown shape as 0. */
export function sizeAt(shape: Shape | undefined, symbols: ReadonlyMap<string, number>): number {
  return shape === undefined ? 0 : shape.reduce((n: number, dim) => n * dimAt(dim, symbols), 1);
}

/** A dim when its symbols have these sizes: an expression of numbers, names, + − * / and parentheses; "/" rounds down. */
export function dimAt(dim: Dim, symbols: ReadonlyMap<string, number>): number {
  if (typeof dim === "number") return dim;
  const tokens = dim.match(/[\w.:]+|[-+*/()]/g) ?? [];
  let at = 0;
  const sum = (): number => {
    let value = term();
    while (tokens[at] === "+" || tokens[at] === "-")
      value = tokens[at++] === "+" ? value + term() : value - term();
    return value;
  };
  const term = (): number => {
    let value = factor();
    while (tokens[at] === "*" || tokens[at] === "/")
      value = tokens[at++] === "*" ? value * factor() : Math.floor(value / factor());
    return value;
  };
  const factor = (): number => {
    const token = tokens[at++];
    if (token === "(") {
      const value = sum();
      at++;
      return value;
    }
    if (token === "-") return -factor();
    if (token === undefined) return 1;
    return /^\d+$/.test(token) ? Number(token) : (symbols.get(token) ?? 1);
  };
  return sum();
}
