import { random } from "../../src/base/random.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import type { NdArray } from "../../src/graph/kernels/interpret.ts";
import { float32, sizeOf } from "../../src/graph/tensor.ts";
import type { AdaptedModel } from "../../src/models/adapters/adapted.ts";
import { describeModel } from "../../src/models/describe.ts";
import type { Model } from "../../src/models/model.ts";

function weight(graph: Graph, name: string, dims: readonly number[]): Value {
  const draw = random(3, name);
  return graph.addInitializer(
    name,
    float32(
      dims,
      Float32Array.from({ length: sizeOf(dims) }, () => 0.5 * draw.normal()),
    ),
  );
}

const described = (graph: Graph, inputName: string, modelType?: string): Model =>
  describeModel({
    graph,
    inputName,
    labels: ["a", "b", "c"],
    notes: [],
    config: modelType === undefined ? {} : { model_type: modelType },
    source: "test",
    transposed: new Set(),
  });

/**
 * Tokens through an embedding, layers stored both ways round, one of them used twice, and a head: the spellings that
 * architectures and exports have. ids int64 [batch, tokens] -> logits [batch, 3].
 */
export function tokenNetwork(modelType?: string): Model {
  const graph = new Graph("tokens", [
    ["", 21],
    ["com.microsoft", 1],
  ]);
  const g = new GraphBuilder(graph);
  const ids = graph.addInput("ids", "int64", ["batch", "tokens"]);
  let x = g.op("Gather", [weight(graph, "embeddings.word.weight", [11, 6]), ids], { axis: 0 });
  for (const i of [0, 1]) {
    const at = (name: string) => `encoder.layer.${i}.${name}`;
    const query = g.add(
      g.product(x, weight(graph, at("query.weight"), [8, 6]), { transB: true }),
      weight(graph, at("query.bias"), [8]),
    );
    const value = g.add(
      g.matmul(x, weight(graph, at("value.weight"), [6, 8])),
      weight(graph, at("value.bias"), [8]),
    );
    const mixed = g.op("Tanh", [g.mul(query, value)]);
    x = g.add(g.product(mixed, weight(graph, at("output.dense.weight"), [6, 8]), { transB: true }), x);
    const shared = graph.find("shared.weight") ?? weight(graph, "shared.weight", [6, 6]);
    x = g.op("Tanh", [g.product(x, shared, { transB: true })]);
  }
  const pooled = g.mean(x, [1]);
  const dense = g.op(
    "Gemm",
    [pooled, weight(graph, "pooler.dense.weight", [5, 6]), weight(graph, "pooler.dense.bias", [5])],
    { transB: 1 },
  );
  const logits = g.op(
    "Gemm",
    [
      g.op("Tanh", [dense]),
      weight(graph, "classifier.weight", [3, 5]),
      weight(graph, "classifier.bias", [3]),
    ],
    { transB: 1 },
    ["logits"],
  );
  graph.addOutput(logits);
  return described(graph, "ids", modelType);
}

/** Two convolutions, the first with strides and padding, and a head. pixels [batch, 3, 6, 6] -> logits [batch, 3]. */
export function imageNetwork({ groups = 1 } = {}): Model {
  const graph = new Graph("image", [
    ["", 21],
    ["com.microsoft", 1],
  ]);
  const g = new GraphBuilder(graph);
  const pixels = graph.addInput("pixels", "float32", ["batch", 3, 6, 6]);
  const conv = (
    name: string,
    x: Value,
    dims: readonly number[],
    attributes: Record<string, number | readonly number[]>,
  ) =>
    g.op("Conv", [x, weight(graph, `${name}.weight`, dims), weight(graph, `${name}.bias`, [dims[0]!])], {
      kernel_shape: dims.slice(2),
      ...attributes,
    });
  let x = g.op("Tanh", [conv("conv1", pixels, [4, 3, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] })]);
  x = g.op("Tanh", [conv("conv2", x, [6, 4 / groups, 2, 2], { group: groups })]);
  const pooled = g.mean(x, [2, 3]);
  const head = [weight(graph, "fc.weight", [3, 6]), weight(graph, "fc.bias", [3])];
  graph.addOutput(g.op("Gemm", [pooled, ...head], { transB: 1 }, ["logits"]));
  return described(graph, "pixels");
}

/** Inputs for either network. */
export function feedsOf(model: Model): ReadonlyMap<string, NdArray> {
  const draw = random(5, "feeds");
  const isIds = model.input.name === "ids";
  const dims = isIds ? [2, 4] : [2, 3, 6, 6];
  const data = Float64Array.from({ length: sizeOf(dims) }, () => (isIds ? draw.integer(11) : draw.normal()));
  return new Map([[model.input.name, { dtype: isIds ? "int64" : "float32", dims, data }]]);
}

/** Other values for everything that moves, as if it had been trained. */
export const moved = (model: AdaptedModel, size = 0.3): Map<string, Float32Array> =>
  new Map(
    model.parameters.map(({ name, value }) => {
      const draw = random(9, "moved", name);
      const start = new Float32Array(Uint8Array.from(value.constant!.data.read()).buffer);
      return [name, start.map((v) => v + size * draw.normal())];
    }),
  );
