import { entryOf } from "../../base/entry-of.ts";
import { DiapasonError } from "../../base/errors.ts";
import { constantOf, opNameOf } from "../attributes.ts";
import { inferShapes } from "../infer.ts";
import { badNode, bodiesOf, type Graph, type Node } from "../ir.ts";
import { nodeText } from "../node-text.ts";
import { type Schema, schemas } from "../schemas.ts";
import { replaceByConstants } from "./constants.ts";
import type { Upgrade } from "./upgrade.ts";
import { upgrades } from "./upgrades.ts";

/** The version of ONNX's main operators whose spelling the operator table has. */
export const spokenOpset = 21;

/**
 * Brings a graph of opset 7 or later to one spelling, in place: that of opset 21. Constant nodes become initializers.
 *
 * A graph of a later opset keeps its number: what came after 21 added operators and types but changed no spelling.
 * Operators that opset 21 no longer has, or that mean something else there and cannot be rewritten exactly, are
 * refused. Operators of other domains are left as they are.
 * @throws graph/old-operator
 */
export function normalize(graph: Graph): void {
  const from = graph.opsets.get("") ?? spokenOpset;
  rewriteFirst(graph, from);
  if (needsShapes(graph, from)) inferShapes(graph);
  normalizeFrom(graph, from);
}

/** Rewrites what the rules of shapes do not know, inside bodies first. */
function rewriteFirst(graph: Graph, from: number): void {
  for (const node of [...graph.nodes]) {
    for (const body of bodiesOf(node)) rewriteFirst(body, from);
    const upgrade = upgradeOf(node, from);
    if (upgrade?.isFirst) apply(upgrade, graph, node, from);
  }
}

function apply(upgrade: Upgrade, graph: Graph, node: Node, from: number): void {
  if ("refused" in upgrade) throw refused(node, from, upgrade.refused);
  const why = graph.inPlaceOf(node, () => upgrade.rewrite(graph, node, from));
  if (why) throw refused(node, from, why);
}

/** What a node needs when its graph is of this opset. */
function upgradeOf(node: Node, from: number): Upgrade | undefined {
  const upgrade = node.domain === "" ? entryOf(upgrades, node.op) : undefined;
  return upgrade && from < upgrade.before ? upgrade : undefined;
}

const needsShapes = (graph: Graph, from: number): boolean =>
  graph.nodes.some(
    (node) => upgradeOf(node, from)?.needsShapes || bodiesOf(node).some((body) => needsShapes(body, from)),
  );

function normalizeFrom(graph: Graph, from: number): void {
  for (const node of [...graph.nodes]) {
    for (const body of bodiesOf(node)) normalizeFrom(body, from);
    if (node.op === "Constant" && node.domain === "") toInitializer(graph, node);
    const upgrade = upgradeOf(node, from);
    if (upgrade && !upgrade.isFirst) apply(upgrade, graph, node, from);
  }
  for (const node of graph.nodes) checkInputs(node);
  graph.opsets.set("", Math.max(from, spokenOpset));
}

/** That every input is there that the operator cannot do without, so that no rule has to ask. @throws graph/bad-node */
function checkInputs(node: Node): void {
  const name = opNameOf(node);
  if (!name) return;
  const { inputs, outputs }: Schema = schemas[name];
  const missing = inputs.findIndex((input, i) => !/[?*]$/.test(input) && !node.inputs[i]);
  if (missing >= 0) badNode(node, `lacks its input ${inputs[missing]}`);
  const hole = inputs.at(-1)?.endsWith("*") ? node.inputs.indexOf(undefined, inputs.length - 1) : -1;
  if (hole >= 0) badNode(node, `lacks its input ${hole}`);
  if (!inputs.at(-1)?.endsWith("*") && node.inputs.length > inputs.length)
    badNode(node, `has ${node.inputs.length} inputs; its definition knows ${inputs.length}`);
  if (!outputs.at(-1)?.endsWith("*") && node.outputs.length > outputs.length)
    badNode(node, `has ${node.outputs.length} outputs; its definition knows ${outputs.length}`);
}

const refused = (node: Node, from: number, why: string): DiapasonError =>
  new DiapasonError(
    "graph/old-operator",
    `${nodeText(node)} of opset ${from} cannot be brought to opset ${spokenOpset}: ${why}.`,
    "Export the model again with opset 17 or later, or convert it with ONNX's version converter.",
  );

/** A Constant becomes an initializer of the same name; one that is itself an output of its graph stays. */
function toInitializer(graph: Graph, node: Node): void {
  const tensor = constantOf(node);
  const [output] = node.outputs;
  if (!tensor || !output || node.outputs.length > 1 || graph.outputs.includes(output)) return;
  replaceByConstants(graph, node, [tensor]);
}
