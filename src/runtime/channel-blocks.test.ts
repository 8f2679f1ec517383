import { Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { differentiate } from "../autodiff/differentiate.ts";
import { writeOnnx } from "../formats/onnx/writer.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { Graph } from "../graph/ir.ts";
import { sizeOf } from "../graph/tensor.ts";
import { blockConvolutions, channelBlock, hasBlocked } from "./channel-blocks.ts";
import { cpuRuntime } from "./cpu.node.ts";
import type { Runtime } from "./runtime.ts";
import { openSession } from "./session-options.node.ts";

let runtime: Runtime;
let block: number | undefined;
beforeAll(async () => {
  runtime = await cpuRuntime({ threads: 1 });
  block = await channelBlock(runtime);
});
afterAll(() => runtime.dispose());

interface Case {
  readonly image: readonly number[];
  readonly filter: readonly number[];
  readonly attributes: { readonly [name: string]: number | readonly number[] | string };
  readonly hasBias?: boolean;
}

/** A convolution with the gradients of its image, filter and bias. */
function trained({ image, filter, attributes, hasBias }: Case): Graph {
  const graph = new Graph("depthwise");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", image);
  const w = graph.addInput("w", "float32", filter);
  const b = hasBias ? graph.addInput("b", "float32", [filter[0]!]) : undefined;
  const y = g.op("Conv", [x, w, b], { group: image[1]! / filter[1]!, ...attributes });
  graph.addOutput(g.op("ReduceMean", [g.mul(y, y)], { keepdims: 0 }, ["loss"]));
  return differentiate(graph, { loss: "loss", parameters: hasBias ? ["x", "w", "b"] : ["x", "w"] }).graph;
}

async function outputsOf(graph: Graph): Promise<Record<string, Float32Array>> {
  const session = await openSession({ model: writeOnnx(graph), weights: [], isTraining: true }, "cpu", 1);
  const feeds = graph.inputs.map(({ name, shape }) => {
    const dims = shape as readonly number[];
    const data = Float32Array.from({ length: sizeOf(dims) }, (_, i) => Math.sin(7 * i + name.length) + 0.25);
    return [name, new Tensor("float32", data, dims)] as const;
  });
  const found = await session.run(Object.fromEntries(feeds));
  await session.release();
  return Object.fromEntries(Object.entries(found).map(([name, { data }]) => [name, data as Float32Array]));
}

const blockedNodes = (graph: Graph) => graph.nodes.filter(({ domain, op }) => domain !== "" && op === "Conv");

const cases: { readonly [name: string]: Case } = {
  "3×3": { image: [2, 32, 9, 7], filter: [32, 1, 3, 3], attributes: { pads: [1, 1, 1, 1] } },
  "3×3 with a bias": { image: [2, 16, 5, 5], filter: [16, 1, 3, 3], attributes: {}, hasBias: true },
  "stride of 2": {
    image: [3, 16, 8, 9],
    filter: [16, 1, 3, 3],
    attributes: { pads: [1, 1, 1, 1], strides: [2, 2] },
  },
  "auto_pad, 5×3": { image: [2, 48, 9, 9], filter: [48, 1, 5, 3], attributes: { auto_pad: "SAME_UPPER" } },
  "dense, 16 to 48 channels": {
    image: [2, 16, 9, 7],
    filter: [48, 16, 3, 3],
    attributes: { pads: [1, 1, 1, 1] },
    hasBias: true,
  },
  "dense, stride of 2": { image: [3, 32, 8, 9], filter: [16, 32, 3, 2], attributes: { strides: [2, 2] } },
  dilated: { image: [2, 16, 9, 9], filter: [16, 1, 3, 3], attributes: { dilations: [1, 2] } },
};

for (const [name, one] of Object.entries(cases)) {
  // forwards and, where it is one, the convolution that gives the filter's or the image's gradient
  const expects = name === "dense, stride of 2" ? 1 : 2;
  test(`${name}: the same numbers in blocks`, async ({ skip }) => {
    if (block === undefined) skip("ONNX Runtime has no blocks of channels on this processor");
    const graph = trained(one);
    const inBlocks = blockConvolutions(graph, block!);
    expect(blockedNodes(inBlocks).length).toBeGreaterThanOrEqual(expects);
    const [plain, found] = [await outputsOf(graph), await outputsOf(inBlocks)];
    expect(Object.keys(found)).toEqual(Object.keys(plain));
    for (const [output, values] of Object.entries(plain)) {
      const scale = Math.max(...values.map(Math.abs));
      const apart = Math.max(...values.map((value, i) => Math.abs(value - found[output]![i]!)));
      expect(apart / scale, output).toBeLessThan(1e-5);
    }
  });
}

test("the source stays as it is, and outputs keep their names", () => {
  const graph = trained(cases["3×3"]!);
  const inBlocks = blockConvolutions(graph, 8);
  expect(blockedNodes(graph)).toEqual([]);
  expect(inBlocks.outputs.map(({ name }) => name)).toEqual(graph.outputs.map(({ name }) => name));
});

test("channels that fill no block, groups of several channels, single pixels and constant filters stay", () => {
  const odd = trained({ image: [1, 12, 5, 5], filter: [12, 1, 3, 3], attributes: {} });
  expect(hasBlocked(odd)).toBe(true);
  expect(blockedNodes(blockConvolutions(odd, 8))).toEqual([]);

  const graph = new Graph("others");
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", [1, 16, 5, 5]);
  const constant = g.constant(new Array<number>(16 * 9).fill(1), "float32", [16, 1, 3, 3]);
  graph.addOutput(g.op("Conv", [x, constant], { group: 16 }));
  graph.addOutput(g.op("Conv", [x, graph.addInput("w", "float32", [16, 2, 3, 3])], { group: 8 }));
  graph.addOutput(g.op("Conv", [x, graph.addInput("pixels", "float32", [32, 16, 1, 1])]));
  expect(hasBlocked(graph)).toBe(false);
});

test("a block is as wide as a vector register", () => {
  expect([undefined, 8, 16]).toContain(block);
});
