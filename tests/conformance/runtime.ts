import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DiapasonError } from "../../src/base/errors.ts";
import { toFloat16 } from "../../src/base/half.ts";
import { Graph } from "../../src/graph/ir.ts";
import { float32 } from "../../src/graph/tensor.ts";
import type { Executable, HostTensor, Runtime } from "../../src/runtime/runtime.ts";
import { describeStore } from "./runtime-store.ts";

/** Types that a device does not compute with, each with the reason. */
type Lacking = Readonly<Record<string, string>>;

/** What every runtime must do. `open` starts one; the suite disposes of it. */
export function describeRuntime(name: string, open: () => Promise<Runtime>, lacking: Lacking = {}): void {
  describe(`${name} runtime`, () => {
    let runtime: Runtime;
    beforeAll(async () => {
      runtime = await open();
    });
    afterAll(() => runtime.dispose());
    describe("running", () => describeRuns(() => runtime, lacking));
    describe("what does not fit", () => describeErrors(() => runtime));
    describe("a store", () => describeStore(() => runtime));
    describe("closing", () => describeClosing(open));
  });
}

export const floats = (dims: readonly number[], values: ArrayLike<number>): HostTensor => ({
  dtype: "float32",
  dims,
  data: Float32Array.from(values),
});

/** sum = x + 1 and product = x · w over x [batch, 2], w [2, 3]. */
function twoOutputs(): Graph {
  const graph = new Graph("two outputs");
  const x = graph.addInput("x", "float32", ["batch", 2]);
  const one = graph.addInitializer("one", float32([], [1]));
  const w = graph.addInitializer("w", float32([2, 3], [1, 2, 3, 4, 5, 6]));
  graph.addOutput(graph.addNode("Add", [x, one], { outputs: ["sum"] }).outputs[0]!);
  graph.addOutput(graph.addNode("MatMul", [x, w], { outputs: ["product"] }).outputs[0]!);
  return graph;
}

function describeRuns(runtime: () => Runtime, lacking: Lacking): void {
  test("says what it is", () => {
    expect(runtime().device).toMatch(/./);
    expect(Object.values(runtime().description).every((text) => typeof text === "string")).toBe(true);
  });

  test("gives every output by its name, or those asked for", async () => {
    const executable = await runtime().compile(twoOutputs());
    const x = floats([1, 2], [10, 20]);
    expect(await executable.run({ x })).toEqual({
      sum: floats([1, 2], [11, 21]),
      product: floats([1, 3], [90, 120, 150]),
    });
    expect(Object.keys(await executable.run({ x }, { outputs: ["product"] }))).toEqual(["product"]);
    await executable.dispose();
  });

  test("takes another batch size at every run", async () => {
    const executable = await runtime().compile(twoOutputs(), { purpose: "training" });
    for (const batch of [1, 5, 2, 64]) {
      const { product } = await executable.run({
        x: floats([batch, 2], new Float32Array(2 * batch).fill(1)),
      });
      expect(product).toEqual(floats([batch, 3], Array.from({ length: batch }, () => [5, 7, 9]).flat()));
    }
    await executable.dispose();
  });

  const exact: Readonly<Record<string, HostTensor>> = {
    int64: { dtype: "int64", dims: [2], data: BigInt64Array.from([2n ** 53n + 1n, -1n]) },
    int32: { dtype: "int32", dims: [2], data: Int32Array.from([2 ** 31 - 1, -1]) },
    float16: { dtype: "float16", dims: [2], data: Uint16Array.from([1.5, -65504], toFloat16) },
    float64: { dtype: "float64", dims: [2], data: Float64Array.from([0.1, -1e300]) },
    bool: { dtype: "bool", dims: [2], data: Uint8Array.from([1, 0]) },
    uint8: { dtype: "uint8", dims: [2], data: Uint8Array.from([255, 0]) },
    "an empty float32": { dtype: "float32", dims: [0, 3], data: new Float32Array(0) },
    "a scalar float32": { dtype: "float32", dims: [], data: Float32Array.from([0.5]) },
  };
  test.for(Object.entries(exact))("%s goes in and comes out as it was", async ([type, x], { skip }) => {
    if (lacking[type]) skip(lacking[type]);
    const graph = new Graph("identity");
    const value = graph.addInput("x", x.dtype, x.dims);
    graph.addOutput(graph.addNode("Identity", [value], { outputs: ["y"] }).outputs[0]!);
    const executable = await runtime().compile(graph);
    const { y } = await executable.run({ x });
    expect(y).toEqual(x);
    expect(y!.data.constructor).toBe(x.data.constructor);
    await executable.dispose();
  });

  test("leaves what was fed to the caller", async () => {
    const executable = await runtime().compile(twoOutputs());
    const whole = Float32Array.from([9, 10, 20, 9]);
    const x = { dtype: "float32", dims: [1, 2], data: whole.subarray(1, 3) } as const;
    const { sum } = await executable.run({ x });
    expect(sum!.data).toEqual(Float32Array.from([11, 21]));
    expect(whole).toEqual(Float32Array.from([9, 10, 20, 9]));
    await executable.dispose();
  });

  test("runs that overlap are answered each with its own", async () => {
    const executable = await runtime().compile(twoOutputs());
    const xs = Array.from({ length: 8 }, (_, i) => floats([1, 2], [i, i]));
    const answers = await Promise.all(xs.map((x) => executable.run({ x }, { outputs: ["sum"] })));
    expect(answers.map(({ sum }) => sum!.data[0])).toEqual(xs.map((_, i) => i + 1));
    await executable.dispose();
  });
}

function describeErrors(runtime: () => Runtime): void {
  let executable: Executable;
  beforeAll(async () => {
    executable = await runtime().compile(twoOutputs());
  });
  afterAll(() => executable.dispose());

  const wrong: Readonly<Record<string, readonly [Record<string, HostTensor>, RegExp]>> = {
    "an unknown input": [{ x: floats([1, 2], [1, 2]), xx: floats([1], [1]) }, /no input "xx"/],
    "a missing input": [{}, /"x" is not fed/],
    "another rank": [{ x: floats([2], [1, 2]) }, /fed float32 \[2\].*wants float32 \[batch, 2\]/],
    "another size": [{ x: floats([1, 3], [1, 2, 3]) }, /fed float32 \[1, 3\].*wants float32 \[batch, 2\]/],
    "another type": [
      { x: { ...floats([1, 2], []), dtype: "int32", data: Int32Array.of(1, 2) } },
      /fed int32/,
    ],
    "too few numbers": [{ x: floats([2, 2], [1, 2]) }, /fed 2 numbers for float32 \[2, 2\]/],
  };
  test.each(Object.entries(wrong))("%s is refused by name", async (_, [feeds, message]) => {
    const error = await caught(executable.run(feeds));
    expect(error).toMatchObject({ code: "runtime/bad-feed", message: expect.stringMatching(message) });
    expect(error.fix).toMatch(/\.$|\?$/);
  });

  test("an output that the graph does not have is refused by name", async () => {
    const error = await caught(executable.run({ x: floats([1, 2], [1, 2]) }, { outputs: ["prodct"] }));
    expect(error).toMatchObject({ code: "runtime/no-output", fix: 'Did you mean "product"?' });
  });

  test("a graph that the device refuses", async () => {
    const graph = new Graph("unknown operator", [["", 21]]);
    const x = graph.addInput("x", "float32", [1]);
    graph.addOutput(graph.addNode("Frobnicate", [x]).outputs[0]!);
    expect((await caught(runtime().compile(graph))).code).toMatch(/^runtime\/(refused|no-kernel)$/);
  });

  test("a run that fails leaves the session fit for the next", async () => {
    const graph = new Graph("reshape");
    const x = graph.addInput("x", "float32", ["n"]);
    const dims = graph.addInput("dims", "int64", [1]);
    graph.addOutput(graph.addNode("Reshape", [x, dims], { outputs: ["y"] }).outputs[0]!);
    const reshape = await runtime().compile(graph);
    const to = (size: bigint): HostTensor => ({ dtype: "int64", dims: [1], data: BigInt64Array.of(size) });
    const four = floats([4], [1, 2, 3, 4]);
    expect(await caught(reshape.run({ x: four, dims: to(3n) }))).toMatchObject({ code: "runtime/failed" });
    expect((await reshape.run({ x: four, dims: to(-1n) }))["y"]).toEqual(four);
    await reshape.dispose();
  });
}

function describeClosing(open: () => Promise<Runtime>): void {
  test("a closed runtime says so, twice closed is closed", async () => {
    const runtime = await open();
    const executable = await runtime.compile(twoOutputs());
    await runtime.dispose();
    const error = await caught(executable.run({ x: floats([1, 2], [1, 2]) }));
    expect(error.code).toBe("runtime/worker-ended");
    await runtime.dispose();
  });

  test("what still waits when it is closed is answered, with a result or an error", async () => {
    const runtime = await open();
    const waiting = runtime.compile(twoOutputs()).then(
      () => "compiled",
      (error: DiapasonError) => error.code,
    );
    await runtime.dispose();
    expect(["compiled", "runtime/worker-ended"]).toContain(await waiting);
  });
}

/** The error of a promise that must fail. */
export async function caught(promise: Promise<unknown>): Promise<DiapasonError> {
  const error = await promise.then(
    () => expect.fail("nothing was thrown"),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DiapasonError);
  return error as DiapasonError;
}
