import { DiapasonError } from "../../base/errors.ts";
import { constantOf } from "../attributes.ts";
import { inferShapes } from "../infer.ts";
import { bodiesOf, type Graph, type Node } from "../ir.ts";
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
  if (needsShapes(graph, from)) inferShapes(graph);
  normalizeFrom(graph, from);
}

/** What a node needs when its graph is of this opset. */
function upgradeOf(node: Node, from: number): Upgrade | undefined {
  const upgrade = node.domain === "" && Object.hasOwn(upgrades, node.op) ? upgrades[node.op] : undefined;
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
    if (!upgrade) continue;
    if ("refused" in upgrade) throw refused(node, from, upgrade.refused);
    const why = upgrade.rewrite(graph, node, from);
    if (why) throw refused(node, from, why);
  }
  graph.opsets.set("", Math.max(from, spokenOpset));
}

const refused = (node: Node, from: number, why: string): DiapasonError =>
  new DiapasonError(
    "graph/old-operator",
    `${node.op}${node.name === "" ? "" : ` "${node.name}"`} of opset ${from} cannot be brought to opset ${spokenOpset}: ${why}.`,
    "Export the model again with opset 17 or later, or convert it with ONNX's version converter.",
  );

/** A Constant becomes an initializer of the same name; one that is itself an output of its graph stays. */
function toInitializer(graph: Graph, node: Node): void {
  const tensor = constantOf(node);
  const [output] = node.outputs;
  if (!tensor || !output || graph.outputs.includes(output)) return;
  replaceByConstants(graph, node, [tensor]);
}
