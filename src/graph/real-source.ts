import type { Value } from "./ir.ts";

/**
 * The real numbers that a value of whole ones was made from, the nearest: the scores below an ArgMax, the probabilities below a
 * draw. Undefined where there are none between it and the inputs.
 */
export function realSource(value: Value): Value | undefined {
  const seen = new Set<Value>();
  let open: readonly Value[] = [value];
  while (open.length > 0) {
    const below = open.flatMap(({ producer }) => producer?.inputs ?? []);
    const next = below.filter(
      (input): input is Value => input !== undefined && !seen.has(input) && input.producer !== undefined,
    );
    const real = next.find(({ dtype }) => dtype === "float32" || dtype === "float64");
    if (real) return real;
    for (const one of next) seen.add(one);
    open = next;
  }
  return undefined;
}
