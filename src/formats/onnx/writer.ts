import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Dim } from "../../graph/dim.ts";
import { numberOf } from "../../graph/element-types.ts";
import type { Attribute, Graph, Node, Value } from "../../graph/ir.ts";
import type { Tensor } from "../../graph/tensor.ts";
import {
  AttributeProtoSchema,
  type GraphProtoSchema,
  AttributeProto_AttributeType as Kind,
  ModelProtoSchema,
  type NodeProtoSchema,
  TensorProto_DataLocation,
  type TensorProtoSchema,
  TypeProtoSchema,
  type ValueInfoProtoSchema,
} from "./onnx.generated.ts";
import { fileFact } from "./reader.ts";
import { type WrittenForm, writtenForm } from "./written-opsets.ts";

/** Where the bytes of a weight go when they do not go into the model file. */
export interface ExternalPlace {
  readonly location: string;
  readonly offset: number;
}

export interface WriteOptions {
  /** Asked for each initializer; a place means that the caller writes its bytes there. */
  readonly place?: (value: Value) => ExternalPlace | undefined;
}

interface Writing extends WriteOptions {
  readonly form: WrittenForm;
}

/** IR version that goes with the opset of normalised graphs (21). */
const irVersion = 10n;

/** The bytes of an ONNX file. Values keep their names; shapes are written where they are known. */
export function writeOnnx(graph: Graph, options: WriteOptions = {}): Uint8Array {
  const fact = (name: string) => graph.metadata.get(`${fileFact}${name}`);
  const form = writtenForm(graph);
  const { opsets } = form;
  const model = create(ModelProtoSchema, {
    irVersion: irVersionOf(graph, Math.max(...opsets.values())),
    producerName: fact("producer_name") ?? "diapason",
    producerVersion: fact("producer_version") ?? "",
    domain: fact("domain") ?? "",
    modelVersion: BigInt(fact("model_version") ?? 0),
    docString: fact("doc_string") ?? "",
    opsetImport: [...opsets].map(([domain, version]) => ({ domain, version: BigInt(version) })),
    metadataProps: [...graph.metadata]
      .filter(([key]) => !key.startsWith(fileFact))
      .map(([key, value]) => ({ key, value })),
    graph: { ...graphProto(graph, { ...options, form }), docString: fact("graph_doc_string") ?? "" },
  });
  return toBinary(ModelProtoSchema, model);
}

/**
 * The version that the file stated, where it still fits: those before 4 want every initializer to be an input as well,
 * and runtimes then take it for a constant, which decides how they fuse and round.
 */
function irVersionOf(graph: Graph, newest: number): bigint {
  const stated = BigInt(graph.metadata.get(`${fileFact}ir_version`) ?? 0);
  if (newest >= 21) return newest > 21 && stated > irVersion ? stated : irVersion;
  const inputs = new Set(graph.inputs);
  const fits = stated > 3n || (stated === 3n && [...graph.initializers].every((value) => inputs.has(value)));
  return fits ? stated : irVersion;
}

function graphProto(graph: Graph, options: Writing): MessageInitShape<typeof GraphProtoSchema> {
  const ends = new Set<Value>([...graph.inputs, ...graph.outputs, ...graph.initializers]);
  const inner = graph.nodes
    .flatMap((node) => node.outputs)
    .filter(
      (v): v is Value =>
        v !== undefined && !ends.has(v) && (v.dtype !== undefined || v.opaqueType !== undefined),
    );
  return {
    name: graph.name,
    node: graph.nodes.map((node) => nodeProto(node, options)),
    initializer: [...graph.initializers].map((value) =>
      tensorProto(value.constant!, value.name, options.place?.(value)),
    ),
    input: graph.inputs.map(valueInfo),
    output: graph.outputs.map(valueInfo),
    valueInfo: inner.map(valueInfo),
  };
}

function nodeProto(node: Node, options: Writing): MessageInitShape<typeof NodeProtoSchema> {
  const names = (values: readonly (Value | undefined)[]) => {
    const all = values.map((value) => value?.name ?? "");
    while (all.at(-1) === "") all.pop();
    return all;
  };
  return {
    opType: node.op,
    domain: options.form.domainOf(node),
    name: node.name,
    input: names(node.inputs),
    output: names(node.outputs),
    attribute: [...node.attributes].map(([name, attribute]) => attributeProto(name, attribute, options)),
  };
}

const encoder = new TextEncoder();
const encoded = (text: string | Uint8Array): Uint8Array =>
  typeof text === "string" ? encoder.encode(text) : text;

function attributeProto(
  name: string,
  attribute: Attribute,
  options: Writing,
): MessageInitShape<typeof AttributeProtoSchema> {
  switch (attribute.type) {
    case "int":
      return { name, type: Kind.INT, i: BigInt(attribute.value) };
    case "float":
      return { name, type: Kind.FLOAT, f: attribute.value };
    case "string":
      return { name, type: Kind.STRING, s: encoded(attribute.value) };
    case "tensor":
      return { name, type: Kind.TENSOR, t: tensorProto(attribute.value, "", undefined) };
    case "graph":
      return { name, type: Kind.GRAPH, g: graphProto(attribute.value, options) };
    case "ints":
      return { name, type: Kind.INTS, ints: attribute.value.map(BigInt) };
    case "floats":
      return { name, type: Kind.FLOATS, floats: [...attribute.value] };
    case "strings":
      return { name, type: Kind.STRINGS, strings: attribute.value.map(encoded) };
    case "tensors":
      return { name, type: Kind.TENSORS, tensors: attribute.value.map((t) => tensorProto(t, "", undefined)) };
    case "graphs":
      return { name, type: Kind.GRAPHS, graphs: attribute.value.map((g) => graphProto(g, options)) };
    case "opaque":
      return fromBinary(AttributeProtoSchema, attribute.value);
  }
}

function tensorProto(
  tensor: Tensor,
  name: string,
  place: ExternalPlace | undefined,
): MessageInitShape<typeof TensorProtoSchema> {
  const head = { name, dataType: numberOf(tensor.dtype), dims: tensor.dims.map(BigInt) };
  if (tensor.strings) return { ...head, stringData: tensor.strings.map(encoded) };
  if (!place) return { ...head, rawData: tensor.data.read() };
  return {
    ...head,
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: [
      { key: "location", value: place.location },
      { key: "offset", value: String(place.offset) },
      { key: "length", value: String(tensor.data.length) },
    ],
  };
}

function valueInfo(value: Value): MessageInitShape<typeof ValueInfoProtoSchema> {
  if (value.opaqueType) return { name: value.name, type: fromBinary(TypeProtoSchema, value.opaqueType) };
  if (value.dtype === undefined) return { name: value.name };
  const shape = value.shape && { shape: { dim: value.shape.map(dimension) } };
  return {
    name: value.name,
    type: { value: { case: "tensorType", value: { elemType: numberOf(value.dtype), ...shape } } },
  };
}

function dimension(dim: Dim) {
  if (typeof dim === "number") return { value: { case: "dimValue" as const, value: BigInt(dim) } };
  // A symbol of ours that stands for "not known" is written as nothing.
  return dim.endsWith("?") ? {} : { value: { case: "dimParam" as const, value: dim } };
}
