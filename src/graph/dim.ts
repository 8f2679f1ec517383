/**
 * One size of a shape: a number, or the text of an expression over named symbols such as "batch" or "batch*tokens".
 *
 * Equal texts mean equal sizes; different texts may still be equal at run time. The text is canonical: factors sorted,
 * the numeric factor first.
 */
export type Dim = number | string;

/** Sizes, outermost first; `undefined` where a value's rank is unknown is written at the value, not here. */
export type Shape = readonly Dim[];

/** The product of dims as one canonical dim. */
export function product(dims: Shape): Dim {
  let count = 1;
  const symbols: string[] = [];
  for (const dim of dims) {
    if (typeof dim === "number") count *= dim;
    else
      for (const factor of factorsOf(dim))
        typeof factor === "number" ? (count *= factor) : symbols.push(factor);
  }
  if (symbols.length === 0 || count === 0) return count;
  const text = symbols.sort().join("*");
  return count === 1 ? text : `${count}*${text}`;
}

/** a / b where b divides a symbol by symbol, else undefined. */
export function quotient(a: Dim, b: Dim): Dim | undefined {
  const left = factorsOf(a);
  let count = 1;
  let divisor = 1;
  const symbols: string[] = [];
  for (const factor of left) typeof factor === "number" ? (count *= factor) : symbols.push(factor);
  for (const factor of factorsOf(b)) {
    if (typeof factor === "number") divisor *= factor;
    else {
      const at = symbols.indexOf(factor);
      if (at < 0) return undefined;
      symbols.splice(at, 1);
    }
  }
  return divisor !== 0 && count % divisor === 0 ? product([count / divisor, ...symbols]) : undefined;
}

/** Top-level factors: "2*batch*(tokens+1)" gives 2, "batch", "(tokens+1)". */
function factorsOf(dim: Dim): (number | string)[] {
  if (typeof dim === "number") return [dim];
  const factors: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= dim.length; i++) {
    const c = dim[i];
    if (c === "(") depth++;
    else if (c === ")") depth--;
    else if ((c === "*" && depth === 0) || c === undefined) {
      factors.push(dim.slice(start, i));
      start = i + 1;
    }
  }
  return factors.map((f) => (/^\d+$/.test(f) ? Number(f) : f));
}
