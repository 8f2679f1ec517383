import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { gradcheck } from "../../src/autodiff/gradcheck.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { interpret, type NdArray } from "../../src/graph/kernels/interpret.ts";
import { buildCase } from "./grad-case.ts";
import { openSizes } from "./open-sizes.ts";

/** What ONNX Runtime gives, by output. */
async function runner(graph: Graph) {
  const session = await InferenceSession.create(writeOnnx(graph), { logSeverityLevel: 3 });
  return (feeds: ReadonlyMap<string, NdArray>) =>
    session.run(
      Object.fromEntries(
        [...feeds]
          .filter(([name]) => graph.inputs.some((input) => input.name === name))
          .map(([name, { dims, data }]) => [name, new Tensor("float32", Float32Array.from(data), dims)]),
      ),
    );
}

/** The largest difference, relative to the largest number. */
function distance(found: Tensor, { dims, data }: NdArray): number {
  expect(found.dims).toEqual(dims);
  const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
  const errors = (found.data as Float32Array).map((value, i) => Math.abs(value - data[i]!) / largest);
  return Math.max(0, ...errors);
}

describe.each(Object.entries(openSizes))("%s", (_title, { sizes, ...row }) => {
  const cases = sizes.map((text) => {
    const shapes = text.split(",").map((each) => each.trim().split("x").map(Number));
    return buildCase({ ...row, shapes, symbolic: true });
  });
  const [{ graph, parameters }] = cases as [(typeof cases)[0]];
  const backward = differentiate(graph, { loss: "loss", parameters });

  test("one differentiated graph equals central differences at both sizes", async () => {
    for (const { feeds } of cases) {
      const result = await gradcheck(graph, { loss: "loss", parameters, feeds, samples: 12 });
      expect(result.largestRelativeError).toBeLessThan(row.float64Tolerance ?? 1e-6);
      expect(result.parameters.map(({ name }) => name)).toEqual(parameters);
    }
  });

  test("one session of ONNX Runtime gives the same values and gradients at both sizes", async () => {
    const [forward, back] = [await runner(graph), await runner(backward.graph)];
    for (const { feeds } of cases) {
      const expected = interpret(backward.graph, feeds);
      const [values, found] = [await forward(feeds), await back(feeds)];
      const loss = interpret(graph, feeds).get("loss")!;
      expect(distance(values["loss"] as Tensor, loss)).toBeLessThan(1e-4);
      expect(distance(found["loss"] as Tensor, loss)).toBeLessThan(1e-4);
      for (const name of backward.gradients.values())
        expect(distance(found[name] as Tensor, expected.get(name)!)).toBeLessThan(
          row.float32Tolerance ?? 1e-4,
        );
    }
  });
});
