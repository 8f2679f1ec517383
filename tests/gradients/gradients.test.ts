import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { withFrozenRounding } from "../../src/autodiff/frozen-rounding.ts";
import { gradcheck } from "../../src/autodiff/gradcheck.ts";
import { gradRules } from "../../src/autodiff/rules.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { opNameOf } from "../../src/graph/attributes.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { interpret, type NdArray } from "../../src/graph/kernels/interpret.ts";
import { attention } from "./attention.ts";
import { controlFlow } from "./control-flow.ts";
import { elementwise } from "./elementwise.ts";
import { fused } from "./fused.ts";
import { gated } from "./gated.ts";
import { buildCase } from "./grad-case.ts";
import { imaging } from "./imaging.ts";
import { indexing } from "./indexing.ts";
import { linear } from "./linear.ts";
import { networks } from "./networks.ts";
import { normalized } from "./normalized.ts";
import { quantized } from "./quantized.ts";
import { recurrent } from "./recurrent.ts";
import { reductions } from "./reductions.ts";
import { signal } from "./signal.ts";
import { structure } from "./structure.ts";

const rows = {
  ...quantized,
  ...elementwise,
  ...linear,
  ...structure,
  ...reductions,
  ...networks,
  ...normalized,
  ...imaging,
  ...indexing,
  ...gated,
  ...signal,
  ...fused,
  ...attention,
  ...recurrent,
  ...controlFlow,
};

/** Computes gradients as they are, and losses as if rounding did not change; at the point itself both are equal. */
function withRounding(graph: Graph, feeds: ReadonlyMap<string, NdArray>): typeof interpret {
  const smooth = withFrozenRounding(graph, feeds);
  const [loss] = [...interpret(smooth, feeds).values()];
  const [expected] = [...interpret(graph, feeds).values()];
  expect(loss!.data[0]).toBeCloseTo(expected!.data[0]!, 9);
  return (given, inputs) => interpret(given.outputs.length === 1 ? smooth : given, inputs);
}

describe.each(Object.entries(rows))("%s", (_title, row) => {
  test("equals central differences in float64", async () => {
    const { graph, feeds, parameters } = buildCase(row);
    const evaluate = row.straightThrough ? withRounding(graph, feeds) : interpret;
    const result = await gradcheck(graph, { loss: "loss", parameters, feeds, samples: 24, evaluate });
    expect(result.largestRelativeError).toBeLessThan(row.float64Tolerance ?? 1e-6);
    for (const { name, samples } of result.parameters)
      expect(samples).toBe(Math.min(24, feeds.get(name)!.data.length));
  });

  test.skipIf(row.notInRuntime)("is the same through ONNX Runtime in float32", async () => {
    const { graph, feeds, parameters } = buildCase(row);
    const backward = differentiate(graph, { loss: "loss", parameters });
    const expected = interpret(backward.graph, feeds);
    const session = await InferenceSession.create(writeOnnx(backward.graph), { logSeverityLevel: 3 });
    const given = [...feeds].filter(([name]) => backward.graph.inputs.some((input) => input.name === name));
    const found = await session.run(
      Object.fromEntries(
        given.map(([name, { dims, data }]) => [name, new Tensor("float32", Float32Array.from(data), dims)]),
      ),
    );
    for (const name of backward.gradients.values()) {
      const { dims, data } = expected.get(name)!;
      expect(found[name]!.dims).toEqual(dims);
      const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
      const actual = found[name]!.data as Float32Array;
      const errors = actual.map((value, i) => Math.abs(value - data[i]!) / largest);
      expect(Math.max(0, ...errors)).toBeLessThan(row.float32Tolerance ?? 1e-4);
    }
  });
});

test("every operator with a gradient has a row", () => {
  const covered = new Set(Object.values(rows).flatMap((row) => buildCase(row).graph.nodes.map(opNameOf)));
  const differentiable = Object.entries(gradRules).filter(([, rule]) => {
    if (typeof rule === "string") return rule === "expansion";
    if ("node" in rule) return true;
    const inputs = "inputs" in rule ? rule.inputs : rule;
    return inputs.some((input) => input !== null);
  });
  expect(differentiable.length).toBeGreaterThan(90);
  expect(differentiable.map(([name]) => name).filter((name) => !covered.has(name as never))).toEqual([]);
});
