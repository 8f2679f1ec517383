import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, TensorProtoSchema } from "../../dist/formats/onnx/onnx.generated.js";
import { readTensor } from "../../dist/formats/onnx/read-tensor.js";
import { readOnnx } from "../../dist/formats/onnx/reader.js";

/**
 * One of ONNX's backend node cases: a model and, of its first data set, the arrays it takes and gives. An array that is
 * no tensor (a sequence, an optional) is undefined.
 */
export function readCase(folder, name) {
  const bytes = readFileSync(join(folder, name, "model.onnx"));
  const graph = readOnnx(bytes);
  const data = join(folder, name, "test_data_set_0");
  const inputs = arraysOf(data, "input", graph.inputs);
  const outputs = arraysOf(data, "output", graph.outputs);
  return { name, bytes, graph, inputs, outputs, opset: graph.opsets.get("") ?? 1 };
}

/** The stored arrays of some values by name; those that are no tensors are left out. */
function arraysOf(folder, kind, values) {
  const files = new Set(readdirSync(folder));
  const found = new Map();
  for (const [i, value] of values.entries()) {
    const file = `${kind}_${i}.pb`;
    if (value.opaqueType || !files.has(file)) continue;
    found.set(value.name, readTensor(fromBinary(TensorProtoSchema, readFileSync(join(folder, file)))));
  }
  return found;
}

/**
 * The operator that a case is about: the one whose name its own begins with, else the first. A case whose name says
 * "expanded" holds the function body of the operator of the case that it expands.
 */
export function operatorOf(folder, name) {
  const base = name.replace(/_expanded.*$/, "");
  const file = [base, name].map((part) => join(folder, part, "model.onnx")).find(existsSync);
  const all = fromBinary(ModelProtoSchema, readFileSync(file)).graph.node;
  const nodes = [...all.filter((node) => node.opType !== "Constant"), ...all];
  const flat = name.replace(/^test_(ai_onnx_ml_)?/, "").replaceAll("_", "");
  const { opType, domain } = nodes.find((node) => flat.startsWith(node.opType.toLowerCase())) ?? nodes[0];
  return domain === "" ? opType : `${domain}.${opType}`;
}
