import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { Graph } from "../../src/graph/ir.ts";
import { float32 } from "../../src/graph/tensor.ts";
import { cpuRuntime } from "../../src/runtime/cpu.node.ts";
import { HostSession } from "../../src/runtime/host-session.node.ts";
import { ParameterMemory } from "../../src/runtime/parameter-memory.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { describeRuntime, floats } from "../conformance/runtime.ts";

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
    const memory = new ParameterMemory([{ name: "w", dims: [2], kind: "parameter" }], false);
    memory.view("w", "value").set([1, 2]);
    const request = {
      model: writeOnnx(graph),
      weights: [],
      store: 1,
      gradients: [["w", "dw"]] as const,
      rowGradients: [],
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

  describe("large weights", () => {
    const folder = mkdtempSync(join(tmpdir(), "diapason-"));
    afterAll(() => rmSync(folder, { recursive: true }));
    const size = 2 ** 22;
    const data = Uint8Array.from({ length: 4 * size }, (_, i) => (i % 4 === 3 ? 0x3f : 0x80));
    const value = new Float32Array(data.buffer, 0, 1)[0]!;
    /** w + x, whose w asks to be read; `reads` counts. */
    function added(counter: { reads: number }, source = { length: data.length, read: () => read(counter) }) {
      const graph = new Graph("large weights");
      const x = graph.addInput("x", "float32", []);
      const w = graph.addInitializer("w", { dtype: "float32", dims: [size], data: source });
      graph.addOutput(graph.addNode("Add", [x, w], { outputs: ["y"] }).outputs[0]!);
      return { graph, source };
    }
    const read = (counter: { reads: number }): Uint8Array => {
      counter.reads++;
      return data;
    };
    async function lastOf(graph: Graph, runtime: Runtime): Promise<number> {
      const executable = await runtime.compile(graph);
      const { y } = await executable.run({ x: floats([], [0.5]) });
      await executable.dispose();
      return y!.data[size - 1] as number;
    }
    async function withTemporary<T>(path: string, run: () => Promise<T>): Promise<T> {
      const before = process.env["TMPDIR"];
      process.env["TMPDIR"] = path;
      try {
        return await run();
      } finally {
        if (before === undefined) delete process.env["TMPDIR"];
        else process.env["TMPDIR"] = before;
      }
    }

    test.skipIf(process.platform === "win32")(
      "go through a file that is written once and goes with the runtime",
      () =>
        withTemporary(folder, async () => {
          const counter = { reads: 0 };
          const first = added(counter);
          const own = await cpuRuntime();
          expect(await lastOf(first.graph, own)).toBe(value + 0.5);
          expect(await lastOf(added(counter, first.source).graph, own)).toBe(value + 0.5);
          expect(counter.reads).toBe(1);
          const left = readdirSync(folder).flatMap((name) => readdirSync(join(folder, name)));
          expect(left).toEqual(["weights-0"]);
          await own.dispose();
          expect(readdirSync(folder)).toEqual([]);
        }),
    );

    test("are whole where the system writes a part at a time", async () => {
      const file = await open(import.meta.filename);
      const handles = Object.getPrototypeOf(file) as FileHandle;
      await file.close();
      const { write } = handles;
      const inParts = vi.spyOn(handles, "write").mockImplementation(function (
        this: FileHandle,
        bytes: Uint8Array,
        ...[from, length, place]: number[]
      ) {
        return Reflect.apply(write, this, [bytes, from, Math.min(length!, 5_000_003), place]);
      } as never);
      const own = await cpuRuntime();
      expect(await lastOf(added({ reads: 0 }).graph, own)).toBe(value + 0.5);
      expect(inParts.mock.calls.length).toBeGreaterThan(3);
      inParts.mockRestore();
      await own.dispose();
    });

    test("go through memory where no file can be written", () =>
      withTemporary(join(folder, "absent"), async () => {
        const own = await cpuRuntime();
        expect(await lastOf(added({ reads: 0 }).graph, own)).toBe(value + 0.5);
        await own.dispose();
      }));
  });

  test("what cannot be handed to the thread is refused, and nothing waits for an answer", async () => {
    const graph = new Graph("identity");
    const x = graph.addInput("x", "float32", [2]);
    graph.addOutput(graph.addNode("Identity", [x]).outputs[0]!);
    const own = await cpuRuntime({ threads: 1 });
    const executable = await own.compile(graph);
    const gone = new Float32Array(2);
    structuredClone(gone, { transfer: [gone.buffer] });
    await expect(executable.run({ x: { dtype: "float32", dims: [2], data: gone } })).rejects.toThrow(
      "could not be cloned",
    );
    await own.dispose();
  });

  test("a parameter that no memory can hold with its moments is refused by name", () => {
    const make = () =>
      new ParameterMemory([{ name: "words", dims: [262_144, 1152], kind: "parameter" }], false);
    expect(make).toThrow(
      expect.objectContaining({
        code: "runtime/out-of-memory",
        message: expect.stringMatching(/"words" \[262144, 1152\] takes 4\.8 GB/),
      }),
    );
  });

  test("memory that was used shows in the peak", async () => {
    const size = 2 ** 24;
    const value = new Float32Array(size).fill(1);
    const store = await runtime.store([{ name: "w", dims: [size], value, kind: "buffer" }]);
    const now = process.memoryUsage.rss();
    expect(now).toBeGreaterThan(4 * size);
    expect(await runtime.peakMemoryBytes()).toBeGreaterThanOrEqual(now);
    await store.dispose();
  });
});
