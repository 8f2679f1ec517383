import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toHost } from "../../src/app/gradcheck/runtime.ts";
import { DiapasonError } from "../../src/base/errors.ts";
import { Graph } from "../../src/graph/ir.ts";
import type { HostTensor, Runtime } from "../../src/runtime/runtime.ts";
import { addCase, type KernelCase, kernelCases, readArray, titleOf } from "../kernel-cases.ts";
import { openWebGpu, whyNoWebGpu } from "./gpu.ts";

const reason = await whyNoWebGpu();

/** Cases whose real numbers are float32. Arrays without elements are not safe on WebGPU, which docs/devices.md says. */
const cases = kernelCases
  .map((row, i) => [`${i} ${titleOf(row)}`, row] as const)
  .filter(
    ([, { inputs }]) =>
      inputs.some((input) => input?.dtype === "float32") && !inputs.some((input) => input?.dims.includes(0)),
  );

describe.skipIf(reason)(`WebGPU's kernels${reason ? ` (skipped: ${reason})` : ""}`, () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await openWebGpu();
  });
  afterAll(() => runtime.dispose());

  let count = 0;
  test.each(cases)("%s", async (_, row) => {
    const found = await computed(runtime, row);
    if (!found) return;
    count++;
    for (const [i, stored] of row.outputs.entries()) {
      if (!stored) continue;
      const y = found[`y${i}`]!;
      const expected = readArray(stored).data;
      const bound = 1e-3 * Math.max(1, ...expected.map(Math.abs).filter(Number.isFinite));
      const wrong = Array.from(y.data, Number).filter(
        (value, k) => !(Object.is(value, expected[k]) || Math.abs(value - expected[k]!) <= bound),
      );
      expect(y.dims).toEqual(stored.dims);
      expect(wrong).toEqual([]);
    }
  });

  test("most cases have a form on the device", () => {
    expect(count).toBeGreaterThan(cases.length / 2);
  });
});

/** What the device gives for what the CPU gave the stored outputs; undefined where it is said to lack a kernel. */
async function computed(runtime: Runtime, row: KernelCase): Promise<Record<string, HostTensor> | undefined> {
  const graph = new Graph("one node");
  const node = addCase(graph, row, ({ dtype }) => dtype !== "float32");
  for (const [i, input] of node.inputs.entries()) if (input) input.shape = row.inputs[i]!.dims;
  for (const [i, output] of node.outputs.entries()) {
    const stored = row.outputs[i];
    if (!output || !stored) continue;
    output.dtype = stored.dtype;
    graph.addOutput(output);
  }
  try {
    const executable = await runtime.compile(graph);
    const feeds = graph.inputs.map(({ name }) => [
      name,
      toHost(readArray(row.inputs[Number(name.slice(1))]!)),
    ]);
    const found = await executable.run(Object.fromEntries(feeds));
    await executable.dispose();
    return found;
  } catch (error) {
    if (error instanceof DiapasonError && error.code === "runtime/no-kernel") return undefined;
    throw error;
  }
}
