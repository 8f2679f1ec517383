import { clone, create } from "@bufbuild/protobuf";
import { DiapasonError } from "../../base/errors.ts";
import {
  type AttributeProto,
  type FunctionProto,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
} from "./onnx.generated.ts";

/** Calls nested deeper than this are taken for an endless recursion. */
const deepest = 32;

/**
 * The nodes of the model's graph with every call of a model-local function replaced by the function's body. Names inside
 * get the calling node's name as a prefix.
 */
export function inlineFunctions(model: ModelProto): readonly NodeProto[] {
  const nodes = model.graph?.node ?? [];
  if (model.functions.length === 0) return nodes;
  const functions = new Map(model.functions.map((f) => [key(f.domain, f.name, f.overload), f]));
  let calls = 0;
  const expand = (node: NodeProto, depth: number): NodeProto[] => {
    const called = functions.get(key(node.domain, node.opType, node.overload));
    if (!called) return [node];
    if (depth > deepest) {
      throw new DiapasonError(
        "formats/onnx-bad-graph",
        `The function "${called.name}" calls itself, directly or through others.`,
        "Export the model again; ONNX does not allow recursive functions.",
      );
    }
    return bodyOf(called, node, `${node.name || called.name}_${calls++}/`).flatMap((inner) =>
      expand(inner, depth + 1),
    );
  };
  return nodes.flatMap((node) => expand(node, 0));
}

const key = (domain: string, name: string, overload: string): string =>
  `${domain}\u0000${name}\u0000${overload}`;

function bodyOf(called: FunctionProto, call: NodeProto, prefix: string): NodeProto[] {
  const names = new Map<string, string>([["", ""]]);
  for (const [i, name] of called.input.entries()) names.set(name, call.input[i] ?? "");
  for (const [i, name] of called.output.entries()) names.set(name, call.output[i] || prefix + name);
  const rename = (name: string) => names.get(name) ?? prefix + name;
  const given = new Map<string, AttributeProto>(called.attributeProto.map((a) => [a.name, a]));
  for (const attribute of call.attribute) given.set(attribute.name, attribute);
  return called.node.map((node) => {
    const copy = clone(NodeProtoSchema, node);
    const renamed = renameIn(copy, rename);
    renamed.name = prefix + (node.name || node.opType);
    renamed.attribute = renamed.attribute.flatMap((attribute) => {
      if (attribute.refAttrName === "") return [attribute];
      const value = given.get(attribute.refAttrName);
      return value ? [{ ...value, name: attribute.name }] : [];
    });
    return renamed;
  });
}

/** Renames what a node reads and makes, and what its bodies read from outside. */
function renameIn(node: NodeProto, rename: (name: string) => string): NodeProto {
  const copy = create(NodeProtoSchema, node);
  copy.input = node.input.map(rename);
  copy.output = node.output.map(rename);
  for (const attribute of copy.attribute) {
    for (const body of [...(attribute.g ? [attribute.g] : []), ...attribute.graphs]) {
      // Names of the body's own are renamed alike, so that they cannot meet names outside.
      for (const info of [...body.input, ...body.output, ...body.valueInfo]) info.name = rename(info.name);
      for (const tensor of body.initializer) tensor.name = rename(tensor.name);
      body.node = body.node.map((inner) => renameIn(inner, rename));
    }
  }
  return copy;
}
