import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { random } from "../../src/base/random.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import { float32 } from "../../src/graph/tensor.ts";
import { type AdaptedModel, floatsOf } from "../../src/models/adapters/adapted.ts";
import { attachAdapter } from "../../src/models/adapters/attach.ts";
import { freezeWeights } from "../../src/models/adapters/freeze-weights.ts";
import type { FrozenKind } from "../../src/models/adapters/frozen-kinds.ts";
import { mergeAdapter } from "../../src/models/adapters/merge.ts";
import { toInt4, toInt8, toNf4 } from "../../src/models/adapters/quantize.ts";
import { describeModel } from "../../src/models/describe.ts";
import { moved } from "./adapted-networks.ts";

const width = 64;

/** Three layers of 64, stored both ways round and with a bias inside or behind, and a head. x: [batch, 5, 64]. */
function network() {
  const graph = new Graph("layers", [
    ["", 21],
    ["com.microsoft", 1],
  ]);
  const g = new GraphBuilder(graph);
  const add = (name: string, dims: readonly number[]) => {
    const draw = random(3, name);
    const size = dims.reduce((a, b) => a * b, 1);
    return graph.addInitializer(
      name,
      float32(
        dims,
        Float32Array.from({ length: size }, () => draw.normal() / 8),
      ),
    );
  };
  let x: Value = graph.addInput("x", "float32", ["batch", 5, width]);
  x = g.op("Tanh", [
    g.add(
      g.product(x, add("layer.0.weight", [width, width]), { transB: true }),
      add("layer.0.bias", [width]),
    ),
  ]);
  x = g.op("Tanh", [g.matmul(x, add("layer.1.weight", [width, width]))]);
  x = g.mean(x, [1]);
  x = g.op("Tanh", [
    g.op("Gemm", [x, add("pooler.weight", [width, width]), add("pooler.bias", [width])], { transB: 1 }),
  ]);
  graph.addOutput(
    g.op("Gemm", [x, add("classifier.weight", [3, width]), add("classifier.bias", [3])], { transB: 1 }, [
      "logits",
    ]),
  );
  return describeModel({
    graph,
    inputName: "x",
    labels: ["a", "b", "c"],
    notes: [],
    config: {},
    source: "test",
    transposed: new Set(),
  });
}

/** Logits and the gradient of Σ logits² of every adapter's matrix, by ONNX Runtime. */
async function gradientsOf(model: AdaptedModel, values: ReadonlyMap<string, Float32Array>) {
  const graph = model.graph.clone();
  const g = new GraphBuilder(graph);
  const logits = graph.get("logits");
  const loss = g.sum(g.square(logits), [0, 1]);
  graph.addOutput(loss);
  const parameters = model.parameters.map(({ name }) => name);
  const made = differentiate(graph, { loss: loss.name, parameters, symbols: { batch: 3 } });
  const session = await InferenceSession.create(writeOnnx(made.graph), { logSeverityLevel: 3 });
  const draw = random(5, "x");
  const x = Float32Array.from({ length: 15 * width }, draw.normal);
  // some rows are larger than others, as those of some tokens are
  for (let i = 0; i < width; i++) x[i]! *= 3;
  const feeds: Record<string, OrtTensor> = { x: new OrtTensor("float32", x, [3, 5, width]) };
  for (const name of parameters)
    feeds[name] = new OrtTensor("float32", values.get(name)!, [...model.graph.get(name).constant!.dims]);
  const found = await session.run(feeds);
  const adapters = [...made.gradients].filter(([name]) => name.includes("lora"));
  return {
    graph: made.graph,
    logits: found["logits"]!.data as Float32Array,
    gradient: adapters.flatMap(([, name]) => [...(found[name]!.data as Float32Array)]),
  };
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

describe.each([
  ["int8", 0.999, "DynamicQuantizeMatMul"],
  ["int4", 0.95, "MatMulNBits"],
  ["nf4", 0.95, "MatMulBnb4"],
] as const)("frozen weights in %s", (kind, wanted, op) => {
  const base = network();

  test.each(["lora", "dora"] as const)(
    "give nearly the outputs and gradients of float32: %s",
    async (method) => {
      const adapted = attachAdapter(base, { method, rank: 4 });
      const values = moved(adapted, 0.05);
      const exact = await gradientsOf(adapted, values);
      const frozen = freezeWeights(adapted, kind);
      const found = await gradientsOf(frozen, values);
      expect(cosine(found.logits, exact.logits)).toBeGreaterThan(wanted);
      expect(cosine(found.gradient, exact.gradient)).toBeGreaterThan(wanted);
      // three layers, forward; in int8 also back, but for the lowest
      const products = found.graph.nodes.filter((node) => node.op === op).length;
      const forNorms = method === "dora" ? 3 : 0;
      expect(products).toBe(3 + forNorms + (kind === "int8" ? 2 : 0));
      const large = [...found.graph.initializers].filter(
        ({ dtype, constant }) => dtype === "float32" && constant!.dims.join() === `${width},${width}`,
      );
      expect(large.map(({ name }) => name)).toEqual([]);
    },
  );

  test("the gradient through them is that through the numbers they stand for", async () => {
    const adapted = attachAdapter(base, { method: "lora", rank: 4 });
    const frozen = freezeWeights(adapted, kind);
    const values = moved(adapted, 0.05);
    const small = await gradientsOf(frozen, values);
    const plain = frozen.graph.clone();
    for (const key of [...plain.metadata.keys()]) plain.metadata.delete(key);
    const exact = await gradientsOf({ ...frozen, graph: plain }, values);
    expect([...small.logits]).toEqual([...exact.logits]);
    expect(cosine(small.gradient, exact.gradient)).toBeGreaterThan(kind === "int8" ? 0.9995 : 0.9999999);
  });

  test("what is tuned on them is merged into the base in float32", () => {
    const adapted = attachAdapter(base, { method: "lora", rank: 4 });
    const values = moved(adapted, 0.05);
    const bytes = (model: AdaptedModel) =>
      [...mergeAdapter(model, values).graph.initializers].map(({ constant }) => [...floatsOf(constant!)]);
    expect(bytes(freezeWeights(adapted, kind))).toEqual(bytes(adapted));
  });
});

test("weights that move, heads, tables and rows that are no whole blocks stay in float32", () => {
  const base = network();
  const adapted = attachAdapter(base, { method: "lora", modulesToSave: ["classifier", "layer.1"] });
  const names = (kind: FrozenKind) =>
    [...freezeWeights(adapted, kind).graph.initializers]
      .map(({ name }) => name)
      .filter((name) => !name.includes("lora"));
  expect(names("int8").sort()).toEqual(
    [
      "classifier.bias",
      "classifier.weight",
      "layer.0.bias",
      "layer.0.int8",
      "layer.0.scales",
      "layer.1.weight",
      "pooler.bias",
      "pooler.int8",
      "pooler.scales",
      ...names("int8").filter((name) => name.startsWith("constant")),
    ].sort(),
  );
  expect(names("float32")).toContain("layer.0.weight");
});

describe("numbers of few bits", () => {
  const draw = random(1, "weights");
  const weight = Float32Array.from({ length: 4 * 128 }, draw.normal);

  test("int8: within half a step of a column's scale", () => {
    const { whole, scales } = toInt8(weight, 4, 128);
    for (let o = 0; o < 4; o++)
      for (let i = 0; i < 128; i++)
        expect(Math.abs(whole[i * 4 + o]! * scales[o]! - weight[o * 128 + i]!)).toBeLessThanOrEqual(
          0.5001 * scales[o]!,
        );
  });
  test("int4 and NF4: within half the widest step of a block's scale, zero kept", () => {
    const four = toInt4(weight, 32);
    const nf4 = toNf4(weight, 64);
    expect([four.bytes.length, four.scales.length, nf4.bytes.length, nf4.scales.length]).toEqual([
      256, 16, 256, 8,
    ]);
    for (const [i, value] of weight.entries()) {
      const code = (four.bytes[i >> 1]! >> (4 * (i & 1))) & 15;
      const scale = four.scales[i >> 5]!;
      // the end opposite to the farthest number is cut off by one step
      expect(Math.abs((code - 8) * scale - value)).toBeLessThanOrEqual(1.0001 * Math.abs(scale));
    }
    const zero = toNf4(new Float32Array(64), 64);
    expect([...new Set(zero.bytes)]).toEqual([0x77]);
  });
});
