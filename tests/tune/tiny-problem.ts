import { random } from "../../src/base/random.ts";
import { dropoutInput } from "../../src/graph/dropout-input.ts";
import { inferShapes } from "../../src/graph/infer.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import { float32, sizeOf } from "../../src/graph/tensor.ts";
import type { HostTensor } from "../../src/runtime/runtime.ts";
import { imageClassification } from "../../src/tasks/image-classification.ts";
import type { TrainData } from "../../src/tune/data.ts";
import type { Tunable } from "../../src/tune/options.ts";

const features = 4;
const classes = 3;

/**
 * Two dense layers and a head over [batch, 4]: three blocks of weight and bias. On request with dropout before the head,
 * and with a BatchNormalization in the lower two blocks.
 */
export function tinyModel({
  dropout = 0,
  batchNorm = false,
}: {
  readonly dropout?: number;
  readonly batchNorm?: boolean;
} = {}): Tunable {
  const graph = new Graph("tiny");
  const widths = [features, 8, 6, classes];
  const names = ["stem", "middle", "head"];
  let value = graph.addInput("x", "float32", ["batch", features]);
  const parameters = names.flatMap((block, i) => {
    const dims = [widths[i]!, widths[i + 1]!];
    const draw = random(1, "weights", block);
    const weights = Float32Array.from({ length: sizeOf(dims) }, () => draw.normal() / Math.sqrt(dims[0]!));
    const biases = Float32Array.from({ length: dims[1]! }, () => 0.1 * draw.normal());
    const weight = graph.addInitializer(`${block}.weight`, float32(dims, weights));
    const bias = graph.addInitializer(`${block}.bias`, float32([dims[1]!], biases));
    if (block === "head" && dropout > 0) {
      const mask = graph.addInput(dropoutInput(dropout, "head"), "float32", ["batch", dims[0]!]);
      value = graph.addNode("Mul", [value, mask]).outputs[0]!;
    }
    const product = graph.addNode("MatMul", [value, weight]).outputs[0]!;
    const outputs = block === "head" ? ["logits"] : [`${block}.sum`];
    value = graph.addNode("Add", [product, bias], { outputs }).outputs[0]!;
    if (block !== "head" && batchNorm) value = normalised(graph, block, value, dims[1]!);
    if (block !== "head") value = graph.addNode("Tanh", [value]).outputs[0]!;
    return [weight, bias].map((v, j) => ({
      name: v.name,
      value: v,
      elements: sizeOf(v.constant!.dims),
      decays: j === 0,
    }));
  });
  graph.addOutput(value);
  inferShapes(graph);
  const { loss } = imageClassification.attachLoss(graph, value);
  const blocks = names.map((name) => ({
    name,
    parameters: [`${name}.weight`, `${name}.bias`],
    buffers: batchNorm && name !== "head" ? [`${name}.mean`, `${name}.var`] : [],
  }));
  return { graph, loss, outputs: ["logits"], parameters, blocks };
}

/** Scale and shift stay as they are: only the running statistics are of interest. */
function normalised(graph: Graph, block: string, x: Value, width: number): Value {
  const vectors = Object.entries({ scale: 1, shift: 0, mean: 0, var: 1 }).map(([name, fill]) =>
    graph.addInitializer(`${block}.${name}`, float32([width], new Float32Array(width).fill(fill))),
  );
  return graph.addNode("BatchNormalization", [x, ...vectors]).outputs[0]!;
}

/** Points with the class that a fixed linear rule gives them, in a shuffled order and with noise anew in every epoch. */
export function tinyData(size: number, seed = 7): TrainData & { readonly labelOf: (i: number) => number } {
  const rule = random(seed, "rule");
  const weights = Float64Array.from({ length: features * classes }, () => rule.normal());
  const pointOf = (i: number) => {
    const draw = random(seed, "point", i);
    return Array.from({ length: features }, () => draw.normal());
  };
  const labelOf = (i: number) => {
    const scores = Array.from({ length: classes }, (_, c) =>
      pointOf(i).reduce((sum, x, f) => sum + x * weights[f * classes + c]!, 0),
    );
    return scores.indexOf(Math.max(...scores));
  };
  return {
    size,
    labelOf,
    async *batches({ epoch, batchSize, skip }) {
      const order = random(seed, "order", epoch).permutation(size);
      for (let from = skip * batchSize; from < size; from += batchSize) {
        const chosen = [...order.subarray(from, from + batchSize)];
        const x = chosen.flatMap((i) => {
          const noise = random(seed, "noise", epoch, i);
          return pointOf(i).map((value) => value + 0.05 * noise.normal());
        });
        const targets = chosen.flatMap((i) =>
          Array.from({ length: classes }, (_, c) => Number(c === labelOf(i))),
        );
        yield {
          ids: chosen.map((i) => `point ${i}`),
          inputs: {
            x: tensor([chosen.length, features], x),
            targets: tensor([chosen.length, classes], targets),
          },
        };
      }
    },
  };
}

/** All points of an epoch, without noise having changed, as one batch. */
export async function tinyBatch(data: TrainData): Promise<Readonly<Record<string, HostTensor>>> {
  for await (const batch of data.batches({ epoch: 0, batchSize: data.size, skip: 0 })) return batch.inputs;
  throw new Error("the data are empty");
}

const tensor = (dims: readonly number[], values: readonly number[]): HostTensor => ({
  dtype: "float32",
  dims,
  data: Float32Array.from(values),
});
