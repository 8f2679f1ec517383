import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { attachAdapter } from "../../src/models/adapters/attach.ts";
import { freezeWeights } from "../../src/models/adapters/freeze-weights.ts";
import { mergeAdapter } from "../../src/models/adapters/merge.ts";
import { endsOf } from "../../src/models/adapters/peft-tensors.ts";
import type { Model } from "../../src/models/model.ts";
import { openNetwork } from "../../src/models/open-network.node.ts";
import { cpuRuntime } from "../../src/runtime/cpu.node.ts";
import type { HostTensor } from "../../src/runtime/runtime.ts";
import { withValues } from "../../src/tune/program.ts";
import { moved } from "./adapted-networks.ts";

const root = fileURLToPath(new URL("../fixtures/architectures", import.meta.url));
const runtime = await cpuRuntime();
afterAll(() => runtime.dispose());

const host = ({ dtype, dims, data }: Tensor): HostTensor => {
  const { buffer } = Uint8Array.from(data.read());
  return dtype === "int64"
    ? { dtype, dims, data: new BigInt64Array(buffer) }
    : { dtype: "float32", dims, data: new Float32Array(buffer) };
};

async function outputOf(model: Model, reference: ReadonlyMap<string, Tensor>): Promise<Float32Array> {
  const executable = await runtime.compile(model.graph);
  const feeds = model.graph.inputs.map(({ name }) => [name, host(reference.get(`input.${name}`)!)] as const);
  const outputs = await executable.run(Object.fromEntries(feeds));
  await executable.dispose();
  return outputs[model.output.name]!.data as Float32Array;
}

const difference = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0) /
  b.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);

describe.each(readdirSync(root).sort())("%s", (name) => {
  test("takes PEFT's targets, and all linear layers; merged it gives the same; in int8 nearly", async () => {
    const { tensors: reference } = await loadSafetensors(`${root}/${name}/reference.safetensors`);
    const [, , height, width] = reference.get("input.pixel_values")?.dims ?? [];
    const imageSize = height && width ? ([height, width] as const) : undefined;
    const model = await openNetwork(`${root}/${name}`, { seed: 0, imageSize });
    const base = await outputOf(model, reference);
    const usual = attachAdapter(model, { method: "lora" }).adapter.layers;
    const all = usual.some(({ layer }) => layer.kind === "linear") ? { targetModules: "all-linear" } : {};
    for (const spec of [
      { method: "lora", rank: 2 },
      { method: "dora", rank: 2, ...all },
      { method: "ia3" },
    ] as const) {
      const adapted = attachAdapter(model, spec);
      expect(adapted.adapter.layers.length).toBeGreaterThan(0);
      expect(difference(await outputOf(adapted, reference), base)).toBeLessThan(1e-5);
      const values = moved(adapted, 0.1);
      const whole = { ...adapted, graph: withValues(adapted.graph, values) };
      const given = await outputOf(whole, reference);
      expect(difference(given, base)).toBeGreaterThan(1e-4);
      expect(difference(await outputOf(mergeAdapter(adapted, values), reference), given)).toBeLessThan(1e-5);
      expect(difference(await outputOf(freezeWeights(whole, "int8"), reference), given)).toBeLessThan(0.1);
      const { layers, spared } = adapted.adapter;
      const modules = layers.map(({ layer }) => layer.module);
      const ends = endsOf(modules, spared);
      const isMeant = (module: string) => ends.some((end) => module === end || module.endsWith(`.${end}`));
      expect([modules.every(isMeant), spared.some(isMeant)]).toEqual([true, false]);
    }
  });
});
