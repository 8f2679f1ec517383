import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { type Attribute, Graph } from "../../src/graph/ir.ts";
import { normalize } from "../../src/graph/passes/normalize.ts";
import { float32, type Tensor } from "../../src/graph/tensor.ts";

const int = (value: number): Attribute => ({ type: "int", value });
const ints = (...value: number[]): Attribute => ({ type: "ints", value });
const float = (value: number): Attribute => ({ type: "float", value });
const floats = (...value: number[]): Attribute => ({ type: "floats", value });
const text = (value: string): Attribute => ({ type: "string", value });
const wave = (...dims: number[]): Tensor =>
  float32(
    dims,
    Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(1.3 * i + 1)),
  );

/** An operator of an older opset over x: [2, 4, 6, 6], further inputs being constants. */
function oldGraph(
  opset: number,
  op: string,
  attributes: { readonly [key: string]: Attribute },
  constants: readonly Tensor[],
  outputs: number,
): Graph {
  const graph = new Graph("old", [["", opset]]);
  graph.metadata.set("onnx:ir_version", "7");
  const x = graph.addInput("x", "float32", [2, 4, 6, 6]);
  const others = constants.map((tensor, i) => graph.addInitializer(`c${i}`, tensor));
  const names = Array.from({ length: outputs }, (_, i) => `y${i}`);
  const node = graph.addNode(op, [x, ...others], { attributes: Object.entries(attributes), outputs: names });
  for (const output of node.outputs) {
    output!.dtype = "float32";
    graph.addOutput(output!);
  }
  return graph;
}

async function run(graph: Graph): Promise<unknown[]> {
  const session = await ort.InferenceSession.create(writeOnnx(graph), { logSeverityLevel: 4 });
  const data = Float32Array.from({ length: 288 }, (_, i) => Math.cos(0.7 * i) * 3);
  const result = await session.run({ x: new ort.Tensor("float32", data, [2, 4, 6, 6]) });
  await session.release();
  return Object.values(result).map(({ dims, data }) => [dims, data]);
}

const four = [wave(4), wave(4), wave(4), float32([4], [1, 2, 3, 4])];

test.each<[string, number, string, { readonly [key: string]: Attribute }, (readonly Tensor[])?, number?]>([
  ["Softmax over all but the batch", 12, "Softmax", {}],
  ["Softmax from the third axis on", 11, "Softmax", { axis: int(2) }],
  ["Softmax over the last axis", 9, "Softmax", { axis: int(-1) }],
  ["LogSoftmax over everything", 11, "LogSoftmax", { axis: int(0) }],
  ["Hardmax", 11, "Hardmax", { axis: int(2) }],
  ["Squeeze", 11, "Unsqueeze", { axes: ints(0, 3) }],
  ["ReduceMean", 13, "ReduceMean", { axes: ints(2, 3) }],
  ["ReduceSum", 11, "ReduceSum", { axes: ints(-1), keepdims: int(0) }],
  ["ReduceL2 over everything", 12, "ReduceL2", {}],
  ["Split", 11, "Split", { axis: int(1), split: ints(1, 3) }, [], 2],
  ["Split in equal parts", 13, "Split", { axis: int(1) }, [], 2],
  ["Slice", 9, "Slice", { starts: ints(1, -3), ends: ints(2 ** 31 - 1, -1), axes: ints(1, 3) }],
  ["Pad with a value", 10, "Pad", { pads: ints(0, 0, 1, 2, 0, 0, 0, 1), value: float(0.5) }],
  ["Pad by reflection", 10, "Pad", { mode: text("reflect"), pads: ints(0, 0, 1, 2, 0, 0, 0, 1) }],
  ["Clip", 10, "Clip", { min: float(-1), max: float(2) }],
  ["Dropout", 10, "Dropout", { ratio: float(0.5) }],
  ["BatchNormalization", 8, "BatchNormalization", { spatial: int(1), epsilon: float(1e-3) }, four],
  ["BatchNormalization without spatial", 9, "BatchNormalization", {}, four],
  ["Upsample by attribute, nearest", 8, "Upsample", { scales: floats(1, 1, 2, 3), mode: text("nearest") }],
  ["Upsample by input", 9, "Upsample", { mode: text("nearest") }, [float32([4], [1, 1, 1.5, 2])]],
  ["Upsample, linear", 9, "Upsample", { mode: text("linear") }, [float32([4], [1, 1, 2, 2])]],
  ["Resize that grows", 10, "Resize", { mode: text("nearest") }, [float32([4], [1, 1, 2, 1.5])]],
  ["Resize that shrinks", 10, "Resize", { mode: text("nearest") }, [float32([4], [1, 1, 0.5, 0.7])]],
  ["Resize, linear", 10, "Resize", { mode: text("linear") }, [float32([4], [1, 1, 0.5, 2])]],
  [
    "MaxPool with ceil_mode",
    10,
    "MaxPool",
    { kernel_shape: ints(2, 2), strides: ints(4, 4), ceil_mode: int(1) },
  ],
  ["GroupNormalization", 18, "GroupNormalization", { num_groups: int(2) }, [wave(2), wave(2)]],
])(
  "%s of opset %i gives the same after normalisation",
  async (_, opset, op, attributes, constants = [], outputs = 1) => {
    const before = await run(oldGraph(opset, op, attributes, constants, outputs));
    const graph = oldGraph(opset, op, attributes, constants, outputs);
    normalize(graph);
    graph.metadata.delete("onnx:ir_version");
    expect(await run(graph)).toEqual(before);
  },
);
