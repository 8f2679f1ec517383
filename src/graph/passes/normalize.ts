import { DiapasonError } from "../../base/errors.ts";
import { constantOf } from "../attributes.ts";
import { inferShapes } from "../infer.ts";
import { bodiesOf, type Graph, type Node } from "../ir.ts";
import { replaceByConstants } from "./constants.ts";
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
  if (from < 13 && graph.nodes.some((node) => upgrades[node.op]?.needsRanks)) inferShapes(graph);
  normalizeFrom(graph, from);
}

function normalizeFrom(graph: Graph, from: number): void {
  for (const node of [...graph.nodes]) {
    for (const body of bodiesOf(node)) normalizeFrom(body, from);
    if (node.domain !== "") continue;
    if (node.op === "Constant") toInitializer(graph, node);
    const upgrade = Object.hasOwn(upgrades, node.op) ? upgrades[node.op] : undefined;
    if (!upgrade || from >= upgrade.before) continue;
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
