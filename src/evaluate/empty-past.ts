import { bug } from "../base/errors.ts";
import type { Graph } from "../graph/ir.ts";
import type { HostTensor } from "../runtime/runtime.ts";

/** Keys or values that a layer of a decoder takes of earlier tokens. */
export interface Cache {
  /** The input: [batch, heads, keys, size]. */
  readonly past: string;
  /** The output that holds them with those of the new tokens. */
  readonly present: string;
  readonly heads: number;
  readonly size: number;
}

/** The caches of a decoder that is exported for generation, by transformers.js' names; none of any other graph. */
export const cachesOf = (graph: Graph): readonly Cache[] =>
  graph.inputs
    .filter(({ name }) => name.startsWith("past_key_values."))
    .map(({ name, shape }) => {
      const [, heads, , size] = shape ?? bug(`"${name}" has no shape`);
      const present = name.replace("past_key_values", "present");
      return { past: name, present, heads: Number(heads), size: Number(size) };
    });

/** What caches are fed where there are no earlier tokens. */
export const emptyPast = (caches: readonly Cache[], rows: number): Record<string, HostTensor> =>
  Object.fromEntries(
    caches.map(({ past, heads, size }) => [
      past,
      { dtype: "float32", dims: [rows, heads, 0, size], data: new Float32Array() },
    ]),
  );
