import type { Graph } from "../../graph/ir.ts";
import { plainProducts } from "../../graph/passes/plain-products.ts";
import { standardNorms } from "../../graph/passes/standard-norms.ts";
import type { BlockKind } from "./few-bits.ts";
import { toFloat16Graph } from "./float16.ts";
import { toInt4Graph } from "./int4.ts";
import { toInt8Graph } from "./int8.ts";

export interface FormatOptions {
  /** How the blocks of 4-bit weights lie. */
  readonly blocks: BlockKind;
}

/** A form in which a graph of float32 is written for inference. */
export interface OnnxFormat {
  /** What follows "model" in the name of the file, as transformers.js looks for it. */
  readonly suffix: string;
  /** transformers.js' `dtype` for it. */
  readonly dtype: string;
  /** Brings a graph whose products are ONNX's own into the form, in place. Result: what the user may want to know. */
  convert(graph: Graph, options: FormatOptions): readonly string[];
}

/** Every form, by the name that a user gives. */
export const onnxFormats = {
  onnx: { suffix: "", dtype: "fp32", convert: () => [] },
  fp16: { suffix: "_fp16", dtype: "fp16", convert: toFloat16Graph },
  int8: {
    suffix: "_quantized",
    dtype: "q8",
    convert: toInt8Graph,
  },
  q4: {
    suffix: "_q4",
    dtype: "q4",
    convert: (graph, { blocks }) => toInt4Graph(graph, blocks),
  },
  q4f16: {
    suffix: "_q4f16",
    dtype: "q4f16",
    convert: (graph, { blocks }) => [...toInt4Graph(graph, blocks), ...toFloat16Graph(graph)],
  },
} as const satisfies Readonly<Record<string, OnnxFormat>>;

export type OnnxFormatName = keyof typeof onnxFormats;

/** A graph in a form, as a new graph; weights that do not change are shared. */
export function inFormat(
  graph: Graph,
  name: OnnxFormatName,
  options: FormatOptions,
): { readonly graph: Graph; readonly notes: readonly string[] } {
  const copy = graph.clone();
  for (const value of copy.initializers) value.storedType = undefined;
  plainProducts(copy);
  const format: OnnxFormat = onnxFormats[name];
  const notes = format.convert(copy, options);
  standardNorms(copy);
  return { graph: copy, notes };
}
