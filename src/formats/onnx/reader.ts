import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { DiapasonError } from "../../base/errors.ts";
import { givesMany } from "../../graph/attributes.ts";
import { type Attribute, Graph, type Value } from "../../graph/ir.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { otherFormatOf, standInBytes } from "../stand-in.ts";
import { inlineFunctions, mainDomain } from "./functions.ts";
import {
  type AttributeProto,
  AttributeProtoSchema,
  type GraphProto,
  AttributeProto_AttributeType as Kind,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type OperatorSetIdProto,
} from "./onnx.generated.ts";
import { badGraph, type FreeNames, holdsBranches, orderNodes } from "./order-nodes.ts";
import { readSparse } from "./read-sparse.ts";
import { type ExternalData, readTensor } from "./read-tensor.ts";
import { hint, Symbols } from "./value-types.ts";

export interface ReadOptions {
  /** Finds weights that lie outside the file; without it such a model is refused. */
  readonly external?: ExternalData;
}

/** What reading one file hands down into bodies. */
interface Context {
  readonly external: ExternalData | undefined;
  readonly symbols: Symbols;
  readonly free: FreeNames;
}

/** Facts about the file that the writer gives back: `Graph.metadata` keys that start with this. */
export const fileFact = "onnx:";

/** Oldest version of ONNX's main operator set that is understood. */
const oldestOpset = 7;

/**
 * The graph of an ONNX file. Weights are views of `bytes`. Model-local functions are inlined, subgraphs kept, unknown
 * operators and domains carried as they are. Shapes and types that the file states are kept as hints on the values.
 *
 * @throws formats/onnx-damaged, formats/onnx-bad-tensor, formats/onnx-bad-graph, formats/onnx-opset, formats/onnx-external-missing
 */
export function readOnnx(bytes: Uint8Array, options: ReadOptions = {}): Graph {
  const model = decode(bytes);
  if (!model.graph) throw damaged("it holds no graph");
  const { nodes, imports } = inlineFunctions(model);
  // the model's own imports count where a function states others
  const opsets = opsetsOf([...imports, ...model.opsetImport]);
  // the specification's version 1 where none is stated, of which a graph without operators of the main domain is free
  const usesMain = nodes.some(({ domain }) => mainDomain(domain) === "");
  const main = opsets.get("") ?? (usesMain ? 1 : oldestOpset);
  if (main < oldestOpset) {
    throw new DiapasonError(
      "formats/onnx-opset",
      `The model uses version ${main} of ONNX's operators; ${oldestOpset} and later are understood.`,
      "Export it with a newer opset, or convert it with ONNX's version converter.",
    );
  }
  const wild = [...opsets].find(([, version]) => !Number.isSafeInteger(version));
  if (wild) throw badGraph(`it uses version ${wild[1]} of the operators of "${wild[0]}"`);
  const graph = new Graph(model.graph.name || "graph", opsets);
  for (const { key, value } of model.metadataProps) graph.metadata.set(key, value);
  graph.metadata.set(`${fileFact}ir_version`, String(model.irVersion));
  for (const [fact, text] of Object.entries(factsOf(model)))
    if (text) graph.metadata.set(`${fileFact}${fact}`, text);
  const context = { external: options.external, symbols: new Symbols(), free: new WeakMap() };
  fill(graph, { ...model.graph, node: [...nodes] }, context);
  return graph;
}

/** What the file says of itself and nothing here reads. */
const factsOf = (model: ModelProto) => ({
  producer_name: model.producerName,
  producer_version: model.producerVersion,
  domain: model.domain,
  model_version: model.modelVersion === 0n ? "" : String(model.modelVersion),
  doc_string: model.docString,
  graph_doc_string: model.graph?.docString,
});

function decode(bytes: Uint8Array): ModelProto {
  if (bytes.length === 0) throw damaged("it is empty");
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    const other = otherFormatOf(bytes.subarray(0, standInBytes));
    throw damaged(other ?? (cause instanceof Error ? cause.message : String(cause)), cause);
  }
}

const damaged = (why: string, cause?: unknown): DiapasonError =>
  new DiapasonError(
    "formats/onnx-damaged",
    `This is not a whole ONNX file: ${why}.`,
    "Download or export the model again, and check that the file is complete.",
    cause,
  );

function opsetsOf(imports: readonly OperatorSetIdProto[]): Map<string, number> {
  return new Map(imports.map(({ domain, version }) => [mainDomain(domain), Number(version)]));
}

/** Fills an empty graph from its proto. */
function fill(graph: Graph, proto: GraphProto, context: Context, isBranch = false): void {
  const own = new Map<string, Value>();
  const declared = new Set<string>();
  for (const info of proto.input) {
    if (declared.has(info.name)) throw badGraph(`two inputs are called "${info.name}"`);
    declared.add(info.name);
    if (isBranch) continue;
    const input = graph.addInput(info.name);
    hint(input, info, context.symbols);
    own.set(info.name, input);
  }
  const filled = new Set<string>();
  for (const [name, read] of constantsOf(proto, context)) {
    if (name === "") continue;
    if (filled.has(name)) throw badGraph(`two initializers are called "${name}"`);
    filled.add(name);
    const input = own.get(name);
    if (input) graph.setConstant(input, read());
    else own.set(name, graph.addInitializer(name, read()));
  }
  for (const node of orderNodes(proto.node, (name) => graph.find(name) !== undefined, context.free)) {
    const twice = node.output.find((name) => name !== "" && own.has(name));
    if (twice !== undefined) throw badGraph(`two values are called "${twice}"`);
    addNode(graph, node, context);
  }
  for (const info of [...proto.valueInfo, ...proto.output]) {
    const value = graph.find(info.name);
    if (value && value.shape === undefined) hint(value, info, context.symbols);
  }
  const outputs = new Set<Value>();
  for (const info of proto.output) {
    const value = graph.find(info.name);
    if (!value) throw badGraph(`the output "${info.name}" is made by no node`);
    if (outputs.has(value)) addCopyOutput(graph, value);
    else graph.addOutput(value);
    outputs.add(value);
  }
}

/** The initializers of a graph by their names, each read when it is asked for. */
function* constantsOf(proto: GraphProto, { external }: Context): Generator<readonly [string, () => Tensor]> {
  for (const tensor of proto.initializer) yield [tensor.name, () => readTensor(tensor, external)];
  for (const sparse of proto.sparseInitializer)
    yield [sparse.values?.name ?? "", () => readSparse(sparse, external)];
}

/** A value that the file names as an output twice gets an Identity for the second time. */
function addCopyOutput(graph: Graph, value: Value): void {
  const copy = graph.addNode("Identity", [value], { outputs: [graph.freshName(value.name)] }).outputs[0]!;
  copy.dtype = value.dtype;
  copy.shape = value.shape;
  graph.addOutput(copy);
}

function addNode(graph: Graph, proto: NodeProto, context: Context): void {
  const domain = mainDomain(proto.domain);
  graph.addNode(
    proto.opType,
    withoutAbsentEnd(proto.input).map((name) => (name === "" ? undefined : graph.get(name))),
    {
      domain,
      name: proto.name,
      outputs: givesMany({ op: proto.opType, domain })
        ? allNamed(graph, proto.output)
        : withoutAbsentEnd(proto.output),
      attributes: attributesOf(proto, graph, context),
    },
  );
}

/** Names also for outputs that a file leaves without one, over which ONNX Runtime would crash. */
function allNamed(graph: Graph, names: readonly string[]): readonly string[] {
  const first = names.find((name) => name !== "") ?? "unread";
  return names.map((name, i) => (name === "" ? graph.freshName(`${first}.unread_${i}`) : name));
}

/** Names without the absent ones at the end, which say nothing. */
const withoutAbsentEnd = (names: readonly string[]): readonly string[] =>
  names.slice(0, names.findLastIndex((name) => name !== "") + 1);

function attributesOf(proto: NodeProto, graph: Graph, context: Context): Map<string, Attribute> {
  const attributes = new Map<string, Attribute>();
  for (const attribute of proto.attribute) {
    if (attributes.has(attribute.name))
      throw badGraph(`node "${proto.name || proto.opType}" has two attributes "${attribute.name}"`);
    attributes.set(attribute.name, readAttribute(attribute, graph, context));
  }
  return attributes;
}

function readAttribute(proto: AttributeProto, graph: Graph, context: Context): Attribute {
  const isBranch = holdsBranches(proto);
  const body = (g: GraphProto) => {
    const inner = new Graph(g.name || "body", graph.opsets, graph);
    fill(inner, g, context, isBranch);
    return inner;
  };
  switch (proto.type || kindOf(proto)) {
    case Kind.FLOAT:
      return { type: "float", value: proto.f };
    case Kind.INT:
      return { type: "int", value: whole(proto.i) };
    case Kind.STRING:
      return { type: "string", value: text(proto.s) };
    case Kind.TENSOR:
      if (!proto.t) throw badGraph(`the attribute "${proto.name}" is a tensor without content`);
      return { type: "tensor", value: readTensor(proto.t, context.external) };
    case Kind.GRAPH:
      if (!proto.g) throw badGraph(`the attribute "${proto.name}" is a graph without content`);
      return { type: "graph", value: body(proto.g) };
    case Kind.FLOATS:
      return { type: "floats", value: proto.floats };
    case Kind.INTS:
      return { type: "ints", value: proto.ints.map(whole) };
    case Kind.STRINGS:
      return { type: "strings", value: proto.strings.map(text) };
    case Kind.TENSORS:
      return { type: "tensors", value: proto.tensors.map((t) => readTensor(t, context.external)) };
    case Kind.GRAPHS:
      return { type: "graphs", value: proto.graphs.map(body) };
    default:
      return { type: "opaque", kind: proto.type, value: toBinary(AttributeProtoSchema, proto) };
  }
}

/** The kind of an attribute of a file so old that it does not say. */
function kindOf(proto: AttributeProto): Kind {
  if (proto.t) return Kind.TENSOR;
  if (proto.g) return Kind.GRAPH;
  if (proto.ints.length > 0) return Kind.INTS;
  if (proto.floats.length > 0) return Kind.FLOATS;
  if (proto.strings.length > 0) return Kind.STRINGS;
  if (proto.s.length > 0) return Kind.STRING;
  return proto.f !== 0 ? Kind.FLOAT : Kind.INT;
}

const whole = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};

/** Text where the bytes are UTF-8, else the bytes. */
function text(bytes: Uint8Array): string | Uint8Array {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return bytes;
  }
}
