import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { random } from "../base/random.ts";
import { loadOnnx } from "../formats/onnx/file.node.ts";
import { interpret } from "../graph/kernels/interpret.ts";
import { ndArray } from "../graph/kernels/nd-array.ts";
import { findHead } from "./find-head.ts";
import { prepareGraph } from "./prepare.ts";
import { withRealHead } from "./real-head.ts";

/** Networks that ONNX Runtime quantised; made by tools/fixtures/quantized.py. */
const fixture = (name: string) =>
  fileURLToPath(new URL(`../../tests/fixtures/quantized/${name}.onnx`, import.meta.url));

const x = Float64Array.from({ length: 4 * 2 * 8 * 8 }, (_, i) => 0.5 * random(1, "x", i).normal());
const feeds = new Map([["x", ndArray("float32", [4, 2, 8, 8], x)]]);

test.each(["qdq", "qoperator", "dynamic"])(
  "a quantised classifier's last layer in real numbers: %s",
  async (name) => {
    const graph = await loadOnnx(fixture(name));
    await prepareGraph(graph);
    expect(findHead(graph.outputs[0])).toBeUndefined();
    const real = withRealHead(graph);
    const head = findHead(real.outputs[0])!;
    expect(head.classes).toBe(3);
    expect(head.weight.constant!.dtype).toBe("float32");
    expect(head.bias!.constant!.dims).toEqual([3]);
    // the same numbers but for what rounding the result, or the features, did
    const [before, after] = [graph, real].map((one) => [...interpret(one, feeds).values()][0]!.data);
    const largest = Math.max(...before!.map(Math.abs));
    for (const [i, value] of before!.entries())
      expect(Math.abs(after![i]! - value)).toBeLessThan(0.02 * largest);
    expect(largest).toBeGreaterThan(0.2);
  },
);

test("a graph without a classifier stays as it is", async () => {
  const graph = await loadOnnx(fixture("qdq"));
  await prepareGraph(graph);
  graph.setOutput(0, graph.get("x"));
  expect(withRealHead(graph)).toBe(graph);
});
