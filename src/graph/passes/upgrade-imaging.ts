import { knownNumbers } from "../infer/known-dims.ts";
import { float32 } from "../tensor.ts";
import { constant, replaceNode, string, textOf, type Upgrade } from "./upgrade.ts";

/** Upsample and the first Resize took output i from input i / scale, the nearest one below; a shrinking Resize, above. */
const resize: Upgrade = {
  before: 11,
  rewrite: (graph, node) => {
    const given = node.attributes.get("scales");
    const scales =
      given?.type === "floats"
        ? constant(graph, "scales", float32([given.value.length], given.value))
        : node.inputs[1];
    const mode = textOf(node, "mode") ?? "nearest";
    const known = knownNumbers(scales);
    const rounds = node.op === "Resize" && mode === "nearest";
    const shrinks = known?.some((scale) => scale < 1) ?? false;
    if (rounds && !known) return "its scales are not constant";
    if (rounds && shrinks && known!.some((scale) => scale > 1))
      return "it makes some axes larger and others smaller";
    replaceNode(
      graph,
      node,
      () =>
        graph.addNode("Resize", [node.inputs[0], undefined, scales], {
          name: node.name,
          attributes: [
            ["mode", string(mode)],
            ["coordinate_transformation_mode", string("asymmetric")],
            ["nearest_mode", string(rounds && shrinks ? "ceil" : "floor")],
          ],
          before: node,
        }).outputs,
    );
    return undefined;
  },
};

/** From opset 13 on the values of a Resize are as they are now, but for one way of counting pixels. */
const resizeCoordinates: Upgrade = {
  before: 13,
  rewrite: (graph, node, from) => {
    if (from < 11) return "rewrite" in resize ? resize.rewrite(graph, node, from) : undefined;
    const mode = textOf(node, "coordinate_transformation_mode");
    return mode === "tf_half_pixel_for_nn" ? `its coordinates are "${mode}"` : undefined;
  },
};

/** The default changed: the old one is written out. */
const roiAlign: Upgrade = {
  before: 16,
  rewrite: (graph, node) => {
    graph.setAttribute(node, "coordinate_transformation_mode", string("output_half_pixel"));
    return undefined;
  },
};

/** "bilinear" and "bicubic" lost their prefix. */
const gridSample: Upgrade = {
  before: 20,
  rewrite: (graph, node) => {
    const mode = textOf(node, "mode") ?? "bilinear";
    graph.setAttribute(node, "mode", string(mode.replace(/^bi(linear|cubic)$/, "$1")));
    return undefined;
  },
};

export const imagingUpgrades: { readonly [op: string]: Upgrade } = {
  GridSample: gridSample,
  Resize: resizeCoordinates,
  RoiAlign: roiAlign,
  Upsample: { ...resize, before: 10 },
};
