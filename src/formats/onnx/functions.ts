import { clone } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
  type OperatorSetIdProto,
} from "./onnx.generated.ts";
import { badGraph } from "./order-nodes.ts";

/** Calls are nested no deeper than this in any model. */
const deepest = 32;
/** Thirty functions of two calls each would unfold to a thousand million nodes. */
const mostNodes = 1_000_000;

/** ONNX's main domain has two spellings. */
export const mainDomain = (domain: string): string => (domain === "ai.onnx" ? "" : domain);

export interface Inlined {
  readonly nodes: readonly NodeProto[];
  /** What the functions that were called import; a valid model means the same by another version of its own. */
  readonly imports: readonly OperatorSetIdProto[];
}

/**
 * The nodes of the model's graph with every call of a model-local function, also those in bodies, replaced by the
 * function's body. Names inside get the calling node's name as a prefix.
 *
 * @throws formats/onnx-bad-graph for functions of one name, and for those that call themselves or unfold without end.
 */
export function inlineFunctions(model: ModelProto): Inlined {
  const nodes = model.graph?.node ?? [];
  if (model.functions.length === 0) return { nodes, imports: [] };
  const find = finderOf(model.functions);
  measure(nodes, find);
  const taken = new Set<string>();
  if (model.graph) collectNames(model.graph, taken);
  const used = new Set<FunctionProto>();
  let calls = 0;
  const expand = (node: NodeProto): NodeProto[] => {
    const called = find(node);
    if (!called) {
      for (const body of bodiesOf(node)) body.node = body.node.flatMap(expand);
      return [node];
    }
    used.add(called);
    const prefix = `${node.name || called.name}_${calls++}/`;
    return bodyOf(called, node, prefix, taken).flatMap(expand);
  };
  return { nodes: nodes.flatMap(expand), imports: [...used].flatMap((f) => f.opsetImport) };
}

/** The function that a node calls. */
type Find = (node: NodeProto) => FunctionProto | undefined;

function finderOf(functions: readonly FunctionProto[]): Find {
  const byKey = new Map<string, FunctionProto>();
  for (const f of functions) {
    const own = key(f.domain, f.name, f.overload);
    if (byKey.has(own)) throw badGraph(`two functions are called "${f.name}"`);
    byKey.set(own, f);
  }
  return (node) => byKey.get(key(node.domain, node.opType, node.overload));
}

/** What nodes come to when their calls are replaced: how many, under calls nested how deep. */
interface Extent {
  readonly nodes: number;
  readonly height: number;
}

/** Refuses calls that have no end, before any is replaced. */
function measure(nodes: readonly NodeProto[], find: Find): void {
  const extents = new Map<FunctionProto, Extent | "being measured">();
  const extentOf = (f: FunctionProto, depth: number): Extent => {
    const known = extents.get(f);
    if (known === "being measured")
      throw badGraph(`the function "${f.name}" calls itself, directly or through others`);
    if (depth + (known?.height ?? 1) > deepest)
      throw badGraph(`the calls of the function "${f.name}" are nested more than ${deepest} deep`);
    if (known) return known;
    extents.set(f, "being measured");
    const { nodes, height } = sumOf(f.node, depth + 1);
    const extent = { nodes, height: height + 1 };
    extents.set(f, extent);
    return extent;
  };
  const sumOf = (list: readonly NodeProto[], depth: number): Extent => {
    let [sum, highest] = [0, 0];
    for (const node of list) {
      const called = find(node);
      const inner = called
        ? extentOf(called, depth)
        : sumOf(
            bodiesOf(node).flatMap((body) => body.node),
            depth,
          );
      sum += 1 + inner.nodes;
      highest = Math.max(highest, inner.height);
    }
    if (sum > mostNodes) throw badGraph(`its functions unfold to more than ${mostNodes} nodes`);
    return { nodes: sum, height: highest };
  };
  sumOf(nodes, 0);
}

const key = (domain: string, name: string, overload: string): string =>
  `${mainDomain(domain)}\u0000${name}\u0000${overload}`;

const bodiesOf = (node: NodeProto): GraphProto[] =>
  node.attribute.flatMap((a) => (a.g ? [a.g, ...a.graphs] : a.graphs));

/** Every name of a value in a graph and its bodies. */
function collectNames(graph: GraphProto, names: Set<string>): void {
  for (const { name } of [...graph.input, ...graph.initializer]) names.add(name);
  for (const { values } of graph.sparseInitializer) names.add(values?.name ?? "");
  for (const node of graph.node) {
    for (const name of node.output) names.add(name);
    for (const body of bodiesOf(node)) collectNames(body, names);
  }
}

function bodyOf(called: FunctionProto, call: NodeProto, prefix: string, taken: Set<string>): NodeProto[] {
  const names = new Map<string, string>([["", ""]]);
  for (const [i, name] of called.input.entries()) names.set(name, call.input[i] ?? "");
  for (const [i, name] of called.output.entries()) {
    if (names.has(name)) throw badGraph(`the function "${called.name}" names "${name}" twice`);
    const outside = call.output[i];
    if (outside) names.set(name, outside);
  }
  const rename = (name: string): string => {
    const known = names.get(name);
    if (known !== undefined) return known;
    let free = prefix + name;
    while (taken.has(free)) free += "_";
    taken.add(free);
    names.set(name, free);
    return free;
  };
  const given = new Map<string, AttributeProto>(called.attributeProto.map((a) => [a.name, a]));
  for (const attribute of call.attribute) given.set(attribute.name, attribute);
  return called.node.map((node) => {
    const copy = clone(NodeProtoSchema, node);
    adapt(copy, rename, given);
    copy.name = prefix + (node.name || node.opType);
    return copy;
  });
}

/**
 * Renames what a node reads and makes, and what its bodies do, so that no name can meet one outside; attributes that
 * refer to the function's get what the call gave, and go where it gave nothing.
 */
function adapt(
  node: NodeProto,
  rename: (name: string) => string,
  given: ReadonlyMap<string, AttributeProto>,
): void {
  node.input = node.input.map(rename);
  node.output = node.output.map(rename);
  for (const body of bodiesOf(node)) {
    for (const info of [...body.input, ...body.output, ...body.valueInfo]) info.name = rename(info.name);
    for (const tensor of body.initializer) tensor.name = rename(tensor.name);
    for (const { values } of body.sparseInitializer) if (values) values.name = rename(values.name);
    for (const inner of body.node) adapt(inner, rename, given);
  }
  node.attribute = node.attribute.flatMap((attribute) => {
    if (attribute.refAttrName === "") return [attribute];
    const value = given.get(attribute.refAttrName);
    return value ? [{ ...value, name: attribute.name }] : [];
  });
}
