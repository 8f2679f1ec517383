import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeOnnx } from "../src/formats/onnx/writer.ts";
import { Graph } from "../src/graph/ir.ts";
import { float32 } from "../src/graph/tensor.ts";
import { cpuRuntime } from "../src/runtime/cpu.node.ts";
import { HostSession } from "../src/runtime/host-session.node.ts";
import { ParameterMemory } from "../src/runtime/parameter-memory.ts";
import type { Runtime } from "../src/runtime/runtime.ts";
import { caught, describeRuntime, floats } from "./conformance/runtime.ts";

describeRuntime("cpu", () => cpuRuntime({ threads: 1 }));

describe("what only the CPU promises", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await cpuRuntime({ threads: 1 });
  });
  afterAll(() => runtime.dispose());

  test("the calling thread goes on while a graph runs", async () => {
    const graph = new Graph("slow");
    let value = graph.addInput("x", "float32", ["n", "n"]);
    for (let i = 0; i < 12; i++) value = graph.addNode("MatMul", [value, value]).outputs[0]!;
    graph.addOutput(value);
    const executable = await runtime.compile(graph);
    const n = 700;
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const running = executable.run({ x: floats([n, n], new Float32Array(n * n)) });
    // Posting the feeds is work of this thread; what counts is what comes after.
    ticks = 0;
    await running;
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(0);
    await executable.dispose();
  });

  test("sessions read parameters from the store's memory and write gradients into it", async () => {
    const graph = new Graph("in place");
    const w = graph.addInput("w", "float32", [2]);
    const two = graph.addInitializer("two", float32([], [2]));
    graph.addOutput(graph.addNode("Mul", [w, two], { outputs: ["dw"] }).outputs[0]!);
    const value = Float32Array.of(1, 2);
    const memory = new ParameterMemory([{ name: "w", dims: [2], value, kind: "parameter" }], false);
    const request = {
      model: writeOnnx(graph),
      weights: [],
      store: 1,
      gradients: [["w", "dw"]] as const,
      bufferUpdates: [],
      isTraining: true,
    };
    const session = await HostSession.create(request, memory, { threads: 1, provider: "cpu" });
    const run = () => session.run({ feeds: {}, accumulate: false, outputs: [] });
    const gradient = memory.view("w", "gradient");
    await run();
    expect(gradient).toEqual(Float32Array.of(2, 4));
    memory.view("w", "value").set([5, 6]);
    await run();
    expect(gradient).toEqual(Float32Array.of(10, 12));
    await session.release();
  });

  describe("weights in a file", () => {
    const folder = mkdtempSync(join(tmpdir(), "diapason-"));
    afterAll(() => rmSync(folder, { recursive: true }));
    const size = 2 ** 16;
    /** x + w, where the calling thread cannot read w. */
    const added = (path: string): Graph => {
      const graph = new Graph("weights in a file");
      const x = graph.addInput("x", "float32", []);
      const read = () => expect.fail("the calling thread has read the weights");
      const data = { length: 4 * size, file: { path, offset: 8 }, read };
      const w = graph.addInitializer("w", { dtype: "float32", dims: [size], data });
      graph.addOutput(graph.addNode("Add", [x, w], { outputs: ["y"] }).outputs[0]!);
      return graph;
    };

    test("are read from there by the thread that computes", async () => {
      const path = join(folder, "weights");
      writeFileSync(path, new Uint8Array(Float32Array.from({ length: size + 2 }, (_, i) => i).buffer));
      const executable = await runtime.compile(added(path));
      const { y } = await executable.run({ x: floats([], [0.5]) });
      expect([y!.data[0], y!.data[size - 1]]).toEqual([2.5, size + 1.5]);
      await executable.dispose();
    });

    test("that is gone are missed by name", async () => {
      const path = join(folder, "gone");
      const error = await caught(runtime.compile(added(path)));
      expect(error).toMatchObject({
        code: "formats/file-unreadable",
        message: expect.stringContaining(path),
      });
    });
  });

  test("memory that was used shows in the peak", async () => {
    const before = await runtime.peakMemoryBytes();
    const size = 2 ** 24;
    const value = new Float32Array(size).fill(1);
    const store = await runtime.store([{ name: "w", dims: [size], value, kind: "buffer" }]);
    expect((await runtime.peakMemoryBytes()) - before).toBeGreaterThan(4 * size);
    await store.dispose();
  });
});
