import { describe, expect, test } from "vitest";
import { DiapasonError } from "../base/errors.ts";
import { dropoutInput } from "../graph/dropout-input.ts";
import { Graph } from "../graph/ir.ts";
import type { HostTensor } from "../runtime/runtime.ts";
import { lookahead, type TuneBatch } from "./data.ts";
import { feedsOf, randomInputs } from "./feeds.ts";

const position = { seed: 1, epoch: 0, batch: 0 };
const batchOf = (count: number): TuneBatch => ({
  ids: Array.from({ length: count }, (_, i) => `id ${i}`),
  inputs: {
    x: { dtype: "float32", dims: [count, 2], data: Float32Array.from({ length: 2 * count }, (_, i) => i) },
    flags: { dtype: "uint8", dims: [count], data: Uint8Array.from({ length: count }, (_, i) => i) },
  },
});
function graphWith(...inputs: readonly string[]): Graph {
  const graph = new Graph("g");
  for (const name of inputs) graph.addInput(name, "float32", name === "weights" ? ["batch"] : ["batch", 50]);
  return graph;
}
const values = (tensor: HostTensor | undefined) => [...(tensor!.data as Float32Array)];

describe("a batch made ready", () => {
  test("is filled up with its own examples, at weight 0", () => {
    const { tensors, ids } = feedsOf(batchOf(3), 8, graphWith("weights"), [], position);
    expect(tensors["x"]!.dims).toEqual([8, 2]);
    expect(values(tensors["x"])).toEqual([0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3]);
    expect(values(tensors["flags"])).toEqual([0, 1, 2, 0, 1, 2, 0, 1]);
    expect(values(tensors["weights"])).toEqual([1, 1, 1, 0, 0, 0, 0, 0]);
    expect(ids).toHaveLength(3);
  });

  test("keeps weights that the data give, and their padding at 0", () => {
    const weights: HostTensor = { dtype: "float32", dims: [2], data: Float32Array.of(0.5, 2) };
    const batch = batchOf(2);
    const given = { ...batch, inputs: { ...batch.inputs, weights } };
    const { tensors } = feedsOf(given, 4, graphWith("weights"), [], position);
    expect(values(tensors["weights"])).toEqual([0.5, 2, 0, 0]);
  });

  test("needs weights to be filled up", () => {
    expect(() => feedsOf(batchOf(3), 4, graphWith(), [], position)).toThrow(DiapasonError);
    expect(feedsOf(batchOf(4), 4, graphWith(), [], position).tensors["weights"]).toBeUndefined();
  });

  test.each([
    [batchOf(0), "0 examples"],
    [batchOf(5), "5 examples"],
    [{ ...batchOf(2), ids: ["one"] }, '"x" is [2, 2] for 1 examples'],
  ])("that does not fit is refused (%#)", (batch, text) => {
    expect(() => feedsOf(batch, 4, graphWith("weights"), [], position)).toThrow(text);
  });
});

describe("dropout masks", () => {
  const name = dropoutInput(0.25, "head");
  const graph = graphWith("weights", name);
  const inputs = randomInputs(graph, 40);
  const draw = (where: Partial<typeof position> = {}) =>
    values(feedsOf(batchOf(40), 40, graph, inputs, { ...position, ...where }).tensors[name]);

  test("are found by name, with the batch size in place", () => {
    expect(inputs).toEqual([{ name, p: 0.25, dims: [40, 50] }]);
  });

  test("are 0 with probability p and otherwise keep the mean at 1", () => {
    const mask = draw();
    expect([...new Set(mask)].sort()).toEqual([0, Math.fround(4 / 3)]);
    expect(mask.filter((m) => m === 0).length / mask.length).toBeCloseTo(0.25, 1);
  });

  test("have the sizes of the batch at hand", () => {
    const open = new Graph("g");
    open.addInput("x", "float32", ["batch", "tokens"]);
    open.addInput(name, "float32", ["batch", "2*tokens", 3]);
    const [input] = randomInputs(open, 4);
    expect(input!.dims).toEqual([4, "2*tokens", 3]);
    expect(feedsOf(batchOf(4), 4, open, [input!], position).tensors[name]!.dims).toEqual([4, 4, 3]);
  });

  test("hang on seed, epoch and batch, and on nothing else", () => {
    expect(draw()).toEqual(draw());
    expect(draw()).not.toEqual(draw({ seed: 2 }));
    expect(draw()).not.toEqual(draw({ epoch: 1 }));
    expect(draw()).not.toEqual(draw({ batch: 1 }));
  });
});

describe("looking ahead", () => {
  async function* failing() {
    yield 1;
    throw new Error("broken");
  }

  test("asks for an item once, whether prepared or not", async () => {
    const items = lookahead(failing());
    items.prepare();
    items.prepare();
    expect(await items.take()).toBe(1);
    items.prepare();
    await expect(items.take()).rejects.toThrow("broken");
    expect(await items.take()).toBeUndefined();
  });

  test("closes a source that is not at its end", async () => {
    let isClosed = false;
    const items = lookahead(
      (async function* () {
        try {
          for (let i = 0; ; i++) yield i;
        } finally {
          isClosed = true;
        }
      })(),
    );
    await items.take();
    items.prepare();
    await items.close();
    expect(isClosed).toBe(true);
  });
});
