import { type Dim, type Shape, symbolsOf } from "../graph/dim.ts";
import { namesSampleRate, usualSampleRate } from "../graph/sample-rate.ts";
import type { Model } from "./model.ts";

/**
 * Elements of a shape when its symbols have these sizes; other symbols count as 1, an unknown shape as 0, and so does a size
 * that would be below 0: an input too short for a convolution.
 */
export function sizeAt(shape: Shape | undefined, symbols: ReadonlyMap<string, number>): number {
  return shape === undefined ? 0 : shape.reduce((n: number, dim) => n * Math.max(0, dimAt(dim, symbols)), 1);
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

/** What estimates assume of inputs that nobody has looked at. */
const usualTokens = 128;
const usualPixels = 224;

/**
 * Sizes of a model's inputs that its graph leaves open, the batch aside, by their symbols: what is known of them, else 224
 * pixels of an image, 128 token ids, a second of sound beside a sampling rate, and 1 of what nothing is known of.
 */
export function assumedSizes({
  graph,
  input,
  usualSizes,
}: Pick<Model, "graph" | "input" | "usualSizes">): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  const hasRate = graph.inputs.some(({ name }) => namesSampleRate(name));
  const batch = input.shape?.find((dim) => dim === "batch") ?? input.shape?.[0];
  for (const { constant, shape, dtype, name } of graph.inputs) {
    if (constant || !shape) continue;
    const isImage = name === input.name && shape.length === 4 && dtype !== "int64";
    const isIds = shape.length === 2 && /^int/.test(dtype ?? "");
    shape.forEach((dim, axis) => {
      for (const symbol of symbolsOf(dim)) {
        if (symbol === batch || sizes.has(symbol)) continue;
        const isSound = hasRate && shape.length === 2 && axis === 1 && !isIds;
        const usual =
          isImage && axis > 1
            ? usualPixels
            : isIds && axis === 1
              ? usualTokens
              : isSound
                ? usualSampleRate
                : 1;
        sizes.set(symbol, usualSizes?.get(symbol) ?? usual);
      }
    });
  }
  return sizes;
}
