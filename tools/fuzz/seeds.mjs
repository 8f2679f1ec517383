import { readdirSync, readFileSync } from "node:fs";
import { fromBinary } from "@bufbuild/protobuf";
import { zipSync } from "fflate";
import { writeNpy } from "../../dist/formats/npy.js";
import { ModelProtoSchema } from "../../dist/formats/onnx/onnx.generated.js";
import { writeOnnx } from "../../dist/formats/onnx/writer.js";
import { writeSafetensors } from "../../dist/formats/safetensors.js";
import { GraphBuilder } from "../../dist/graph/builder.js";
import { Graph } from "../../dist/graph/ir.js";
import { float32, int64 } from "../../dist/graph/tensor.js";
import { joined } from "./mutate.mjs";

const fixtures = new URL("../../tests/fixtures/", import.meta.url);
const networks = readdirSync(new URL("networks/", fixtures)).filter((name) => name.endsWith(".onnx"));
const decoded = (bytes) => ({ bytes: new Uint8Array(bytes), message: fromBinary(ModelProtoSchema, bytes) });

/** Whole ONNX files to start from: the fixtures' networks, and small graphs with bodies and many operators. */
export const onnxSeeds = [
  ...networks.map((name) => decoded(readFileSync(new URL(`networks/${name}`, fixtures)))),
  decoded(withBodies()),
  decoded(withSizes()),
];

/** If and Loop, with values captured from around them. */
function withBodies() {
  const graph = new Graph("bodies");
  const x = graph.addInput("x", "float32", ["batch", 4]);
  const w = graph.addInitializer("w", float32([4], [1, 2, 3, 4]));
  const yes = graph.addInput("yes", "bool", []);
  const branch = (op) => {
    const body = new Graph(op, graph.opsets, graph);
    body.addOutput(body.addNode(op, [x, w]).outputs[0]);
    return { type: "graph", value: body };
  };
  const attributes = [
    ["then_branch", branch("Add")],
    ["else_branch", branch("Mul")],
  ];
  const chosen = graph.addNode("If", [yes], { attributes }).outputs[0];
  const loop = new Graph("turn", graph.opsets, graph);
  loop.addInput("i", "int64", []);
  const goes = loop.addInput("goes", "bool", []);
  const state = loop.addInput("state", "float32", ["batch", 4]);
  loop.addOutput(loop.addNode("Identity", [goes]).outputs[0]);
  loop.addOutput(loop.addNode("Add", [state, w]).outputs[0]);
  const turns = graph.addInitializer("turns", int64([], [3]));
  const looped = graph.addNode("Loop", [turns, yes, chosen], {
    attributes: [["body", { type: "graph", value: loop }]],
  });
  graph.addOutput(looped.outputs[0]);
  return writeOnnx(graph);
}

/** Operators whose outputs' sizes come from constants, attributes and shapes. */
function withSizes() {
  const graph = new Graph("sizes");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", ["batch", 3, 8, 8]);
  const outputs = [
    g.op("Resize", [x, undefined, g.constant([1, 1, 2, 2], "float32")], { mode: "linear" }),
    g.op("Tile", [x, g.ints([1, 2, 1, 1])]),
    g.op("Expand", [x, g.ints([2, 1, 3, 8, 8])]),
    g.op("Slice", [x, g.ints([1]), g.ints([3]), g.ints([2])]),
    g.op("Pad", [x, g.ints([0, 0, 1, 1, 0, 0, 1, 1])]),
    g.op("Conv", [x, g.constant(new Array(27).fill(0.5), "float32", [1, 3, 3, 3])], { pads: [1, 1, 1, 1] }),
    g.op("Split", [x], { axis: 2, num_outputs: 2 }),
    g.op("Range", [g.constant([0], "int64", []), g.constant([9], "int64", []), g.constant([2], "int64", [])]),
    g.op("OneHot", [g.ints([1, 2]), g.constant([4], "int64", []), g.constant([0, 1], "float32")]),
    g.op("Einsum", [x, x], { equation: "bchw,bchw->bc" }),
    g.op("DepthToSpace", [g.op("Reshape", [x, g.ints([-1, 4, 4, 12])])], { blocksize: 2 }),
    g.op("ConstantOfShape", [g.op("Shape", [x])]),
    g.op("TopK", [x, g.ints([2])]),
  ];
  for (const output of outputs) graph.addOutput(output);
  return writeOnnx(graph);
}

const tensors = new Map([
  ["a", float32([2, 3], [1, 2, 3, 4, 5, 6])],
  ["b", int64([4], [1, 2, 3, 4])],
]);

export const safetensorsSeed = joined(...writeSafetensors(tensors, { format: "pt" }));
export const npySeed = writeNpy(tensors.get("a"));
/** Arrays stored as they are, and compressed. */
export const npzSeeds = [0, 6].map((level) =>
  zipSync(Object.fromEntries([...tensors].map(([name, one]) => [`${name}.npy`, writeNpy(one)])), { level }),
);
export const jsonLines = [
  { x: [1, 2, 3], y: 0 },
  { x: [4, 5, 6], y: 1 },
  { x: [7, 8, 9], y: 1 },
];
export const labelsCsv = new TextEncoder().encode(
  'file_name,label,split\na.png,cat,train\n"b,1.png",dog,train\nsub/c.png,cat,test\n',
);

/** A model whose weights lie in w.bin beside it, and that file. */
export function externalSeed() {
  const graph = new Graph("external");
  const x = graph.addInput("x", "float32", ["batch", 64]);
  const w = graph.addInitializer(
    "w",
    float32(
      [64, 64],
      new Float32Array(4096).map((_, i) => i / 7),
    ),
  );
  graph.addOutput(graph.addNode("MatMul", [x, w]).outputs[0]);
  const chunks = [];
  let offset = 0;
  const bytes = writeOnnx(graph, {
    place: ({ constant: { data } }) => {
      const at = { location: "w.bin", offset };
      chunks.push(data.read());
      offset += data.length;
      return at;
    },
  });
  return { ...decoded(bytes), data: joined(...chunks) };
}
