import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";
import { random } from "../../src/base/random.ts";
import { saveOnnx } from "../../src/formats/onnx/file.node.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph } from "../../src/graph/ir.ts";
import { float32, type Tensor } from "../../src/graph/tensor.ts";
import { type FormatOptions, inFormat, type OnnxFormatName } from "../../src/models/export/formats.ts";
import { buildNetwork } from "../../src/models/network/build-network.ts";
import { openNetwork } from "../../src/models/open-network.node.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-export-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const symmetric: FormatOptions = { blocks: "symmetric" };
const asymmetric: FormatOptions = { blocks: "asymmetric" };

type Feeds = Readonly<Record<string, OrtTensor>>;

async function outputsOf(file: string | Uint8Array, feeds: Feeds): Promise<Record<string, OrtTensor>> {
  const options = { logSeverityLevel: 3 } as const;
  const session =
    typeof file === "string"
      ? await InferenceSession.create(file, options)
      : await InferenceSession.create(file, options);
  return (await session.run(feeds)) as Record<string, OrtTensor>;
}

/** Largest difference of two outputs relative to the largest number of the first. */
function distance(a: OrtTensor, b: OrtTensor): number {
  expect(b.type).toBe("float32");
  expect(b.dims).toEqual(a.dims);
  const [left, right] = [a.data as Float32Array, b.data as Float32Array];
  const largest = left.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  return left.reduce((most, value, i) => Math.max(most, Math.abs(value - right[i]!)), 0) / largest;
}

const ids = (rows: readonly (readonly number[])[]) =>
  new OrtTensor("int64", BigInt64Array.from(rows.flat().map(BigInt)), [rows.length, rows[0]!.length]);

/** Networks wide enough to be worth fewer bits, with random weights. */
const encoder = () =>
  buildNetwork({
    config: {
      model_type: "bert",
      architectures: ["BertForSequenceClassification"],
      vocab_size: 120,
      hidden_size: 64,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      intermediate_size: 128,
      max_position_embeddings: 40,
      num_labels: 5,
      initializer_range: 0.1,
    },
    tensors: undefined,
    source: "bert",
    seed: 2,
  });
const texts: Feeds = {
  input_ids: ids([
    [2, 17, 45, 99, 3, 61, 8, 3],
    [2, 71, 5, 3, 0, 0, 0, 0],
  ]),
  attention_mask: ids([
    [1, 1, 1, 1, 1, 1, 1, 1],
    [1, 1, 1, 1, 0, 0, 0, 0],
  ]),
  token_type_ids: ids([
    [0, 0, 0, 0, 0, 1, 1, 1],
    [0, 0, 0, 0, 0, 0, 0, 0],
  ]),
};

describe("an encoder in another form", () => {
  test.each([
    ["onnx", symmetric, 1e-5, 1.01],
    ["fp16", symmetric, 5e-3, 0.55],
    ["int8", symmetric, 5e-2, 0.4],
    ["q4", symmetric, 0.3, 0.45],
    ["q4", asymmetric, 0.25, 0.45],
    ["q4f16", symmetric, 0.3, 0.35],
  ] as const)(
    "%s, %o: logits stay within %d of the largest, the file within its share",
    async (name, options, within, share) => {
      const { graph } = encoder();
      const before = await outputsOf(writeOnnx(graph), texts);
      const path = join(folder, `${name}.onnx`);
      await saveOnnx(inFormat(graph, name, options).graph, path);
      const after = await outputsOf(path, texts);
      expect(distance(before["logits"]!, after["logits"]!)).toBeLessThan(within);
      expect(statSync(path).size / writeOnnx(graph).length).toBeLessThan(share);
    },
  );

  test("what is multiplied is in few bits, and what stays is not", () => {
    const { graph } = encoder();
    const opsIn = (name: OnnxFormatName) => {
      const counts = new Map<string, number>();
      for (const { op } of inFormat(graph, name, symmetric).graph.nodes)
        counts.set(op, (counts.get(op) ?? 0) + 1);
      return counts;
    };
    // two layers of six products each, and the pooler; the classifier of 320 numbers stays
    expect(opsIn("int8").get("MatMulInteger")).toBe(13);
    // queries, keys and values read one activation: it is rounded once
    expect(opsIn("int8").get("DynamicQuantizeLinear")).toBe(9);
    expect(opsIn("q4").get("MatMulNBits")).toBe(13);
    expect(opsIn("q4").get("FusedMatMul")).toBeUndefined();
    expect(graph.nodes.some(({ op }) => op === "MatMulNBits" || op === "DynamicQuantizeLinear")).toBe(false);
  });

  test("a model without a large weight is told to stay as large as it is", () => {
    const graph = new Graph("small");
    const x = graph.addInput("x", "float32", ["batch", 2]);
    const weight = graph.addInitializer("weight", float32([2, 2], [1, 2, 3, 4]));
    graph.addOutput(graph.addNode("MatMul", [x, weight], { outputs: ["y"] }).outputs[0]!);
    expect(inFormat(graph, "int8", symmetric).notes.join()).toContain("no large weights");
    expect(inFormat(encoder().graph, "int8", symmetric).notes).toEqual([]);
  });

  test("the graph that was given stays as it is", () => {
    const { graph } = encoder();
    const before = writeOnnx(graph);
    for (const name of ["fp16", "int8", "q4f16"] as const) inFormat(graph, name, symmetric);
    expect(writeOnnx(graph)).toEqual(before);
  });
});

const fixtures = fileURLToPath(new URL("../fixtures/architectures", import.meta.url));

const feedOf = ({ dtype, dims, data }: Tensor): OrtTensor => {
  const { buffer } = Uint8Array.from(data.read());
  return dtype === "int64"
    ? new OrtTensor("int64", new BigInt64Array(buffer), dims)
    : new OrtTensor("float32", new Float32Array(buffer), dims);
};

describe("every architecture computes in float16", () => {
  test.each(readdirSync(fixtures).sort())("%s", async (name) => {
    const { tensors: reference, metadata } = await loadSafetensors(
      `${fixtures}/${name}/reference.safetensors`,
    );
    const [, , height, width] = reference.get("input.pixel_values")?.dims ?? [];
    const imageSize = height && width ? ([height, width] as const) : undefined;
    const { graph } = await openNetwork(`${fixtures}/${name}`, { seed: 0, imageSize });
    const half = inFormat(graph, "fp16", symmetric);
    const feeds = Object.fromEntries(
      graph.inputs.map((input) => [input.name, feedOf(reference.get(`input.${input.name}`)!)]),
    );
    const outputs = await outputsOf(writeOnnx(half.graph), feeds);
    expect(distance(feedOf(reference.get("output")!), outputs[metadata.get("output")!]!)).toBeLessThan(2e-2);
    expect([...half.graph.initializers].some(({ dtype }) => dtype === "float16")).toBe(true);
  });
});

test("the places of tokens stay float32: in float16 a token beyond 2048 would stand on its neighbour", async () => {
  const { graph } = await openNetwork(`${fixtures}/llama`, { seed: 0 });
  const half = inFormat(graph, "fp16", symmetric).graph;
  const angles = half.nodes.filter(({ op }) => op === "Cos" || op === "Sin");
  expect(angles.length).toBeGreaterThan(0);
  for (const { inputs } of angles) expect(inputs[0]!.dtype).toBe("float32");
  const count = 3000;
  const row = Array.from({ length: count }, (_, i) => 3 + ((7 * i) % 37));
  const feeds = { input_ids: ids([row]), attention_mask: ids([row.map(() => 1)]) };
  const before = await outputsOf(writeOnnx(graph), feeds);
  const after = await outputsOf(writeOnnx(half), feeds);
  expect(distance(before["logits"]!, after["logits"]!)).toBeLessThan(2e-2);
});

/** A convolution, a Gemm with a bias, and an output that an operator gives which has no half precision. */
function images(scale = 1): Graph {
  const graph = new Graph("images", [["", 21]]);
  const g = new GraphBuilder(graph);
  const draw = random(4, "export images");
  const weight = (name: string, dims: readonly number[]) => {
    const values = Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, () => 0.2 * draw.normal());
    if (values.length > 500) values[0] = values[0]! * scale;
    return graph.addInitializer(name, float32(dims, values));
  };
  const x = graph.addInput("pixels", "float32", ["batch", 3, 8, 8]);
  const maps = g.op("Conv", [x, weight("kernel", [40, 3, 3, 3]), weight("kernel.bias", [40])], {
    kernel_shape: [3, 3],
  });
  const pooled = g.op("Flatten", [g.op("Relu", [maps])], { axis: 1 });
  graph.addOutput(
    g.op("Gemm", [pooled, weight("dense", [6, 1440]), weight("dense.bias", [6])], { transB: 1 }, ["logits"]),
  );
  graph.addOutput(
    g.node("TopK", [graph.get("logits"), g.ints([2])], { axis: 1 }, ["best", "places"]).outputs[0]!,
  );
  return graph;
}
const pixels = (): Feeds => {
  const draw = random(5, "export pixels");
  const values = Float32Array.from({ length: 2 * 3 * 64 }, () => draw.normal());
  return { pixels: new OrtTensor("float32", values, [2, 3, 8, 8]) };
};

describe("a graph of convolutions", () => {
  test.each([
    ["fp16", 5e-3, 0.6],
    ["int8", 2e-2, 0.35],
    ["q4", 0.2, 0.35],
    ["q4f16", 0.2, 0.25],
  ] as const)("%s: outputs stay within %d of the largest", async (name, within, share) => {
    const graph = images();
    const before = await outputsOf(writeOnnx(graph), pixels());
    const bytes = writeOnnx(inFormat(graph, name, symmetric).graph);
    const after = await outputsOf(bytes, pixels());
    for (const output of ["logits", "best"])
      expect(distance(before[output]!, after[output]!), output).toBeLessThan(within);
    expect(bytes.length / writeOnnx(graph).length).toBeLessThan(share);
  });

  test("a weight beyond float16 becomes its largest number, and it is said", async () => {
    const { graph, notes } = inFormat(images(1e9), "fp16", symmetric);
    expect(notes).toEqual([expect.stringMatching(/^2 weights are beyond what float16 holds/)]);
    const { data } = (await outputsOf(writeOnnx(graph), pixels()))["logits"]!;
    expect([...(data as Float32Array)].every((value) => Number.isFinite(value))).toBe(true);
  });

  test("4 bits are for products: without them it is said that nothing changed", () => {
    const graph = new Graph("relu", [["", 21]]);
    graph.addOutput(new GraphBuilder(graph).op("Relu", [graph.addInput("x", "float32", ["batch", 4])]));
    expect(inFormat(graph, "q4", symmetric).notes).toEqual([expect.stringMatching(/no products/)]);
  });
});

test("bodies of an If stay float32 around a graph of half precision", async () => {
  const graph = new Graph("branches", [["", 21]]);
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", ["batch", 4]);
  const h = g.op("Tanh", [g.op("Mul", [x, g.constant([1, 2, 3, 4])])]);
  const body = (op: "Exp" | "Neg") => {
    const inner = new Graph(op, graph.opsets, graph);
    inner.addOutput(inner.addNode(op, [h], { outputs: [`${op}_h`] }).outputs[0]!);
    return inner;
  };
  const chosen = graph.addNode("If", [graph.addInput("yes", "bool", [])], {
    outputs: ["chosen"],
    attributes: [
      ["then_branch", { type: "graph", value: body("Exp") }],
      ["else_branch", { type: "graph", value: body("Neg") }],
    ],
  }).outputs[0]!;
  Object.assign(chosen, { dtype: "float32", shape: ["batch", 4] });
  graph.addOutput(g.op("Add", [chosen, h], {}, ["sum"]));
  const half = inFormat(graph, "fp16", symmetric).graph;
  for (const yes of [1, 0]) {
    const feeds = {
      x: new OrtTensor("float32", Float32Array.of(0.1, -0.2, 0.3, -0.4), [1, 4]),
      yes: new OrtTensor("bool", Uint8Array.of(yes), []),
    };
    const before = await outputsOf(writeOnnx(graph), feeds);
    const after = await outputsOf(writeOnnx(half), feeds);
    expect(distance(before["sum"]!, after["sum"]!)).toBeLessThan(5e-3);
  }
  expect(half.get("sum").producer!.op).toBe("Cast");
});
