import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { DiapasonError } from "../../base/errors.ts";
import type { Shape } from "../../graph/dim.ts";
import { dataTypeOf } from "../../graph/element-types.ts";
import { type Attribute, Graph, type Value } from "../../graph/ir.ts";
import { inlineFunctions } from "./functions.ts";
import {
  type AttributeProto,
  AttributeProtoSchema,
  type GraphProto,
  AttributeProto_AttributeType as Kind,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type OperatorSetIdProto,
  type TypeProto,
  TypeProtoSchema,
  type ValueInfoProto,
} from "./onnx.generated.ts";
import { type ExternalData, readTensor } from "./read-tensor.ts";

export interface ReadOptions {
  /** Finds weights that lie outside the file; without it such a model is refused. */
  readonly external?: ExternalData;
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
  const opsets = opsetsOf(model.opsetImport);
  // the specification's version 1 where none is stated, of which a graph without operators of the main domain is free
  const usesMain = model.graph.node.some(({ domain }) => mainDomain(domain) === "");
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
  if (model.producerName) graph.metadata.set(`${fileFact}producer_name`, model.producerName);
  if (model.producerVersion) graph.metadata.set(`${fileFact}producer_version`, model.producerVersion);
  const nodes = inlineFunctions(model);
  fill(graph, { ...model.graph, node: nodes } as GraphProto, options);
  return graph;
}

function decode(bytes: Uint8Array): ModelProto {
  if (bytes.length === 0) throw damaged("it is empty");
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw damaged(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

const damaged = (why: string, cause?: unknown): DiapasonError =>
  new DiapasonError(
    "formats/onnx-damaged",
    `This is not a whole ONNX file: ${why}.`,
    "Download or export the model again, and check that the file is complete.",
    cause,
  );

export function opsetsOf(imports: readonly OperatorSetIdProto[]): Map<string, number> {
  return new Map(imports.map(({ domain, version }) => [mainDomain(domain), Number(version)]));
}

/** ONNX's main domain has two spellings. */
export const mainDomain = (domain: string): string => (domain === "ai.onnx" ? "" : domain);

/** Fills an empty graph from its proto. */
function fill(graph: Graph, proto: GraphProto, options: ReadOptions): void {
  const initializers = new Map(proto.initializer.map((tensor) => [tensor.name, tensor]));
  for (const info of proto.input) {
    if (graph.outer === undefined && graph.inputs.some((i) => i.name === info.name))
      throw badGraph(`two inputs are called "${info.name}"`);
    hint(graph.addInput(info.name), info);
  }
  for (const [name, tensor] of initializers) {
    if (name === "") continue;
    const constant = readTensor(tensor, options.external);
    const input = graph.inputs.find((i) => i.name === name);
    if (input) graph.setConstant(input, constant);
    else graph.addInitializer(name, constant);
  }
  const taken = new Set([...graph.inputs, ...graph.initializers].map((v) => v.name));
  for (const node of sorted(proto, graph)) {
    for (const name of node.output) {
      if (name !== "" && taken.has(name)) throw badGraph(`two values are called "${name}"`);
      taken.add(name);
    }
    addNode(graph, node, options);
  }
  for (const info of [...proto.valueInfo, ...proto.output]) {
    const value = graph.find(info.name);
    if (value && value.shape === undefined) hint(value, info);
  }
  for (const info of proto.output) {
    const value = graph.find(info.name);
    if (!value) throw badGraph(`the output "${info.name}" is made by no node`);
    if (graph.outputs.includes(value)) addCopyOutput(graph, value);
    else graph.addOutput(value);
  }
}

/** A value that the file names as an output twice gets an Identity for the second time. */
function addCopyOutput(graph: Graph, value: Value): void {
  const copy = graph.addNode("Identity", [value], { outputs: [graph.freshName(value.name)] }).outputs[0]!;
  copy.dtype = value.dtype;
  copy.shape = value.shape;
  graph.addOutput(copy);
}

/** The nodes in topological order; files that are out of order exist. */
function sorted(proto: GraphProto, graph: Graph): readonly NodeProto[] {
  const known = (name: string) => name === "" || made.has(name) || graph.find(name) !== undefined;
  const made = new Set<string>();
  let waiting: readonly NodeProto[] = proto.node;
  const order: NodeProto[] = [];
  while (waiting.length > 0) {
    const left: NodeProto[] = [];
    for (const node of waiting) {
      if (namesRead(node).every(known)) {
        order.push(node);
        for (const name of node.output) made.add(name);
      } else left.push(node);
    }
    if (left.length === waiting.length) {
      const node = left[0]!;
      const missing = namesRead(node).find((name) => !known(name));
      throw badGraph(`node "${node.name || node.opType}" reads "${missing}", which nothing makes`);
    }
    waiting = left;
  }
  return order;
}

/** What a node and its bodies read from outside. */
function namesRead(node: NodeProto): string[] {
  const bodies = node.attribute.flatMap((a) => [...(a.g ? [a.g] : []), ...a.graphs]);
  return [...node.input, ...bodies.flatMap(freeNames)];
}

function freeNames(body: GraphProto): string[] {
  const own = new Set([
    ...body.input.map((i) => i.name),
    ...body.initializer.map((t) => t.name),
    ...body.node.flatMap((n) => n.output),
  ]);
  return [...body.node.flatMap(namesRead), ...body.output.map((o) => o.name)].filter(
    (name) => !own.has(name),
  );
}

function addNode(graph: Graph, proto: NodeProto, options: ReadOptions): void {
  graph.addNode(
    proto.opType,
    proto.input.map((name) => (name === "" ? undefined : graph.get(name))),
    {
      domain: mainDomain(proto.domain),
      name: proto.name,
      outputs: proto.output,
      attributes: proto.attribute.map((a) => [a.name, readAttribute(a, graph, options)] as const),
    },
  );
}

function readAttribute(proto: AttributeProto, graph: Graph, options: ReadOptions): Attribute {
  const body = (g: GraphProto) => {
    const inner = new Graph(g.name || "body", graph.opsets, graph);
    fill(inner, g, options);
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
      return { type: "tensor", value: readTensor(proto.t, options.external) };
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
      return { type: "tensors", value: proto.tensors.map((t) => readTensor(t, options.external)) };
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
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return bytes;
  }
}

function hint(value: Value, info: ValueInfoProto): void {
  const type = info.type;
  if (!type) return;
  if (type.value.case !== "tensorType") {
    value.opaqueType = toBinary(TypeProtoSchema, type);
    return;
  }
  value.dtype ??= dataTypeOf(type.value.value.elemType);
  value.shape ??= shapeOf(type);
}

function shapeOf(type: TypeProto): Shape | undefined {
  if (type.value.case !== "tensorType" || !type.value.value.shape) return undefined;
  return type.value.value.shape.dim.map(({ value }, axis) => {
    if (value.case === "dimValue" && value.value >= 0n) return Number(value.value);
    return value.case === "dimParam" && value.value !== "" ? symbol(value.value) : `d${axis}?`;
  });
}

/** A symbol that the text of a dim may hold: exporters write spaces and operators into names. */
const symbol = (name: string): string =>
  /^[A-Za-z_][\w.]*$/.test(name) ? name : name.replace(/[^\w.]+/g, "_").replace(/^(\d)/, "_$1");

const badGraph = (what: string): DiapasonError =>
  new DiapasonError(
    "formats/onnx-bad-graph",
    `The graph does not hold together: ${what}.`,
    "Export the model again; onnx.checker tells more.",
  );
