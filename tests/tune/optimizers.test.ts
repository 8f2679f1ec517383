import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ParameterMemory } from "../../src/runtime/parameter-memory.ts";
import { optimizerReference as reference } from "./optimizer-reference.ts";

/** Node 20 has no use for shared memory, but its WebAssembly knows it. */
describe.each([
  ["plain", false],
  ["shared", true],
] as const)("optimizers over %s memory equal torch.optim", (_, shared) => {
  test.each(reference.cases)("$name", (c) => {
    const names = reference.start.map((_, i) => `p${i}`);
    const arrays = reference.start.map((value, i) => ({
      name: names[i]!,
      dims: [value.length],
      kind: "parameter" as const,
    }));
    const memory = new ParameterMemory(arrays, shared);
    reference.start.forEach((value, i) => void memory.view(names[i]!, "value").set(value));
    let compared = 0;
    reference.gradients.forEach((gradients, step) => {
      gradients.forEach((gradient, i) => void memory.view(names[i]!, "gradient").set(gradient));
      const moving = names.slice(c.thaw !== null && step < c.thaw ? 1 : 0);
      const { gradientNorm, applied } = memory.update({
        optimizer: c.optimizer,
        updates: moving.map((name) => ({ name, rate: c.rate, weightDecay: c.weightDecay })),
        gradientScale: c.scale,
        ...(c.clipNorm === null ? {} : { clipNorm: c.clipNorm }),
      });
      expect(applied).toBe(true);
      expect(Math.abs(gradientNorm / c.norms[step]! - 1)).toBeLessThan(1e-6);
      c.after[step + 1]?.forEach((expected, i) => {
        const found = memory.view(names[i]!, "value");
        const worst = Math.max(...expected.map((x, j) => Math.abs(x - found[j]!)));
        // One unit in the last place of values from 2 on; β taken as float32 would already be 1.5e-6 off.
        expect(worst, `${names[i]} after step ${step + 1}`).toBeLessThan(2.5e-7);
        compared++;
      });
    });
    expect(compared).toBe(3 * names.length);
  });
});

test("compiled files are those of their sources", async () => {
  const { generated } = (await import("../../tools/web-assembly/build.mjs" as string)) as {
    generated(): AsyncIterable<readonly [path: string, text: string]>;
  };
  const found: string[] = [];
  for await (const [path, text] of generated()) {
    expect(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"), path).toBe(text);
    found.push(path);
  }
  expect(found).toEqual([
    "src/runtime/optimizer.generated.ts",
    "src/graph/kernels/products.generated.ts",
    "src/base/masks.generated.ts",
  ]);
});
