import { entryOf } from "../../base/entry-of.ts";
import { stringTensor } from "../attributes.ts";
import { GraphBuilder } from "../builder.ts";
import { inferShapes } from "../infer.ts";
import type { Graph, Node, Value } from "../ir.ts";
import { float32, int64 } from "../tensor.ts";
import { textOf } from "./upgrade.ts";

/**
 * LinearRegressor and LinearClassifier of ai.onnx.ml hold their weights in attributes: here they become a product with
 * initializers, which can move. Labels stay the class of the largest score. Forms that ONNX's text leaves open, such as
 * a single score for two classes, stay as they are. Result: how many were rewritten.
 */
export function weighLinearModels(graph: Graph): number {
  const found = graph.nodes.filter(
    ({ domain, op }) => domain === "ai.onnx.ml" && Object.hasOwn(rewriters, op),
  );
  if (found.length === 0) return 0;
  inferShapes(graph);
  return found.filter((node) => graph.inPlaceOf(node, () => rewriters[node.op]!(graph, node))).length;
}

const rewriters: { readonly [op: string]: (graph: Graph, node: Node) => boolean } = {
  LinearRegressor: (graph, node) => {
    const targets = node.attributes.get("targets");
    const g = new GraphBuilder(graph, node);
    const scores = scoresOf(g, node, targets?.type === "int" ? Number(targets.value) : 1);
    const made = scores && transformed(g, node, scores);
    return made !== undefined && replaced(graph, node, [made]);
  },
  LinearClassifier: (graph, node) => {
    const labels = labelsOf(node);
    if (!labels || labels.dims[0]! < 2) return false;
    const g = new GraphBuilder(graph, node);
    const scores = scoresOf(g, node, labels.dims[0]!);
    const made = scores && transformed(g, node, scores);
    if (!made) return false;
    const best = g.op("ArgMax", [scores], { axis: 1, keepdims: 0 });
    const table = graph.addInitializer(graph.freshName("labels"), labels);
    return replaced(graph, node, [g.op("Gather", [table, best]), made]);
  },
};

/** X·Cᵀ + b for `rows` rows of coefficients; undefined where the node does not have them. */
function scoresOf(g: GraphBuilder, node: Node, rows: number): Value | undefined {
  const [x] = node.inputs;
  const [coefficients, intercepts] = [floatsOf(node, "coefficients"), floatsOf(node, "intercepts")];
  const features = coefficients.length / rows;
  const isKnown =
    x?.dtype !== undefined && x.shape?.length === 2 && Number.isInteger(features) && features > 0;
  if (!isKnown || (intercepts.length > 0 && intercepts.length !== rows)) return undefined;
  const { graph } = g;
  const name = node.name || node.op;
  const columns = Float32Array.from(
    { length: coefficients.length },
    (_, i) => coefficients[(i % rows) * features + Math.floor(i / rows)]!,
  );
  const weights = graph.addInitializer(
    graph.freshName(`${name}.coefficients`),
    float32([features, rows], columns),
  );
  const product = g.matmul(g.cast(x, "float32"), weights);
  if (intercepts.length === 0) return product;
  const bias = graph.addInitializer(graph.freshName(`${name}.intercepts`), float32([rows], intercepts));
  return g.add(product, bias);
}

/** What is made of scores; undefined for a transform that has no operator. */
function transformed(g: GraphBuilder, node: Node, scores: Value): Value | undefined {
  const transforms: { readonly [name: string]: () => Value } = {
    NONE: () => scores,
    LOGISTIC: () => g.op("Sigmoid", [scores]),
    SOFTMAX: () => g.op("Softmax", [scores], { axis: 1 }),
  };
  return entryOf(transforms, textOf(node, "post_transform") ?? "NONE")?.();
}

const floatsOf = (node: Node, key: string): readonly number[] => {
  const attribute = node.attributes.get(key);
  return attribute?.type === "floats" ? attribute.value : [];
};

function labelsOf(node: Node) {
  const whole = node.attributes.get("classlabels_ints");
  const texts = node.attributes.get("classlabels_strings");
  if (whole?.type === "ints" && whole.value.length > 0)
    return int64([whole.value.length], whole.value.map(Number));
  return texts?.type === "strings" && texts.value.length > 0
    ? stringTensor([texts.value.length], texts.value)
    : undefined;
}

/** Puts values into the place of a node's outputs. A value that is made for nothing is dropped with what is dead. */
function replaced(graph: Graph, node: Node, made: readonly Value[]): boolean {
  const names = node.outputs.map((output) => output?.name);
  node.outputs.forEach((output, i) => {
    if (output) graph.replaceUses(output, made[i]!);
  });
  graph.removeNodes(new Set([node]));
  made.forEach((value, i) => {
    if (names[i] !== undefined) graph.rename(value, names[i]);
  });
  return true;
}
