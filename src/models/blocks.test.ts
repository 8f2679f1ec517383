import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../graph/builder.ts";
import { Graph, type Value } from "../graph/ir.ts";
import { float32 } from "../graph/tensor.ts";
import { blockGroups, findBlocks } from "./blocks.ts";
import { findHead, headParameters } from "./find-head.ts";
import { collectParameters } from "./parameters.ts";

const zeros = (...dims: number[]) => float32(dims, new Float32Array(dims.reduce((n, d) => n * d, 1)));

/** A chain of layers: names ending in "norm" or "bn…" scale, all others multiply by a matrix. */
function chain(layers: readonly string[], nodeName: (layer: string) => string = () => ""): Graph {
  const graph = new Graph("chain");
  let value: Value = graph.addInput("x", "float32", ["batch", 4]);
  layers.forEach((layer, i) => {
    const isNorm = /(norm|bn)\d*$|Norm$/.test(layer);
    const anonymous = nodeName(layer) !== "" || layer === "";
    const name = (suffix: string) =>
      anonymous ? `onnx::MatMul_${100 + 2 * i + suffix.length}` : `${layer}.${suffix}`;
    const weight = graph.addInitializer(name("weight"), isNorm ? zeros(4) : zeros(4, 4));
    const node = graph.addNode(isNorm ? "Mul" : "MatMul", [value, weight], { name: nodeName(layer) });
    value = node.outputs[0]!;
    value.shape = ["batch", 4];
  });
  graph.addOutput(value);
  return graph;
}

function blocksOf(graph: Graph) {
  const { parameters, buffers } = collectParameters(graph);
  const head = new Set(headParameters(findHead(graph.outputs[0])));
  const blocks = findBlocks(graph, parameters, { head, buffers });
  const placed = blocks.flatMap((block) => block.parameters);
  expect([...placed].sort()).toEqual(parameters.map((p) => p.name).sort());
  return blocks;
}
const names = (graph: Graph) => blocksOf(graph).map((block) => block.name);
const repeat = (count: number, layers: (i: number) => readonly string[]) =>
  Array.from({ length: count }, (_, i) => layers(i)).flat();

describe("blocks from names", () => {
  const resnet = [
    "conv1",
    "bn1",
    ...repeat(3, (s) =>
      repeat(2, (b) => ["conv1", "bn1", "conv2", "bn2"].map((layer) => `layer${s + 1}.${b}.${layer}`)),
    ),
    "fc",
  ];
  test("a ResNet: residual blocks, not stages, not layers", () => {
    expect(names(chain(resnet))).toEqual([
      "stem",
      ...["layer1.0", "layer1.1", "layer2.0", "layer2.1", "layer3.0", "layer3.1"],
      "head",
    ]);
  });
  test("a prefix with a number of its own does not count", () =>
    expect(names(chain(resnet.map((layer) => `resnet18.${layer}`)))).toEqual([
      "stem",
      ...["layer1.0", "layer1.1", "layer2.0", "layer2.1", "layer3.0", "layer3.1"].map((b) => `resnet18.${b}`),
      "head",
    ]));
  test("an encoder: layers; the pooler joins the last one, embeddings are the stem", () => {
    const blocks = blocksOf(
      chain([
        "embeddings.word_embeddings",
        "embeddings.LayerNorm",
        ...repeat(12, (i) =>
          ["attention.self.query", "attention.output.dense", "output.dense", "output.LayerNorm"].map(
            (layer) => `encoder.layer.${i}.${layer}`,
          ),
        ),
        "pooler.dense",
        "classifier",
      ]),
    );
    expect(blocks.map((block) => block.name)).toEqual([
      "stem",
      ...repeat(12, (i) => [`encoder.layer.${i}`]),
      "head",
    ]);
    expect(blocks[12]!.parameters).toContain("pooler.dense.weight");
    expect(blocks[13]!.parameters).toEqual(["classifier.weight"]);
  });
  test("MobileNetV2: inverted residuals, not their inner layers", () =>
    expect(
      names(
        chain([
          "features.0.0",
          "features.0.1.bn",
          ...repeat(5, (i) =>
            ["conv.0.0", "conv.1.0", "conv.2"].map((layer) => `features.${i + 1}.${layer}`),
          ),
          "classifier.1",
        ]),
      ),
    ).toEqual([...repeat(6, (i) => [`features.${i}`]), "head"]));
  test("SqueezeNet: fire modules", () =>
    expect(
      names(
        chain([
          "conv1",
          ...repeat(4, (i) => ["squeeze", "expand1x1", "expand3x3"].map((l) => `fire${i + 2}.${l}`)),
          "classifier",
        ]),
      ),
    ).toEqual(["stem", "fire2", "fire3", "fire4", "fire5", "head"]));
  test("VGG with normalisation: each convolution with its normalisation", () =>
    expect(
      names(chain([...repeat(4, (i) => [`features.${3 * i}`, `features.${3 * i + 1}_bn`]), "classifier"])),
    ).toEqual(["features.0", "features.3", "features.6", "features.9", "head"]));
  test("node paths where an exporter renamed the weights", () =>
    expect(names(chain(resnet, (layer) => scopes(layer)))).toEqual([
      "stem",
      ...["layer1.0", "layer1.1", "layer2.0", "layer2.1", "layer3.0", "layer3.1"],
      "head",
    ]));
});

/** "layer1.0.conv1" as PyTorch's exporter writes it: "/layer1/layer1.0/conv1/Conv". */
function scopes(layer: string): string {
  const match = /^(layer\d)\.(\d)\.(\w+)$/.exec(layer);
  return match ? `/${match[1]}/${match[1]}.${match[2]}/${match[3]}/Conv` : `/${layer}/Conv`;
}

describe("blocks from depth", () => {
  test("what a branch reads comes before it", () => {
    const graph = new Graph("branch");
    const g = new GraphBuilder(graph);
    const x = graph.addInput("x", "float32", ["batch", 4]);
    const take = graph.addInput("take", "bool", []);
    const weight = (name: string) => graph.addInitializer(name, zeros(4, 4));
    const below = g.matmul(g.op("Relu", [g.matmul(x, weight("first"))]), weight("second"));
    const branch = (op: "Tanh" | "Neg") => {
      const body = new Graph(op, undefined, graph);
      body.addOutput(new GraphBuilder(body).op(op, [below]));
      return body;
    };
    const chosen = g.op("If", [take], { then_branch: branch("Tanh"), else_branch: branch("Neg") });
    const above = g.matmul(chosen, weight("third"));
    graph.addOutput(g.matmul(g.op("Relu", [above]), weight("last")));
    expect(blocksOf(graph).flatMap(({ parameters }) => parameters)).toEqual([
      "first",
      "second",
      "third",
      "last",
    ]);
  });
  test("a plain chain: one part a layer, the first is the stem", () =>
    expect(names(chain(["", "", "", "", ""]))).toEqual(["stem", "part1", "part2", "part3", "head"]));
  test("a long chain: twelve parts of about equal size", () => {
    const blocks = blocksOf(chain(new Array(31).fill("")));
    expect(blocks).toHaveLength(13);
    expect(new Set(blocks.slice(0, -1).map((b) => b.parameters.length))).toEqual(new Set([2, 3]));
  });
  test("branches are not cut", () => {
    const graph = new Graph("residual");
    let x: Value = graph.addInput("x", "float32", ["batch", 4]);
    for (let i = 0; i < 3; i++) {
      const a = graph.addNode("MatMul", [x, graph.addInitializer(`${10 * i + 1}`, zeros(4, 4))]).outputs[0]!;
      const b = graph.addNode("MatMul", [a, graph.addInitializer(`${10 * i + 2}`, zeros(4, 4))]).outputs[0]!;
      x = graph.addNode("Add", [b, x]).outputs[0]!;
    }
    graph.addOutput(x);
    expect(blocksOf(graph).map((block) => block.parameters)).toEqual([
      ["1", "2"],
      ["11", "12"],
      ["21", "22"],
    ]);
  });
  test("a long stretch without a cut is divided in order", () => {
    const graph = new Graph("skip");
    const x: Value = graph.addInput("x", "float32", ["batch", 4]);
    let y = x;
    for (let i = 0; i < 24; i++)
      y = graph.addNode("MatMul", [y, graph.addInitializer(`${i}`, zeros(4, 4))]).outputs[0]!;
    graph.addOutput(graph.addNode("Add", [y, x]).outputs[0]!);
    expect(blocksOf(graph).map((block) => block.parameters)).toEqual(
      repeat(12, (i) => [`${2 * i},${2 * i + 1}`]).map((pair) => pair.split(",")),
    );
  });
  test("no parameters, no blocks", () => expect(names(chain([]))).toEqual([]));
});

test("running statistics go with the block of their scale", () => {
  const graph = new Graph("norms");
  let x: Value = graph.addInput("x", "float32", ["batch", 4, 8, 8]);
  for (const layer of ["layer1.0", "layer1.1"]) {
    for (const i of [1, 2]) {
      x = graph.addNode("Conv", [x, graph.addInitializer(`${layer}.conv${i}.weight`, zeros(4, 4, 1, 1))])
        .outputs[0]!;
      const vectors = ["weight", "bias", "running_mean", "running_var"].map((part) =>
        graph.addInitializer(`${layer}.bn${i}.${part}`, zeros(4)),
      );
      x = graph.addNode("BatchNormalization", [x, ...vectors]).outputs[0]!;
    }
  }
  graph.addOutput(x);
  const blocks = blocksOf(graph);
  expect(blocks.map((block) => block.name)).toEqual(["layer1.0", "layer1.1"]);
  expect(blocks[1]!.buffers).toEqual(
    [1, 2].flatMap((i) => [`layer1.1.bn${i}.running_mean`, `layer1.1.bn${i}.running_var`]),
  );
});

describe("groups of blocks", () => {
  const block = (name: string) => ({ name, parameters: [name], buffers: [] });
  const blocks = ["stem", "layer1.0", "layer1.1", "layer2.0", "layer2.1", "layer3.0", "head"].map(block);
  const named = (groups: readonly (readonly { name: string }[])[]) =>
    groups.map((g) => g.map((b) => b.name).join());
  test("stages where the names show them", () =>
    expect(named(blockGroups(blocks))).toEqual([
      "stem,layer1.0,layer1.1",
      "layer2.0,layer2.1",
      "layer3.0",
      "head",
    ]));
  test("a count that is not theirs divides evenly", () =>
    expect(named(blockGroups(blocks, 3))).toEqual([
      "stem,layer1.0,layer1.1",
      "layer2.0,layer2.1,layer3.0",
      "head",
    ]));
  test("one stage of many layers: four groups and the head", () => {
    const encoder = [...repeat(12, (i) => [`encoder.layer.${i}`]), "head"].map(block);
    expect(blockGroups(encoder).map((group) => group.length)).toEqual([3, 3, 3, 3, 1]);
  });
  test("more groups than blocks: one block each", () => expect(blockGroups(blocks, 99)).toHaveLength(7));
});
