import { describe, expect, test } from "vitest";
import { DiapasonError } from "../../src/base/errors.ts";
import { interpret } from "../../src/graph/kernels/interpret.ts";
import type { AdaptedModel } from "../../src/models/adapters/adapted.ts";
import { attachAdapter } from "../../src/models/adapters/attach.ts";
import { mergeAdapter } from "../../src/models/adapters/merge.ts";
import { type AdapterSpec, adapterMethodNames } from "../../src/models/adapters/spec.ts";
import type { Model } from "../../src/models/model.ts";
import { buildNetwork } from "../../src/models/network/build-network.ts";
import { withValues } from "../../src/tune/program.ts";
import { feedsOf, imageNetwork, moved, tokenNetwork } from "./adapted-networks.ts";

const logits = (model: Model, values: ReadonlyMap<string, Float32Array> = new Map()): number[] =>
  [...interpret(withValues(model.graph, values), feedsOf(model)).get("logits")!.data].map(Number);

function expectClose(found: readonly number[], wanted: readonly number[], tolerance: number): void {
  expect(found).toHaveLength(wanted.length);
  for (const [i, value] of found.entries()) expect(Math.abs(value - wanted[i]!)).toBeLessThan(tolerance);
}

const networks: {
  readonly [name: string]: { readonly model: Model; readonly specs: readonly Partial<AdapterSpec>[] };
} = {
  tokens: {
    model: tokenNetwork(),
    specs: [{}, { targetModules: ["query", "value", "shared", "pooler.dense"], rank: 3, alpha: 5 }],
  },
  images: { model: imageNetwork(), specs: [{ targetModules: ["conv1", "conv2"], rank: 2 }] },
};

describe.each(adapterMethodNames)("%s", (method) => {
  const cases = Object.entries(networks).flatMap(([name, { model, specs }]) =>
    specs.map((spec) => ({ name, model, spec: { method, rank: 2, ...spec } as AdapterSpec })),
  );
  const usable = cases.filter(({ name }) => method !== "pissa" || name !== "images");

  test.each(usable)("computes what the base does at the start: $name", ({ model, spec }) => {
    const adapted = attachAdapter(model, spec);
    expectClose(logits(adapted), logits(model), method === "pissa" || method === "dora" ? 1e-6 : 1e-12);
  });

  test.each(usable)("merged it computes what it did: $name", ({ model, spec }) => {
    const adapted = attachAdapter(model, spec);
    const values = moved(adapted);
    const whole = logits(adapted, values);
    const change = Math.max(...whole.map((value, i) => Math.abs(value - logits(model)[i]!)));
    expect(change).toBeGreaterThan(0.01);
    const merged = mergeAdapter(adapted, values);
    expect(merged.graph.nodes.map(({ op }) => op)).toEqual(model.graph.nodes.map(({ op }) => op));
    expectClose(logits(merged), whole, 2e-6);
  });

  test("leaves the base as it is, and moves the same whenever it is made", () => {
    const model = tokenNetwork();
    const before = logits(model);
    const first = attachAdapter(model, { method, rank: 4, seed: 4 });
    const again = attachAdapter(tokenNetwork(), { method, rank: 4, seed: 4 });
    expect(logits(model)).toEqual(before);
    const bytes = (one: AdaptedModel) => one.parameters.map(({ value }) => [...value.constant!.data.read()]);
    expect(bytes(first)).toEqual(bytes(again));
  });
});

describe("what moves", () => {
  const names = (spec: AdapterSpec, model = tokenNetwork()) =>
    attachAdapter(model, spec).parameters.map(({ name }) => name);

  test("LoRA: two matrices a target, in the base's blocks, and the head", () => {
    const adapted = attachAdapter(tokenNetwork("bert"), { method: "lora" });
    expect(adapted.blocks.map(({ name, parameters }) => [name, parameters])).toMatchInlineSnapshot(`
      [
        [
          "encoder.layer.0",
          [
            "encoder.layer.0.query.lora_A.weight",
            "encoder.layer.0.query.lora_B.weight",
            "encoder.layer.0.value.lora_A.weight",
            "encoder.layer.0.value.lora_B.weight",
          ],
        ],
        [
          "encoder.layer.1",
          [
            "encoder.layer.1.query.lora_A.weight",
            "encoder.layer.1.query.lora_B.weight",
            "encoder.layer.1.value.lora_A.weight",
            "encoder.layer.1.value.lora_B.weight",
          ],
        ],
        [
          "head",
          [
            "classifier.weight",
            "classifier.bias",
          ],
        ],
      ]
    `);
  });

  test("patterns: names, an expression, all-linear, exclusions, layers by number, several ranks", () => {
    const targets = (spec: Partial<AdapterSpec>) =>
      attachAdapter(tokenNetwork(), { method: "lora", ...spec }).adapter.layers.map(
        ({ layer, rank }) => `${layer.module} ${rank}`,
      );
    expect(targets({ targetModules: ["query"] })).toEqual([
      "encoder.layer.0.query 8",
      "encoder.layer.1.query 8",
    ]);
    // the end of a path counts in whole words
    expect(targets({ targetModules: ["dense"] })).toEqual([
      "encoder.layer.0.output.dense 8",
      "encoder.layer.1.output.dense 8",
      "pooler.dense 8",
    ]);
    expect(targets({ targetModules: ".*\\.1\\.(query|value)" })).toEqual([
      "encoder.layer.1.query 8",
      "encoder.layer.1.value 8",
    ]);
    const all = targets({ targetModules: "all-linear" });
    expect(all).toHaveLength(8);
    expect(all.join()).not.toContain("classifier");
    expect(targets({})).toEqual(all);
    expect(targets({ targetModules: "all-linear", excludeModules: ["query", "dense"] })).toEqual([
      "encoder.layer.0.value 8",
      "shared 8",
      "encoder.layer.1.value 8",
    ]);
    expect(targets({ targetModules: ["query"], layersToTransform: [1], layersPattern: ["layer"] })).toEqual([
      "encoder.layer.1.query 8",
    ]);
    expect(targets({ targetModules: ["query", "shared"], rankPattern: { "1.query": 3, shared: 2 } })).toEqual(
      ["encoder.layer.0.query 8", "shared 2", "encoder.layer.1.query 3"],
    );
  });

  test("beside it: modules tuned as a whole, and biases", () => {
    const none = { method: "lora", targetModules: ["query"], modulesToSave: [] } as const;
    const own = names({ ...none });
    expect(own.every((name) => name.includes(".lora_"))).toBe(true);
    expect(names({ ...none, modulesToSave: ["pooler"] }).slice(own.length)).toEqual([
      "pooler.dense.weight",
      "pooler.dense.bias",
    ]);
    expect(names({ ...none, bias: "lora_only" }).slice(own.length)).toEqual([
      "encoder.layer.0.query.bias",
      "encoder.layer.1.query.bias",
    ]);
    expect(names({ ...none, bias: "all" }).slice(own.length)).toHaveLength(6);
    expect(names({ method: "bitfit" })).toHaveLength(6 + 1);
    const sizes = {
      vocab_size: 8,
      hidden_size: 4,
      num_hidden_layers: 1,
      num_attention_heads: 1,
      intermediate_size: 8,
    };
    const config = { model_type: "llama", ...sizes };
    const plain = buildNetwork({ config, tensors: undefined, source: "x", seed: 0, head: "causal-lm" });
    expect(() => attachAdapter(plain, { method: "bitfit" })).toThrow(/it has no bias/);
  });

  test("LoRA+: B and vectors move faster", () => {
    const { parameters } = attachAdapter(tokenNetwork("bert"), { method: "lora-plus", rateRatio: 4 });
    const rates = new Map(parameters.map(({ name, rate }) => [name, rate]));
    expect(rates.get("encoder.layer.0.query.lora_A.weight")).toBeUndefined();
    expect(rates.get("encoder.layer.0.query.lora_B.weight")).toBe(4);
    expect(rates.get("classifier.weight")).toBeUndefined();
    expect(rates.get("classifier.bias")).toBe(4);
  });

  test("IA³: vectors on outputs, and on the inputs of the feed-forward part", () => {
    const { adapter } = attachAdapter(tokenNetwork("bert"), { method: "ia3", modulesToSave: [] });
    expect(adapter.layers.map(({ tensors }) => [tensors[0]!.key, tensors[0]!.dims])).toEqual([
      ["encoder.layer.0.value.ia3_l", [8, 1]],
      ["encoder.layer.0.output.dense.ia3_l", [1, 8]],
      ["encoder.layer.1.value.ia3_l", [8, 1]],
      ["encoder.layer.1.output.dense.ia3_l", [1, 8]],
    ]);
  });
});

describe("an embedding", () => {
  const spec = { method: "lora", targetModules: ["word", "value"], rank: 2 } as const;

  test("starts with A zero and B drawn, and is merged into its rows", () => {
    const model = tokenNetwork();
    const adapted = attachAdapter(model, spec);
    expectClose(logits(adapted), logits(model), 1e-12);
    const [a, b] = adapted.adapter.layers[0]!.tensors.map(({ parameter }) => adapted.graph.get(parameter));
    expect(a!.constant!.dims).toEqual([11, 2]);
    expect(a!.constant!.data.read().every((byte) => byte === 0)).toBe(true);
    expect(b!.constant!.data.read().some((byte) => byte !== 0)).toBe(true);
    const values = moved(adapted);
    expectClose(logits(mergeAdapter(adapted, values)), logits(adapted, values), 2e-6);
  });
});

test("a convolution in groups takes IA³", () => {
  const model = imageNetwork({ groups: 2 });
  const spec = { method: "ia3", targetModules: ["conv1", "conv2"] } as const;
  for (const feedforwardModules of [[], ["conv2"], ["conv1", "conv2"]]) {
    const adapted = attachAdapter(model, { ...spec, feedforwardModules });
    const values = moved(adapted);
    expectClose(logits(mergeAdapter(adapted, values)), logits(adapted, values), 2e-6);
  }
});

describe("dropout", () => {
  test.each(["lora", "dora"] as const)(
    "%s: a mask of 1 changes nothing, another one what the adapter adds",
    (method) => {
      const model = tokenNetwork();
      const spec = { method, targetModules: ["query", "shared"], rank: 2 } as const;
      const plain = attachAdapter(model, spec);
      const dropping = attachAdapter(model, { ...spec, dropout: 0.25 });
      const masks = dropping.graph.inputs.filter(({ name }) => name.startsWith("dropout:0.25:"));
      expect(masks).toHaveLength(4);
      expect(masks[0]!.shape).toEqual(["batch", "tokens", 6]);
      const values = moved(plain);
      const at = (mask: (i: number) => number) => {
        const data = Float64Array.from({ length: 48 }, (_, i) => mask(i));
        const feeds = masks.map(
          ({ name }) => [name, { dtype: "float32" as const, dims: [2, 4, 6], data }] as const,
        );
        const graph = withValues(dropping.graph, values);
        return [...interpret(graph, new Map([...feedsOf(model), ...feeds])).get("logits")!.data].map(Number);
      };
      expectClose(
        at(() => 1),
        logits(plain, values),
        1e-12,
      );
      expect(at((i) => (i % 4 === 0 ? 0 : 4 / 3))).not.toEqual(at(() => 1));
    },
  );
});

describe("what cannot be", () => {
  const error = (spec: Partial<AdapterSpec>, model = tokenNetwork()): string => {
    try {
      attachAdapter(model, { method: "lora", ...spec });
    } catch (thrown) {
      if (thrown instanceof DiapasonError) return thrown.message;
      throw thrown;
    }
    return "nothing was thrown";
  };

  test("targets that are not there, and layers that do not suit", () => {
    expect(error({ targetModules: ["querry"] })).toContain(
      'No layer of the model fits the target modules "querry"',
    );
    expect(error({ targetModules: "(" })).toContain('"(" is not a regular expression');
    expect(error({ method: "dora", targetModules: ["word"] })).toContain(
      "DoRA is not made for embedding layers",
    );
    expect(error({ targetModules: ["conv2"] }, imageNetwork({ groups: 2 }))).toContain("in 2 groups");
    expect(error({ modulesToSave: ["score"] })).toContain('no parameter in a module "score"');
    expect(error({ method: "pissa", rank: 7, targetModules: ["query"] })).toContain("at most 6");
  });
  test("numbers", () => {
    expect(error({ rank: 0 })).toContain("The rank is 0");
    expect(error({ alpha: -1 })).toContain("Alpha is -1");
    expect(error({ dropout: 1 })).toContain("dropout is 1");
  });
});
