import { int64Attribute } from "../attributes.ts";
import { GraphBuilder } from "../builder.ts";
import { quotient } from "../dim.ts";
import type { Attribute, Value } from "../ir.ts";
import { float32, int64 } from "../tensor.ts";
import { handOver } from "./inline-body.ts";
import { asInput, constant, int, numberOf, replaceNode, scalarAsInput, type Upgrade } from "./upgrade.ts";
import { definedUpgrades } from "./upgrade-defined.ts";
import { imagingUpgrades } from "./upgrade-imaging.ts";
import { scanOfExamples } from "./upgrade-scan.ts";

/** Before opset 13 the axes from `axis` on were taken as one. */
const overTrailingAxes: Upgrade = {
  before: 13,
  needsShapes: true,
  rewrite: (graph, node) => {
    const axis = numberOf(node, "axis") ?? 1;
    const [input] = node.inputs;
    const rank = input?.shape?.length;
    if (axis === -1 || (rank !== undefined && (axis < 0 ? axis + rank : axis) === rank - 1)) {
      graph.setAttribute(node, "axis", int(-1));
      return undefined;
    }
    replaceNode(graph, node, () => {
      const add = (
        op: string,
        inputs: readonly Value[],
        attributes: readonly (readonly [string, Attribute])[] = [],
      ) => graph.addNode(op, inputs, { before: node, attributes }).outputs[0]!;
      const shape = add("Shape", [input!]);
      const flat = add("Flatten", [input!], [["axis", int(axis)]]);
      const made = add(node.op, [flat], [["axis", int(-1)]]);
      return [add("Reshape", [made, shape])];
    });
    return undefined;
  },
};

const batchNormalization: Upgrade = {
  before: 14,
  rewrite: (graph, node, from) => {
    if (from < 9 && numberOf(node, "spatial") === 0) return "it normalises each pixel apart (spatial = 0)";
    graph.setAttribute(node, "spatial", undefined);
    const isRead = (output: Value | undefined) => output !== undefined && graph.isRead(output);
    if (node.outputs.slice(3).some(isRead)) return "its saved statistics are read";
    if (node.outputs.length === 1) return undefined;
    const training = node.outputs.slice(1).some(isRead);
    replaceNode(
      graph,
      node,
      () =>
        graph.addNode(node.op, node.inputs, {
          name: node.name,
          attributes: [...node.attributes, ...(training ? [["training_mode", int(1)] as const] : [])],
          outputs: node.outputs
            .slice(0, training ? 3 : 1)
            .map((o) => graph.freshName(o?.name ?? "statistic")),
          before: node,
        }).outputs,
    );
    return undefined;
  },
};

/** One scale a group became one scale a channel. */
const groupNormalization: Upgrade = {
  before: 21,
  needsShapes: true,
  rewrite: (graph, node) => {
    const groups = numberOf(node, "num_groups")!;
    const channels = node.inputs[0]?.shape?.[1];
    const each = channels === undefined ? undefined : quotient(channels, groups);
    if (typeof each !== "number") return "the number of channels is not known";
    const add = (op: string, inputs: readonly Value[]) =>
      graph.addNode(op, inputs, { before: node }).outputs[0]!;
    for (const input of [1, 2]) {
      const column = add("Reshape", [
        node.inputs[input]!,
        constant(graph, "column", int64([2], [groups, 1])),
      ]);
      const wide = add("Expand", [column, constant(graph, "per_channel", int64([2], [groups, each]))]);
      graph.setNodeInput(node, input, add("Reshape", [wide, constant(graph, "flat", int64([1], [-1]))]));
    }
    return undefined;
  },
};

const split: Upgrade = {
  before: 18,
  rewrite: (graph, node) => {
    const sizes = int64Attribute(node, "split");
    if (sizes) graph.setNodeInput(node, 1, constant(graph, "split", sizes));
    graph.setAttribute(node, "split", undefined);
    if (!node.inputs[1]) graph.setAttribute(node, "num_outputs", int(node.outputs.length));
    return undefined;
  },
};

const slice: Upgrade = {
  before: 10,
  rewrite: (graph, node) => {
    ["starts", "ends", "axes"].forEach((key, i) => {
      const tensor = int64Attribute(node, key);
      if (tensor) graph.setNodeInput(node, i + 1, constant(graph, key, tensor));
      graph.setAttribute(node, key, undefined);
    });
    return undefined;
  },
};

const pad: Upgrade = {
  before: 11,
  needsShapes: true,
  rewrite: (graph, node) => {
    const pads = int64Attribute(node, "pads");
    if (pads) graph.setNodeInput(node, 1, constant(graph, "pads", pads));
    graph.setAttribute(node, "pads", undefined);
    scalarAsInput(graph, node, "value", 2);
    return undefined;
  },
};

const clip: Upgrade = {
  before: 11,
  needsShapes: true,
  rewrite: (graph, node) => {
    scalarAsInput(graph, node, "min", 1);
    scalarAsInput(graph, node, "max", 2);
    return undefined;
  },
};

/** The mask of a Dropout that drops nothing, which ONNX Runtime fills with zeros in these opsets; numbers before opset 10. */
function formerMask(g: GraphBuilder, x: Value, from: number): Value {
  const zeros = g.op("ConstantOfShape", [g.op("Shape", [x])]);
  return from < 10 ? g.op("CastLike", [zeros, x]) : g.cast(zeros, "bool");
}

const dropout: Upgrade = {
  before: 12,
  rewrite: (graph, node, from) => {
    const [x, mask] = [node.inputs[0]!, node.outputs[1]];
    if (mask && graph.isRead(mask))
      handOver(graph, mask, formerMask(new GraphBuilder(graph, node), x, from), node);
    const ratio = numberOf(node, "ratio");
    if (ratio !== undefined) graph.setNodeInput(node, 1, constant(graph, "ratio", float32([], [ratio])));
    graph.setAttribute(node, "ratio", undefined);
    return undefined;
  },
};

const topK: Upgrade = {
  before: 10,
  rewrite: (graph, node) => {
    graph.setNodeInput(node, 1, constant(graph, "k", int64([1], [numberOf(node, "k") ?? 1])));
    graph.setAttribute(node, "k", undefined);
    return undefined;
  },
};

const scatter: Upgrade = {
  before: 11,
  rewrite: (graph, node) => {
    replaceNode(
      graph,
      node,
      () =>
        graph.addNode("ScatterElements", node.inputs, {
          name: node.name,
          attributes: node.attributes,
          before: node,
        }).outputs,
    );
    return undefined;
  },
};

const dft: Upgrade = {
  before: 20,
  rewrite: (graph, node) => {
    graph.setNodeInput(node, 2, constant(graph, "axis", int64([], [numberOf(node, "axis") ?? 1])));
    graph.setAttribute(node, "axis", undefined);
    return undefined;
  },
};

const removed: Upgrade = { before: 10, refused: "the operator was experimental and exists no more" };

/** No operator of any opset, though exporters have written it: 1 − Erf. */
const erfc: Upgrade = {
  before: Number.POSITIVE_INFINITY,
  isFirst: true,
  rewrite: (graph, node) => {
    const one = constant(graph, "one", float32([], [1]));
    replaceNode(graph, node, () => {
      const erf = graph.addNode("Erf", node.inputs, { before: node }).outputs[0]!;
      const like = graph.addNode("CastLike", [one, node.inputs[0]], { before: node }).outputs[0]!;
      return graph.addNode("Sub", [like, erf], { before: node }).outputs;
    });
    return undefined;
  },
};

export const upgrades: { readonly [op: string]: Upgrade } = {
  BatchNormalization: batchNormalization,
  Clip: clip,
  DFT: dft,
  Dropout: dropout,
  Erfc: erfc,
  GroupNormalization: groupNormalization,
  Hardmax: overTrailingAxes,
  LogSoftmax: overTrailingAxes,
  Pad: pad,
  ReduceL1: asInput("axes", 1, 18),
  ReduceL2: asInput("axes", 1, 18),
  ReduceLogSum: asInput("axes", 1, 18),
  ReduceLogSumExp: asInput("axes", 1, 18),
  ReduceMax: asInput("axes", 1, 18),
  ReduceMean: asInput("axes", 1, 18),
  ReduceMin: asInput("axes", 1, 18),
  ReduceProd: asInput("axes", 1, 18),
  ReduceSum: asInput("axes", 1, 13),
  ReduceSumSquare: asInput("axes", 1, 18),
  Scan: scanOfExamples,
  Scatter: scatter,
  Slice: slice,
  Softmax: overTrailingAxes,
  Split: split,
  Squeeze: asInput("axes", 1, 13),
  TopK: topK,
  Unsqueeze: asInput("axes", 1, 13),
  ...definedUpgrades,
  ...imagingUpgrades,
  Affine: removed,
  Crop: removed,
  DynamicSlice: removed,
  GivenTensorFill: removed,
  GRUUnit: removed,
  ImageScaler: removed,
  ParametricSoftplus: removed,
  Scale: removed,
  ScaledTanh: removed,
};
