import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import { openNetwork } from "../../src/models/open-network.node.ts";
import { rebuilt } from "../../src/models/rebuild.ts";
import { cpuRuntime } from "../../src/runtime/cpu.node.ts";
import type { HostTensor } from "../../src/runtime/runtime.ts";

const root = fileURLToPath(new URL("../fixtures/architectures", import.meta.url));
const decoders = [
  "llama",
  "llama-tied",
  "llama-yarn",
  "llama-dynamic",
  "mistral",
  "qwen2",
  "qwen3",
  "gemma2",
  "gemma3",
  "phi3-long",
  "gpt2",
  "olmo2",
  "gpt-neox",
];

const words = (dims: readonly number[], values: readonly number[]): HostTensor => ({
  dtype: "int64",
  dims,
  data: BigInt64Array.from(values, BigInt),
});

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);

describe.each(decoders)("%s", (name) => {
  test("token by token over a cache, padded on the left, it gives what it gives at once", async () => {
    const runtime = await cpuRuntime();
    try {
      const model = await openNetwork(`${root}/${name}`, { seed: 0 });
      const { vocab_size: size } = JSON.parse(readFileSync(`${root}/${name}/config.json`, "utf8"));
      const ids = [5, 9, 3, 17, 22, 8, 30];
      const whole = await runtime.compile(model.graph);
      const mask = words([1, 7], new Array(7).fill(1));
      const expected = (await whole.run({ input_ids: words([1, 7], ids), attention_mask: mask }))["logits"]!;
      const graph = rebuilt(model, { seed: 0, cache: true }).graph;
      const caches = graph.inputs.filter((input) => input.name.startsWith("past_key_values."));
      expect(caches.length).toBe(4);
      const cached = await runtime.compile(graph);
      // Two examples: the second lacks its first two tokens and is padded there.
      let past: Record<string, HostTensor> = Object.fromEntries(
        caches.map(({ name: cache, shape }) => [
          cache,
          { dtype: "float32", dims: [2, Number(shape![1]), 0, Number(shape![3])], data: new Float32Array() },
        ]),
      );
      const rows: Float32Array[] = [];
      for (const [from, to] of [
        [0, 3],
        [3, 4],
        [4, 7],
      ] as const) {
        const count = to - from;
        const found = await cached.run({
          ...past,
          input_ids: words(
            [2, count],
            [...ids.slice(from, to), ...ids.slice(from, to).map((id, i) => (from + i < 2 ? 0 : id))],
          ),
          attention_mask: words(
            [2, to],
            [...new Array(to).fill(1), ...Array.from({ length: to }, (_, t) => +(t >= 2))],
          ),
          position_ids: words(
            [2, count],
            [
              ...Array.from({ length: count }, (_, i) => from + i),
              ...Array.from({ length: count }, (_, i) => Math.max(0, from + i - 2)),
            ],
          ),
        });
        past = Object.fromEntries(
          caches.map((cache) => [cache.name, found[cache.name.replace("past_key_values", "present")]!]),
        );
        const logits = found["logits"]!.data as Float32Array;
        for (let i = 0; i < 2 * count; i++) rows.push(logits.slice(i * size, (i + 1) * size));
      }
      // Rows of the first example, in order of their tokens.
      const first = [0, 1, 2, 6, 8, 9, 10].map((i) => rows[i]!);
      const together = Float32Array.from(first.flatMap((row) => [...row]));
      expect(largestDifference(together, expected.data as Float32Array)).toBeLessThan(2e-5);
      const shorter = await whole.run({
        input_ids: words([1, 5], ids.slice(2)),
        attention_mask: words([1, 5], new Array(5).fill(1)),
      });
      const second = [5, 7, 11, 12, 13].map((i) => rows[i]!);
      const padded = Float32Array.from(second.flatMap((row) => [...row]));
      expect(largestDifference(padded, shorter["logits"]!.data as Float32Array)).toBeLessThan(2e-5);
    } finally {
      await runtime.dispose();
    }
  });

  test("examples packed into a row are read as if alone", async () => {
    const runtime = await cpuRuntime();
    try {
      const model = await openNetwork(`${root}/${name}`, { seed: 0 });
      const alone = await runtime.compile(model.graph);
      const packed = await runtime.compile(
        rebuilt(model, { seed: 0, positions: "given", segments: true }).graph,
      );
      const parts = [
        [5, 9, 3],
        [17, 22, 8, 30],
      ];
      const row = await packed.run({
        input_ids: words([1, 8], [...parts.flat(), 0]),
        attention_mask: words([1, 8], [1, 1, 1, 1, 1, 1, 1, 0]),
        position_ids: words([1, 8], [0, 1, 2, 0, 1, 2, 3, 0]),
        segment_ids: words([1, 8], [1, 1, 1, 2, 2, 2, 2, 0]),
      });
      const logits = row["logits"]!.data as Float32Array;
      const size = row["logits"]!.dims[2]!;
      let at = 0;
      for (const part of parts) {
        const found = await alone.run({
          input_ids: words([1, part.length], part),
          attention_mask: words(
            [1, part.length],
            part.map(() => 1),
          ),
        });
        const own = logits.subarray(at * size, (at + part.length) * size);
        expect(largestDifference(own, found["logits"]!.data as Float32Array)).toBeLessThan(2e-5);
        at += part.length;
      }
    } finally {
      await runtime.dispose();
    }
  });
});

test("the fixtures hold what the tests above take for granted", async () => {
  for (const name of decoders) {
    const { tensors } = await loadSafetensors(`${root}/${name}/reference.safetensors`);
    expect(tensors.get("output")!.dims.length, name).toBe(3);
  }
});
