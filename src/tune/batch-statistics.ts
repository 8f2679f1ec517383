import { unbiasedRunningVariance } from "../autodiff/batch-norm.ts";
import type { Graph, Node } from "../graph/ir.ts";
import type { Block } from "../models/model.ts";
import type { Stage } from "./plan.ts";

/** Running statistics that a stage lets go on: those of its blocks, unless they are to stay as pretrained. */
export function movingStatistics(stage: Stage, blocks: readonly Block[]): ReadonlySet<string> {
  if (stage.batchNorm === "frozen") return new Set();
  return new Set(blocks.filter(({ name }) => stage.blocks.includes(name)).flatMap(({ buffers }) => buffers));
}

/**
 * Makes the BatchNormalizations whose running mean and variance are among `buffers` normalise by the batch instead, in
 * place. Their new running statistics become outputs of the graph.
 *
 * Result: buffer to the output that holds its next value, mean · momentum + batch · (1 − momentum) as ONNX defines it;
 * the batch's variance counts as PyTorch counts it, divided by n − 1.
 */
export function useBatchStatistics(graph: Graph, buffers: ReadonlySet<string>): ReadonlyMap<string, string> {
  const updates = new Map<string, string>();
  for (const node of [...graph.nodes]) {
    const names = statisticsOf(node);
    if (!names?.every((name) => buffers.has(name)) || names.some((name) => updates.has(name))) continue;
    const y = node.outputs[0]!;
    const { name: yName, dtype, shape } = y;
    const outputs = [
      graph.freshName(`${yName}.batch`),
      ...names.map((name) => graph.freshName(`${name}.batch`)),
    ];
    const attributes = new Map(node.attributes).set("training_mode", { type: "int", value: 1 });
    const { op, domain, name, origin } = node;
    const made = graph.addNode(op, node.inputs, { domain, name, origin, attributes, outputs, before: node });
    const [normalised, ...next] = made.outputs;
    Object.assign(normalised!, { dtype, shape });
    graph.replaceUses(y, normalised!);
    graph.removeNodes(new Set([node]));
    graph.rename(normalised!, yName);
    const statistics = names.map((statistic) => graph.get(statistic));
    next.forEach((value, i) => {
      const { dtype, shape } = statistics[i]!;
      Object.assign(value!, { dtype, shape });
    });
    for (const [i, value] of [next[0]!, unbiasedRunningVariance(graph, made)].entries()) {
      const { name: buffer } = statistics[i]!;
      graph.rename(value, graph.freshName(`${buffer}.next`));
      graph.addOutput(value);
      updates.set(buffer, value.name);
    }
  }
  return updates;
}

/** Names of a BatchNormalization's running mean and variance. */
export function statisticsOf(node: Node): readonly string[] | undefined {
  if (node.op !== "BatchNormalization" || node.domain !== "") return undefined;
  const [, , , mean, variance] = node.inputs;
  return mean?.constant && variance?.constant ? [mean.name, variance.name] : undefined;
}
