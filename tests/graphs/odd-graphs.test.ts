import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { gradcheck } from "../../src/app/gradcheck.node.ts";
import { inspect } from "../../src/app/inspect.node.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import { tensorOf } from "../../src/graph/tensor.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-odd-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Build = (g: GraphBuilder, x: Value, w: Value) => readonly Value[];

/** The file of a graph of x [batch, 4] and a weight w [4, 6], as a stranger may have made it. */
function file(name: string, build: Build, shape: readonly string[] | undefined = ["batch", "4"]): string {
  const graph = new Graph(name);
  graph.opsets.set("my.ops", 1);
  const x = graph.addInput(
    "x",
    "float32",
    shape?.map((dim) => (Number(dim) ? Number(dim) : dim)),
  );
  const g = new GraphBuilder(graph);
  const w = graph.addInitializer(
    "w",
    tensorOf(
      "float32",
      [4, 6],
      Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
    ),
  );
  for (const output of build(g, x, w)) graph.addOutput(output);
  const path = join(folder, `${name}.onnx`);
  writeFileSync(path, writeOnnx(graph));
  return path;
}

/** An operator of a domain that nobody knows. */
function fancy(g: GraphBuilder, x: Value): Value {
  const y = g.graph.addNode("Fancy", [x], { domain: "my.ops" }).outputs[0]!;
  return Object.assign(y, { dtype: x.dtype, shape: x.shape });
}

/** A sequence of float32 tensors, as the file says it. */
function sequence(g: GraphBuilder, x: Value): Value {
  const axis = { type: "int", value: 1 } as const;
  const parts = g.graph.addNode("SplitToSequence", [x], { attributes: [["axis", axis]] }).outputs[0]!;
  return Object.assign(parts, { opaqueType: Uint8Array.of(0x22, 4, 0x0a, 2, 0x0a, 0) });
}

async function checked(model: string, options: { readonly sizes?: Record<string, number> } = {}) {
  for await (const event of gradcheck.run({ model, ...options })) return event;
  throw new Error("nothing was said");
}

test("the gradient of a weight that only a sequence depends on is checked by the sequence's tensors", async () => {
  const path = file("sequence", (g, x, w) => [sequence(g, g.matmul(x, w))]);
  const { verdict, parameters } = await checked(path);
  expect(verdict).toBe("right");
  expect(parameters.map(({ name }) => name)).toEqual(["w"]);
  expect(parameters[0]!.largestGradient).toBeGreaterThan(0.1);
  for await (const event of inspect.run({ model: path }))
    expect(event).toMatchObject({ type: "model", withoutGradient: [] });
});

test("a graph is checked without what is beside its loss: a sequence, an operator that nobody knows", async () => {
  const beside = file("beside", (g, x, w) => [g.op("Relu", [g.matmul(x, w)]), sequence(g, x), fancy(g, x)]);
  expect((await checked(beside)).verdict).toBe("right");
});

test("an operator that nobody knows on the way is named", async () => {
  const path = file("stranger", (g, x, w) => {
    const y = fancy(g, g.matmul(x, w));
    y.shape = undefined;
    return [g.op("Relu", [y])];
  });
  await expect(checked(path)).rejects.toMatchObject({
    code: "runtime/unknown-shapes",
    fix: expect.stringContaining("my.ops.Fancy"),
  });
});

test("a gradient near a saturated Softmax, whose loss cancels out but for rounding, is right", async () => {
  const path = file("saturated", (g, x, w) => [g.op("Softmax", [g.mul(g.matmul(x, w), 8)], { axis: 1 })]);
  expect((await checked(path)).verdict).toBe("right");
});

test("sizes at which a graph runs are found; one that it does not have is refused", async () => {
  // a window of 400 numbers must fit
  const path = file(
    "window",
    (g, x, w) => {
      const head = g.slice(x, [1], [0], [400]);
      return [g.matmul(g.reshape(head, [-1, 4]), w)];
    },
    ["batch", "samples"],
  );
  expect((await checked(path)).verdict).toBe("right");
  await expect(checked(path, { sizes: { sample: 512 } })).rejects.toMatchObject({
    code: "app/bad-option",
    fix: 'Write "samples".',
  });
});

test("a graph that takes nothing is shown; one that gives nothing is refused", async () => {
  const nothing = new Graph("nothing");
  writeFileSync(join(folder, "nothing.onnx"), writeOnnx(nothing));
  const shown = async (model: string) => {
    for await (const event of inspect.run({ model })) return event;
    throw new Error("nothing was said");
  };
  await expect(shown(join(folder, "nothing.onnx"))).rejects.toMatchObject({ code: "models/no-output" });
  const source = new Graph("source");
  source.addOutput(
    new GraphBuilder(source).op(
      "Range",
      [0, 5, 1].map((n) => constant(source, n)),
    ),
  );
  writeFileSync(join(folder, "source.onnx"), writeOnnx(source));
  expect(await shown(join(folder, "source.onnx"))).toMatchObject({
    inputs: [],
    outputs: [{ dtype: "int64" }],
  });
});

const constant = (graph: Graph, value: number): Value =>
  graph.addInitializer(graph.freshName("n"), tensorOf("int64", [], BigInt64Array.of(BigInt(value))));

test("ports are shown in the types of the file", async () => {
  const graph = new Graph("half");
  const x = graph.addInput("x", "float16", ["batch", 2]);
  const w = graph.addInitializer("w", tensorOf("float16", [2, 2], Uint16Array.of(0x3c00, 0, 0, 0x3c00)));
  const y = graph.addNode("MatMul", [x, w]).outputs[0]!;
  graph.addOutput(Object.assign(y, { dtype: "float16", shape: ["batch", 2] }));
  writeFileSync(join(folder, "half.onnx"), writeOnnx(graph));
  const ports: string[] = [];
  for await (const event of inspect.run({ model: join(folder, "half.onnx") }))
    if (event.type === "model") ports.push(...[...event.inputs, ...event.outputs].map(({ dtype }) => dtype));
  expect(ports).toEqual(["float16", "float16"]);
});
