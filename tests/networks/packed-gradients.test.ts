import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Model } from "../../src/models/model.ts";
import { openNetwork } from "../../src/models/open-network.node.ts";
import { rebuilt } from "../../src/models/rebuild.ts";

const root = fileURLToPath(new URL("../fixtures/architectures", import.meta.url));

/** Three examples of different lengths; the last token of each has no label, for the next one is another's. */
const parts = [
  [5, 9, 3],
  [17, 22, 8, 30, 11],
  [4, 29],
];

type Row = Readonly<Record<"input_ids" | "position_ids" | "segment_ids" | "labels", readonly number[]>>;

const labelsOf = (ids: readonly number[]) => [...ids.slice(1), -100];
const alone = (ids: readonly number[]): Row => ({
  input_ids: ids,
  position_ids: ids.map((_, i) => i),
  segment_ids: ids.map(() => 1),
  labels: labelsOf(ids),
});
/** All in one row, with padding at its end. */
const packed: Row = {
  input_ids: [...parts.flat(), 0, 0],
  position_ids: [...parts.flatMap((ids) => ids.map((_, i) => i)), 0, 0],
  segment_ids: [...parts.flatMap((ids, n) => ids.map(() => n + 1)), 0, 0],
  labels: [...parts.flatMap(labelsOf), -100, -100],
};

/** Loss summed over tokens, and the gradient of every parameter. */
async function steps(model: Model) {
  const graph = model.graph.clone();
  const g = new GraphBuilder(graph);
  const logits = graph.get("logits");
  const labels = graph.addInput("labels", "int64", ["batch", "tokens"]);
  const rows = g.op("Reshape", [logits, g.ints([-1, Number(logits.shape!.at(-1))])]);
  const how = { reduction: "sum", ignore_index: -100 };
  graph.addOutput(g.op("SoftmaxCrossEntropyLoss", [rows, g.reshape(labels, [-1])], how, ["loss"]));
  const parameters = model.parameters.map(({ name }) => name);
  const backward = differentiate(graph, { loss: "loss", parameters });
  const session = await InferenceSession.create(writeOnnx(backward.graph), { logSeverityLevel: 3 });
  const values = parameters.map((name) => {
    const { dims, data } = graph.get(name).constant!;
    const floats = new Float32Array(Uint8Array.from(data.read()).buffer);
    return [name, new OrtTensor("float32", floats, dims)] as const;
  });
  return async (row: Row) => {
    const length = row.input_ids.length;
    const all = { ...row, attention_mask: row.segment_ids.map((segment) => +(segment > 0)) };
    const fed = Object.entries(all).flatMap(([name, list]) =>
      backward.graph.inputs.some((input) => input.name === name)
        ? [[name, new OrtTensor("int64", BigInt64Array.from(list, BigInt), [1, length])] as const]
        : [],
    );
    const found = await session.run(Object.fromEntries([...values, ...fed]));
    const gradients = parameters.map((name) => found[backward.gradients.get(name)!]!.data as Float32Array);
    return { loss: found["loss"]!.data[0] as number, gradients };
  };
}

test.each(["llama", "gpt2"])(
  "%s: rows of packed examples have the loss and the gradients of each alone",
  async (name) => {
    const model = await openNetwork(`${root}/${name}`, { seed: 0 });
    const ofPacked = await steps(rebuilt(model, { seed: 0, positions: "given", segments: true }));
    const ofPlain = await steps(model);
    const together = await ofPacked(packed);
    const apart = await Promise.all(parts.map((ids) => ofPlain(alone(ids))));
    expect(together.loss).toBeCloseTo(
      apart.reduce((sum, { loss }) => sum + loss, 0),
      4,
    );
    let largest = 0;
    for (const [i, gradient] of together.gradients.entries())
      for (const [j, value] of gradient.entries()) {
        const sum = apart.reduce((total, { gradients }) => total + gradients[i]![j]!, 0);
        largest = Math.max(largest, Math.abs(sum));
        expect(Math.abs(value - sum), `${model.parameters[i]!.name}[${j}]`).toBeLessThan(2e-5);
      }
    expect(largest).toBeGreaterThan(0.1);
    // examples that see each other have another loss
    const mixed = await ofPacked({
      ...packed,
      segment_ids: packed.segment_ids.map((segment) => +(segment > 0)),
    });
    expect(Math.abs(mixed.loss - together.loss)).toBeGreaterThan(1e-3);
  },
);
