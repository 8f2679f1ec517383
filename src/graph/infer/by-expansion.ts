import { DiapasonError } from "../../base/errors.ts";
import { GraphBuilder } from "../builder.ts";
import { type Dim, substitute, symbolsOf } from "../dim.ts";
import { appendExpansion } from "../expansions/expand.ts";
import { Graph, type Node, type Value } from "../ir.ts";
import { isFloat } from "../kernels/nd-array.ts";
import type { DataType } from "../tensor.ts";
import { knownDims, setKnownDims } from "./known-dims.ts";
import type { Found } from "./rule.ts";

/**
 * What can be told of a composite operator's outputs: what inference says of the operators it is made of.
 *
 * They are made in a graph of their own, with the inputs' symbols under other names, so that a symbol that comes up there
 * is known to be new, which is no answer.
 */
export function foundByExpansion(node: Node): readonly Found[] {
  const inside = new Map<string, Dim>();
  const outside = new Map<string, Dim>();
  const rename = (dim: Dim): Dim => {
    for (const symbol of symbolsOf(dim)) {
      if (inside.has(symbol)) continue;
      const name = `outer::${inside.size}`;
      inside.set(symbol, name);
      outside.set(name, symbol);
    }
    return substitute(dim, inside);
  };
  const back = (dim: Dim): Dim | undefined =>
    symbolsOf(dim).every((symbol) => outside.has(symbol)) ? substitute(dim, outside) : undefined;

  if (node.inputs.some((input) => input && input.dtype === undefined)) return [];
  const graph = new Graph(node.op);
  const inputs = node.inputs.map((input, i) => input && insideInput(graph, `x${i}`, input, rename));
  const found = (value: Value | undefined): Found => {
    const values = knownDims(value)?.map(back);
    return {
      dtype: value?.dtype,
      shape: value?.shape?.map(back),
      values: values?.every((dim) => dim !== undefined) ? values : undefined,
    };
  };
  try {
    return appendExpansion(new GraphBuilder(graph), node, inputs).map(found);
  } catch (error) {
    if (error instanceof DiapasonError && openShapes.has(error.code)) return [{ dtype: realType(node) }];
    throw error;
  }
}

/** Real numbers stay of their type, but for the classical operators, which give float32; what is made of others is open. */
function realType({ domain, inputs: [x] }: Node): DataType | undefined {
  return domain !== "ai.onnx.ml" && x?.dtype && isFloat(x.dtype) ? x.dtype : undefined;
}

/** What an expansion says when too little is known of its inputs. */
const openShapes = new Set(["graph/no-expansion", "graph/unknown-rank"]);

function insideInput(graph: Graph, name: string, outer: Value, rename: (dim: Dim) => Dim): Value {
  if (outer.constant) return graph.addInitializer(name, outer.constant);
  const value = graph.addInput(name, outer.dtype, outer.shape?.map(rename));
  setKnownDims(value, knownDims(outer)?.map(rename));
  return value;
}
