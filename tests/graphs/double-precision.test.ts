import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { beforeAll, describe, expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { openCheckpoint } from "../../src/formats/checkpoint.node.ts";
import { saveNpz } from "../../src/formats/npz.node.ts";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/file.node.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { inferShapes } from "../../src/graph/infer.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import { asFloat32, asStored, computeInFloat32 } from "../../src/graph/passes/stored-types.ts";
import { float32, type Tensor as Held, tensorOf } from "../../src/graph/tensor.ts";
import { loadModel } from "../../src/models/load.node.ts";
import { buildNetwork } from "../../src/models/network/build-network.ts";
import { readConfig } from "../../src/models/open-network.node.ts";
import { weightsOf } from "../../src/models/save.node.ts";
import { logitsOfClasses } from "../../src/tasks/logits.ts";
import { policyFolder, savedOf, scoresOf } from "../custom/tools.ts";

interface Case {
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly loss: number;
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const expected = JSON.parse(readFileSync(fixture("double/expected.json"), "utf8")) as Record<string, Case>;
const networks = [
  { name: "mlp", dims: { x: [8, 4], y: [8, 3] } },
  { name: "lstm", dims: { x: [4, 6, 3], y: [4, 6, 2] } },
] as const;
const { at } = policyFolder();
const bytesOf = ({ data }: Held): Buffer => Buffer.from(data.read());
const load = (name: string) => loadModel(fixture(`double/${name}.onnx`), { whole: true });

/** A loaded model with the mean of the squared differences to "t" as its output "loss". */
async function withLoss(name: string) {
  const model = await load(name);
  const graph = model.graph.clone();
  const g = new GraphBuilder(graph);
  const y = graph.get("y");
  const difference = g.sub(y, graph.addInput("t", "float32", y.shape));
  const loss: Value = g.op("ReduceMean", [g.mul(difference, difference)], { keepdims: 0 });
  graph.rename(loss, "loss");
  graph.addOutput(loss);
  return { graph, parameters: model.parameters.map((parameter) => parameter.name) };
}

/** An LSTM's gates as ONNX orders them (input, output, forget, cell), of PyTorch's (input, forget, cell, output). */
const reordered = (rows: readonly number[]): readonly number[] => {
  const part = rows.length / 4;
  return [0, 3, 1, 2].flatMap((gate) => rows.slice(gate * part, (gate + 1) * part));
};

/** PyTorch's gradients under the names and in the order of the graph's parameters. */
function inGraph({ gradients }: Case, graph: Graph, parameter: string): readonly number[] {
  const own = gradients[parameter];
  if (own) return own;
  const dims = graph.get(parameter).constant!.dims;
  const of = (name: string) => gradients[name]!;
  if (dims.length === 2 && dims[0] === 1)
    return [...reordered(of("lstm.bias_ih_l0")), ...reordered(of("lstm.bias_hh_l0"))];
  if (dims.length === 3) return reordered(of(dims[2] === 3 ? "lstm.weight_ih_l0" : "lstm.weight_hh_l0"));
  // a product has the matrix the other way round
  const [rows, columns] = dims as readonly [number, number];
  const matrix = of("head.weight");
  return Array.from(
    { length: rows * columns },
    (_, i) => matrix[(i % columns) * rows + Math.floor(i / columns)]!,
  );
}

describe.each(networks)("$name of 64 bits", ({ name, dims }) => {
  const reference = expected[name]!;

  test("loss and every gradient equal PyTorch's, to the digits of float32", async () => {
    const { graph, parameters } = await withLoss(name);
    expect(parameters.length).toBe(Object.keys(reference.gradients).length - (name === "lstm" ? 1 : 0));
    const backward = differentiate(graph, { loss: "loss", parameters, symbols: { batch: dims.x[0] } });
    const session = await InferenceSession.create(writeOnnx(backward.graph), { logSeverityLevel: 3 });
    const feeds = backward.graph.inputs.map(({ name: input }) => {
      if (input === "x" || input === "t")
        return [
          input,
          new Tensor(
            Float32Array.from(input === "x" ? reference.x : reference.y),
            dims[input === "x" ? "x" : "y"],
          ),
        ] as const;
      const { constant } = graph.get(input);
      return [
        input,
        new Tensor(new Float32Array(constant!.data.read().slice().buffer), constant!.dims),
      ] as const;
    });
    const found = await session.run(Object.fromEntries(feeds));
    expect((found["loss"]!.data as Float32Array)[0]).toBeCloseTo(reference.loss, 5);
    for (const [parameter, gradient] of backward.gradients) {
      const wanted = inGraph(reference, graph, parameter);
      const given = [...(found[gradient]!.data as Float32Array)];
      expect(given).toHaveLength(wanted.length);
      for (const [i, value] of given.entries()) expect(value).toBeCloseTo(wanted[i]!, 5);
    }
  });

  test("is tuned, and written back in 64 bits; what does not move keeps all its digits", async () => {
    const path = fixture(`double/${name}.onnx`);
    await saveNpz(
      at(`${name}.npz`),
      new Map([
        ["x", tensorOf("float64", dims.x, Float64Array.from(reference.x))],
        ["wanted", tensorOf("float64", dims.y, Float64Array.from(reference.y))],
      ]),
    );
    const options = { model: path, data: at(`${name}.npz`), out: at(name), run: at(`${name}-run`) };
    const how = {
      task: "custom",
      loss: "mse:y=wanted",
      plan: "head",
      learningRate: 0.05,
      epochs: 20,
    } as const;
    const saved = await savedOf({ ...options, ...how });
    expect(saved.after.metrics["loss"]).toBeLessThan(saved.before.metrics["loss"]!);
    const [before, after] = [await loadOnnx(path), await loadOnnx(at(name, "onnx", "model.onnx"))];
    expect([after.get("x").dtype, after.get("y").dtype]).toEqual(["float64", "float64"]);
    const changed = [...before.initializers].filter(({ name: weight, constant }) => {
      const now = after.find(weight)!.constant!;
      expect(now.dtype).toBe(constant!.dtype);
      return !bytesOf(now).equals(bytesOf(constant!));
    });
    expect(changed.length).toBe(2);
    const { tensors } = await openCheckpoint(at(name));
    expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(["float64"]));
    const again = await scoresOf({ model: at(name), data: at(`${name}.npz`) });
    expect(again.metrics["loss"]).toBeGreaterThan(0);
  });
});

test("ONNX Runtime runs the tuned file of 64 bits", async () => {
  const session = await InferenceSession.create(at("mlp", "onnx", "model.onnx"));
  const { y } = await session.run({
    x: new Tensor("float64", Float64Array.from(expected["mlp"]!.x), [8, 4]),
  });
  expect([y!.type, y!.dims]).toEqual(["float64", [8, 3]]);
});

test("a checkpoint of 64 bits is tuned in float32, and its weights keep type and digits", async () => {
  const folder = fixture("architectures/bert");
  const { tensors: plain } = await openCheckpoint(folder);
  const wide = new Map(
    [...plain].map(([key, tensor]) => {
      if (tensor.dtype !== "float32") return [key, tensor] as const;
      const numbers = new Float32Array(tensor.data.read().slice().buffer);
      return [
        key,
        tensorOf(
          "float64",
          tensor.dims,
          Float64Array.from(numbers, (n) => n * (1 + 1e-12)),
        ),
      ] as const;
    }),
  );
  const model = buildNetwork({ config: await readConfig(folder), tensors: wide, source: folder, seed: 0 });
  expect(model.parameters.length).toBeGreaterThan(20);
  for (const [key, tensor] of weightsOf(model)) {
    expect([key, tensor.dtype]).toEqual([key, "float64"]);
    expect(bytesOf(tensor).equals(bytesOf(wide.get(key)!))).toBe(true);
  }
});

test("numbers beyond float32 become its largest, infinity stays, and other islands of 64 bits are left alone", async () => {
  const given = tensorOf("float64", [4], Float64Array.from([1e300, -1e300, Number.NEGATIVE_INFINITY, 0.1]));
  const held = asFloat32(given);
  const largest = (2 - 2 ** -23) * 2 ** 127;
  expect([...new Float32Array(held.data.read().slice().buffer)]).toEqual([
    largest,
    -largest,
    Number.NEGATIVE_INFINITY,
    Math.fround(0.1),
  ]);
  expect(asStored(held, "float64")).toBe(given);
  expect(asStored(float32([1], [0.5]), "float64").dtype).toBe("float64");
  const graph = await loadOnnx(fixture("networks/sunspots.onnx"));
  expect(computeInFloat32(graph).size).toBe(0);
});

/** A classifier of float32 that gives its probabilities in 64 bits. */
function givesDoubles(): Graph {
  const graph = new Graph("doubles", [["", 17]]);
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float64", ["batch", 2]);
  const w = graph.addInitializer("head.weight", float32([2, 3], [0.1, 0.2, -0.1, 0, -0.2, 0.1]));
  const scores = g.matmul(g.cast(x, "float32"), w);
  const y = g.cast(g.op("Softmax", [scores], { axis: 1 }), "float64");
  graph.rename(y, "y");
  graph.addOutput(y);
  return graph;
}

/** mean (y − wanted)² in 64 bits. */
function squares(): Graph {
  const graph = new Graph("doubles", [["", 17]]);
  const g = new GraphBuilder(graph);
  const sizes = ["batch", 3];
  const difference = g.sub(graph.addInput("y", "float64", sizes), graph.addInput("wanted", "float64", sizes));
  graph.addOutput(g.op("ReduceMean", [g.mul(difference, difference)], { keepdims: 0 }));
  return graph;
}

describe("a loss on an output of 64 bits", () => {
  beforeAll(async () => {
    await saveOnnx(givesDoubles(), at("doubles.onnx"));
    await saveOnnx(squares(), at("squares.onnx"));
    const x = Float64Array.from({ length: 60 }, (_, i) => Math.sin(i * i));
    const classes = Array.from({ length: 30 }, (_, i) => (x[2 * i]! > 0.3 ? 0 : x[2 * i + 1]! > 0 ? 1 : 2));
    const wanted = classes.flatMap((c) => [0, 1, 2].map((k) => (k === c ? 1 : 0)));
    const class64 = BigInt64Array.from(classes, BigInt);
    await saveNpz(
      at("doubles.npz"),
      new Map([
        ["x", tensorOf("float64", [30, 2], x)],
        ["class", tensorOf("int64", [30], class64)],
        ["wanted", tensorOf("float64", [30, 3], Float64Array.from(wanted))],
      ]),
    );
  });

  test.each([
    ["cross-entropy:y=class", ["accuracy:y=class"]],
    ["mse:y=wanted", ["r2:y=wanted"]],
    ["squares.onnx", []],
  ])("%s learns, and the file keeps its types", async (loss, metric) => {
    const out = loss.replace(/\W/g, "-");
    const saved = await savedOf({
      task: "custom",
      model: at("doubles.onnx"),
      data: at("doubles.npz"),
      loss: loss.endsWith(".onnx") ? at(loss) : loss,
      metric,
      plan: "full",
      learningRate: 0.1,
      epochs: 20,
      batchSize: 3,
      out: at(out),
      run: at(`${out}-run`),
    });
    expect(saved.after.metrics["loss"]).toBeLessThan(0.8 * saved.before.metrics["loss"]!);
    const graph = await loadOnnx(at(out, "onnx", "model.onnx"));
    expect([graph.get("x"), graph.get("y"), graph.get("head.weight")].map(({ dtype }) => dtype)).toEqual([
      "float64",
      "float64",
      "float32",
    ]);
    const again = await scoresOf({ model: at(out), data: at("doubles.npz") });
    expect(again.metrics["loss"]).toBeGreaterThan(0);
  });

  test("logits are found before the numbers are given 64 bits", () => {
    const graph = givesDoubles();
    inferShapes(graph);
    const g = new GraphBuilder(graph);
    const output = g.cast(graph.get("y"), "float32");
    const logits = logitsOfClasses(g, output, 1);
    expect([logits.dtype, logits.producer!.op]).toEqual(["float32", "MatMul"]);
  });
});

test("a graph whose only weights are vectors of 64 bits is tuned; vectors beside weights of float32 stay", () => {
  const scaled = (more: boolean) => {
    const graph = new Graph("doubles", [["", 17]]);
    const g = new GraphBuilder(graph);
    const x = graph.addInput("x", "float64", ["batch", 2]);
    const scale = graph.addInitializer("scale", tensorOf("float64", [2], Float64Array.from([1, 2])));
    if (more) graph.addInitializer("other", float32([2], [1, 2]));
    graph.addOutput(g.mul(x, scale));
    return graph;
  };
  expect([...computeInFloat32(scaled(false))]).toEqual(["float64"]);
  expect([...computeInFloat32(scaled(true))]).toEqual([]);
});
