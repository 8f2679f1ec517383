import { DiapasonError } from "../base/errors.ts";
import { random } from "../base/random.ts";
import { inferShapes } from "../graph/infer.ts";
import { type Graph, type Node, readsOf, type Value } from "../graph/ir.ts";
import { removeDead } from "../graph/passes/remove-dead.ts";
import { float32, int64, sizeOf, type Tensor } from "../graph/tensor.ts";
import { describeModel } from "./describe.ts";
import { findHead, type Head, isPool, isShapeOnly } from "./find-head.ts";
import type { Model } from "./model.ts";
import { withRealHead } from "./real-head.ts";
import { rebuilt } from "./rebuild.ts";

export interface HeadOptions {
  /** Class names in the order of the new output. */
  readonly labels: readonly string[];
  readonly seed: number;
  /** Whether a head that already has exactly these classes in this order stays. Default true. */
  readonly keep?: boolean;
}

/**
 * The model with a classifier over `labels`; the given model is left as it is.
 *
 * A head that already has these classes in this order is kept. Another one is replaced in place, under the names it
 * had, by a real one where it was quantised: weights uniform within ±1/√(inputs of a class) as torch.nn.Linear starts, bias zero. A model without a
 * classifier gets one on its pooled features: [batch, channels, height, width] averaged over the image,
 * [batch, tokens, width] averaged over the tokens (or its first token where the model has a class token).
 * The output is logits [batch, labels].
 * @throws models/no-features when the output has another shape.
 */
export function replaceHead(model: Model, { labels, seed, keep = true }: HeadOptions): Model {
  const known = model.labels;
  if (keep && known && known.length === labels.length && labels.every((label, i) => label === known[i]))
    return {
      ...model,
      notes: [...model.notes, `The head is kept: it already tells these ${labels.length} classes.`],
    };
  if (model.network) {
    const note = `The head is fresh. It tells ${labels.length} classes.`;
    return { ...rebuilt(model, { labels, seed }), notes: [...model.notes, note] };
  }
  const graph = withRealHead(model.graph.clone());
  const head = findHead(graph.outputs[0]);
  const [logits, note] = head
    ? [
        renewHead(graph, head, labels.length, seed),
        `The head (${head.classes} classes) is replaced by a fresh one.`,
      ]
    : [
        addHead(graph, labels.length, seed),
        "The model had no classifier; a fresh one reads its pooled features.",
      ];
  graph.setOutput(0, logits);
  forgetShapesAfter(graph, head?.node);
  removeDead(graph);
  const named = graph.find("logits");
  if (named !== logits) {
    // what was called so is no output any more
    if (named) graph.rename(named, graph.freshName("features"));
    graph.rename(logits, "logits");
  }
  inferShapes(graph);
  return describeModel({
    graph,
    inputName: model.input.name,
    labels,
    notes: [...model.notes, `${note} It tells ${labels.length} classes.`],
    config: model.config,
    source: model.source,
    transposed: model.transposed,
  });
}

/**
 * Makes the first output the logits: steps back before a trailing Softmax or LogSoftmax. Result: a note when it did.
 *
 * A Softmax between the model and the loss would be applied twice; those who read the saved model expect logits.
 */
export function stepBeforeSoftmax(graph: Graph): string | undefined {
  let value: Value | undefined = graph.outputs[0];
  while (value?.producer && isShapeOnly(value.producer)) value = value.producer.inputs[0];
  const node = value?.producer;
  const logits = node?.inputs[0];
  if (!node || !logits || (node.op !== "Softmax" && node.op !== "LogSoftmax")) return undefined;
  graph.setOutput(0, flat(graph, logits));
  removeDead(graph);
  return `The trailing ${node.op} is left out: the tuned model's output is logits.`;
}

/** Gives the head fresh weights for `classes` classes; the value that now holds the logits, [batch, classes]. */
function renewHead(graph: Graph, head: Head, classes: number, seed: number): Value {
  const dims = head.weight.constant!.dims.map((size, axis) => (axis === head.classAxis ? classes : size));
  const fresh = uniformWeights(dims, classes, seed, head.weight.name);
  if (head.weight.consumers.length === 1) graph.setConstant(head.weight, fresh);
  else graph.setNodeInput(head.node, 1, untied(graph, head, classes, seed));
  const biasNode = head.biasNode ?? head.node;
  const bias = float32([classes], new Float32Array(classes));
  if (head.bias?.constant && head.bias.consumers.length === 1) graph.setConstant(head.bias, bias);
  else if (head.bias)
    graph.setNodeInput(
      biasNode,
      biasNode.inputs.indexOf(head.bias),
      graph.addInitializer(graph.freshName("classifier.bias"), bias),
    );
  const keep = head.tail.findLastIndex(isPool);
  return flat(graph, (keep < 0 ? biasNode : head.tail[keep]!).outputs[0]!);
}

/** A weight of its own for a head whose old one is shared with another layer. */
function untied(graph: Graph, head: Head, classes: number, seed: number): Value {
  const features = sizeOf(head.weight.constant!.dims) / head.classes;
  const transB = head.node.attributes.get("transB");
  const dims =
    transB?.type === "int" && Number(transB.value) === 1 ? [classes, features] : [features, classes];
  const name = graph.freshName("classifier.weight");
  return graph.addInitializer(name, uniformWeights(dims, classes, seed, name));
}

/** Appends pooling and a Gemm to the first output; its logits. */
function addHead(graph: Graph, classes: number, seed: number): Value {
  const features = pooled(graph, graph.outputs[0]!);
  const width = features.shape?.[1];
  if (typeof width !== "number")
    throw new DiapasonError(
      "models/no-features",
      `The output "${features.name}" has an unknown number of features, so a classifier has no fixed width.`,
      "Export the model with a fixed image size, or with its classifier.",
    );
  const name = graph.freshName("classifier.weight");
  const weight = graph.addInitializer(name, uniformWeights([classes, width], classes, seed, name));
  const zeros = float32([classes], new Float32Array(classes));
  const bias = graph.addInitializer(graph.freshName("classifier.bias"), zeros);
  return outputOf(
    graph.addNode("Gemm", [features, weight, bias], {
      name: graph.freshName("classifier"),
      attributes: [["transB", { type: "int", value: 1 }]],
    }),
  );
}

/** One row of features an image, [batch, width], from what a backbone gives. */
function pooled(graph: Graph, output: Value): Value {
  const rank = output.shape?.length;
  if (rank === 2) return output;
  const producer = output.producer;
  if (rank === 4) {
    const perm = producer?.op === "Transpose" ? producer.attributes.get("perm") : undefined;
    const channelsLast = perm?.type === "ints" && perm.value.map(Number).join() === "0,2,3,1";
    const image = channelsLast ? producer!.inputs[0]! : output;
    return flat(graph, outputOf(graph.addNode("GlobalAveragePool", [image]), withSizes(image.shape, [2, 3])));
  }
  if (rank === 3) {
    const shape = [output.shape![0]!, output.shape![2]!];
    const hasClassToken = [...graph.initializers].some((value) =>
      /cls_?token|class_embedding/i.test(value.name),
    );
    const index = graph.addInitializer(
      graph.freshName("classifier.tokens"),
      hasClassToken ? int64([], [0]) : int64([1], [1]),
    );
    if (hasClassToken)
      return outputOf(
        graph.addNode("Gather", [output, index], { attributes: [["axis", { type: "int", value: 1 }]] }),
        shape,
      );
    return outputOf(
      graph.addNode("ReduceMean", [output, index], { attributes: [["keepdims", { type: "int", value: 0 }]] }),
      shape,
    );
  }
  throw new DiapasonError(
    "models/no-features",
    `The output "${output.name}" has ${rank === undefined ? "an unknown shape" : `shape [${output.shape!.join(", ")}]`}; a classifier needs [batch, features], [batch, tokens, features] or [batch, channels, height, width].`,
    "Export the model so that its first output is its features or its logits.",
  );
}

const withSizes = (shape: Value["shape"], ones: readonly number[]): Value["shape"] =>
  shape?.map((size, axis) => (ones.includes(axis) ? 1 : size));

/** The first output of a node, with its shape where inference has not run yet. */
function outputOf(node: Node, shape?: Value["shape"]): Value {
  const value = node.outputs[0]!;
  value.dtype ??= "float32";
  if (shape) value.shape = shape;
  return value;
}

/** [batch, …] as [batch, rest]. */
function flat(graph: Graph, value: Value): Value {
  if (value.shape?.length === 2) return value;
  const [batch, ...rest] = value.shape ?? [];
  const width = rest.every((size) => typeof size === "number")
    ? rest.reduce((n: number, d) => n * (d as number), 1)
    : undefined;
  const node = graph.addNode("Flatten", [value], { attributes: [["axis", { type: "int", value: 1 }]] });
  return outputOf(node, batch !== undefined && width !== undefined ? [batch, width] : undefined);
}

/** Shapes that counted the old classes are inferred anew. */
function forgetShapesAfter(graph: Graph, start: Node | undefined): void {
  const stale = new Set<Value>();
  for (const node of graph.nodes) {
    if (node !== start && !readsOf(node).some((value) => stale.has(value))) continue;
    for (const output of node.outputs)
      if (output) {
        stale.add(output);
        output.shape = undefined;
      }
  }
}

/** U(−1/√n, 1/√n) with n the number of features one class reads. Source: torch.nn.Linear.reset_parameters. */
function uniformWeights(dims: readonly number[], classes: number, seed: number, name: string): Tensor {
  const bound = 1 / Math.sqrt(sizeOf(dims) / classes);
  const { uniform } = random(seed, "head", name);
  return float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => (2 * uniform() - 1) * bound),
  );
}
