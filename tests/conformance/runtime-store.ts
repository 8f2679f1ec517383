import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Differentiated, differentiate } from "../../src/autodiff/differentiate.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph } from "../../src/graph/ir.ts";
import { inMemory, int64 } from "../../src/graph/tensor.ts";
import type {
  Executable,
  OptimizerKind,
  ParameterStore,
  Runtime,
  UpdateOptions,
} from "../../src/runtime/runtime.ts";
import { floats } from "./runtime.ts";

const sgd: OptimizerKind = { kind: "sgd", momentum: 0, dampening: 0, nesterov: false };

/** y = w ⊙ x; the gradient of w is x summed over the batch; the buffer "mean" becomes x's mean over the batch. */
function step(): Graph {
  const graph = new Graph("step");
  const x = graph.addInput("x", "float32", ["batch", 3]);
  const w = graph.addInput("w", "float32", [3]);
  const mean = graph.addInput("mean", "float32", [3]);
  const rows = graph.addInitializer("rows", int64([1], [0]));
  const keep = [["keepdims", { type: "int", value: 0 }]] as const;
  const outputs = [
    graph.addNode("Mul", [w, x], { outputs: ["y"] }),
    graph.addNode("Add", [mean, w], { outputs: ["mean + w"] }),
    graph.addNode("ReduceSum", [x, rows], { outputs: ["dw"], attributes: keep }),
    graph.addNode("ReduceMean", [x, rows], { outputs: ["new mean"], attributes: keep }),
  ];
  for (const node of outputs) graph.addOutput(node.outputs[0]!);
  return graph;
}

/** What a store of parameters and buffers must do, and sessions bound to it. */
export function describeStore(runtime: () => Runtime): void {
  let store: ParameterStore;
  let executable: Executable;
  const arrays = [
    { name: "w", dims: [3], value: Float32Array.of(1, 2, 3), kind: "parameter" },
    { name: "mean", dims: [3], value: Float32Array.of(0, 0, 0), kind: "buffer" },
  ] as const;
  beforeAll(async () => {
    store = await runtime().store(arrays);
    executable = await runtime().compile(step(), {
      store,
      gradients: new Map([["w", "dw"]]),
      bufferUpdates: new Map([["mean", "new mean"]]),
      purpose: "training",
    });
  });
  afterAll(async () => {
    await executable.dispose();
    await store.dispose();
  });
  const run = (rows: number, each: readonly number[], accumulate = false) =>
    executable.run(
      { x: floats([rows, 3], Array.from({ length: rows }, () => each).flat()) },
      { accumulate, outputs: ["y", "mean + w"] },
    );
  const update = (options: Partial<UpdateOptions> = {}) =>
    store.update({
      optimizer: sgd,
      updates: [{ name: "w", rate: 1, weightDecay: 0 }],
      gradientScale: 1,
      ...options,
    });
  const values = async (name: string, slot: "value" | "gradient" = "value") => [
    ...(await store.read(name, slot)),
  ];

  test("gives what it was made of, as a copy", async () => {
    const copy = await store.read("w", "value");
    expect([...copy]).toEqual([1, 2, 3]);
    copy.fill(9);
    expect(await values("w")).toEqual([1, 2, 3]);
    expect(arrays[0].value).toEqual(Float32Array.of(1, 2, 3));
  });

  test("takes a long array, and one that is read from elsewhere, in pieces", async () => {
    const size = 2 ** 21 + 3;
    const value = Float32Array.from({ length: size }, (_, i) => i);
    const source = inMemory(new Uint8Array(value.buffer));
    const readInto = (target: Uint8Array, offset: number) =>
      target.set(source.read().subarray(offset, offset + target.length));
    const kind = "buffer";
    const long = await runtime().store([
      { name: "whole", dims: [size], value, kind },
      { name: "read", dims: [size], value: { ...source, read: () => new Uint8Array(), readInto }, kind },
    ]);
    for (const name of ["whole", "read"])
      expect((await long.read(name, "value")).every((x, i) => x === i)).toBe(true);
    await long.dispose();
  });

  test("gradients and new buffers stay in the store; the other outputs are returned", async () => {
    await store.write("w", "value", Float32Array.of(1, 2, 3));
    const outputs = await executable.run({ x: floats([2, 3], [1, 2, 3, 3, 4, 5]) });
    expect(Object.keys(outputs).sort()).toEqual(["mean + w", "y"]);
    expect(await values("w", "gradient")).toEqual([4, 6, 8]);
    expect(await values("mean")).toEqual([2, 3, 4]);
    // A run sees the buffer as it was before it.
    expect((await run(1, [0, 0, 0]))["mean + w"]!.data).toEqual(Float32Array.of(3, 5, 7));
    expect(await values("mean")).toEqual([0, 0, 0]);
  });

  test("a run replaces the gradients, or adds to them where it is told to", async () => {
    await run(1, [5, 5, 5]);
    await run(2, [1, 2, 3]);
    expect(await values("w", "gradient")).toEqual([2, 4, 6]);
    await run(3, [1, 2, 3], true);
    expect(await values("w", "gradient")).toEqual([5, 10, 15]);
  });

  describe("a table of which rows are read", () => {
    const rows = 5;
    /** loss = Σ scale ⊙ table[ids], and, where the table has two uses, + Σ table. */
    function reading(isTied: boolean): Differentiated {
      const graph = new Graph("table");
      const g = new GraphBuilder(graph);
      const table = graph.addInput("table", "float32", [rows, 2]);
      const ids = graph.addInput("ids", "int64", ["n"]);
      const scale = graph.addInput("scale", "float32", ["n", 1]);
      const read = g.sum(g.mul(g.op("Gather", [table, ids], { axis: 0 }), scale), [0, 1]);
      graph.addOutput(g.op("Identity", [isTied ? g.add(read, g.sum(table, [0, 1])) : read], {}, ["loss"]));
      return differentiate(graph, { loss: "loss", parameters: ["table"] });
    }
    test.each([false, true])(
      "gets the sum of what each of them is read for (used twice: %s)",
      async (isTied) => {
        const { graph, gradients } = reading(isTied);
        const value = Float32Array.from({ length: 2 * rows }, (_, i) => i);
        const tables = await runtime().store([{ name: "table", dims: [rows, 2], value, kind: "parameter" }]);
        const executable = await runtime().compile(graph, { store: tables, gradients, purpose: "training" });
        const gradientOf = async (ids: readonly number[], accumulate = false) => {
          const scale = floats(
            [ids.length, 1],
            ids.map((_, i) => i + 1),
          );
          const at = { dtype: "int64", dims: [ids.length], data: BigInt64Array.from(ids, BigInt) } as const;
          const { loss } = await executable.run({ ids: at, scale }, { accumulate, outputs: ["loss"] });
          expect(loss!.data.length).toBe(1);
          const gradient = await tables.read("table", "gradient");
          expect([...gradient].every((x, i) => x === gradient[i - (i % 2)])).toBe(true);
          return [...gradient].filter((_, i) => i % 2 === 0).map((x) => x - (isTied ? 1 : 0));
        };
        expect(await gradientOf([1, 1, 4])).toEqual([0, 3, 0, 0, 3]);
        expect(await gradientOf([0, -1])).toEqual([1, 0, 0, 0, 2]);
        const once = isTied ? 1 : 0;
        expect(await gradientOf([2, 0], true)).toEqual([3, 0, 1, 0, 2].map((x) => x + once));
        expect(await gradientOf([3])).toEqual([0, 0, 0, 1, 0]);
        await executable.dispose();
        await tables.dispose();
      },
    );
  });

  test("the next run sees what the optimizer made of a parameter", async () => {
    await store.write("w", "value", Float32Array.of(1, 2, 3));
    await run(1, [1, 1, 1]);
    expect(await update({ updates: [{ name: "w", rate: 0.5, weightDecay: 0 }] })).toEqual({
      gradientNorm: Math.sqrt(3),
      applied: true,
    });
    expect((await run(1, [2, 2, 2]))["y"]!.data).toEqual(Float32Array.of(1, 3, 5));
  });

  test("scale comes before clipping, and the norm told is the one before clipping", async () => {
    await store.write("w", "value", Float32Array.of(0, 0, 0));
    await run(2, [3, 0, 4]);
    expect(await update({ gradientScale: 0.5, clipNorm: 1 })).toEqual({ gradientNorm: 5, applied: true });
    const [a, b, c] = await values("w");
    expect([a, b, c]).toEqual([expect.closeTo(-0.6, 6), 0, expect.closeTo(-0.8, 6)]);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])("a gradient of %d changes nothing", async (bad) => {
    await store.write("w", "value", Float32Array.of(1, 2, 3));
    const before = await store.steps();
    await run(1, [1, bad, 1]);
    expect((await update()).applied).toBe(false);
    expect(await values("w")).toEqual([1, 2, 3]);
    expect(await store.steps()).toEqual(before);
  });

  test("moments and step counts can be read and set, so that a run can be taken up again", async () => {
    const adamw: OptimizerKind = { kind: "adamw", beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    const start = async () => {
      await store.write("w", "value", Float32Array.of(1, 2, 3));
      await store.write("w", "first", Float32Array.of(0.1, 0.2, 0.3));
      await store.write("w", "second", Float32Array.of(0.4, 0.5, 0.6));
      await store.setSteps({ w: 7 });
      await run(1, [1, 2, 3]);
      await update({ optimizer: adamw });
    };
    await start();
    expect(await store.steps()).toEqual({ w: 8 });
    expect([...(await store.read("w", "first"))][0]).toBeCloseTo(0.9 * 0.1 + 0.1 * 1, 6);
    expect([...(await store.read("w", "second"))][1]).toBeCloseTo(0.999 * 0.5 + 0.001 * 4, 6);
    const first = await values("w");
    await start();
    expect(await values("w")).toEqual(first);
  });
}
