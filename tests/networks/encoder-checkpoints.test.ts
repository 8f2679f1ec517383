import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { type ModelConfig, parseConfig } from "../../src/models/config.ts";
import type { Model } from "../../src/models/model.ts";
import { buildNetwork } from "../../src/models/network/build-network.ts";

const root = fileURLToPath(new URL("../fixtures/architectures", import.meta.url));

interface Checkpoint {
  readonly config: ModelConfig;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

async function checkpoint(name: string): Promise<Checkpoint> {
  const { tensors } = await loadSafetensors(`${root}/${name}/model.safetensors`);
  return { config: parseConfig(await readFile(`${root}/${name}/config.json`, "utf8"), name), tensors };
}

const renamed = (
  tensors: ReadonlyMap<string, Tensor>,
  to: (name: string) => string | undefined,
): Map<string, Tensor> =>
  new Map(
    [...tensors].flatMap(([name, tensor]) => {
      const spelled = to(name);
      return spelled === undefined ? [] : [[spelled, tensor]];
    }),
  );

/** Every weight of the model that is not fresh has the bytes of the checkpoint's weight of this name. */
function expectWeights(model: Model, tensors: ReadonlyMap<string, Tensor>): void {
  const read = model.parameters.filter(({ name }) => !model.network!.fresh.has(name));
  expect(read.length).toBeGreaterThan(0);
  for (const { name } of read)
    expect(model.graph.get(name).constant!.data.read(), name).toEqual(tensors.get(name)!.data.read());
}

const classifiers = [
  ["bert", ["bert.pooler.dense.bias", "bert.pooler.dense.weight", "classifier.bias", "classifier.weight"]],
  [
    "roberta",
    [
      "classifier.dense.bias",
      "classifier.dense.weight",
      "classifier.out_proj.bias",
      "classifier.out_proj.weight",
    ],
  ],
  ["distilbert", ["classifier.bias", "classifier.weight", "pre_classifier.bias", "pre_classifier.weight"]],
  [
    "mpnet",
    [
      "classifier.dense.bias",
      "classifier.dense.weight",
      "classifier.out_proj.bias",
      "classifier.out_proj.weight",
    ],
  ],
  [
    "electra",
    [
      "classifier.dense.bias",
      "classifier.dense.weight",
      "classifier.out_proj.bias",
      "classifier.out_proj.weight",
    ],
  ],
  ["deberta-v3", ["classifier.bias", "classifier.weight", "pooler.dense.bias", "pooler.dense.weight"]],
  ["albert", ["albert.pooler.bias", "albert.pooler.weight", "classifier.bias", "classifier.weight"]],
  ["modernbert", ["classifier.bias", "classifier.weight", "head.dense.weight", "head.norm.weight"]],
] as const;

describe.each(classifiers)("a bare %s", (name, fresh) => {
  test("is read into a classifier, whose head begins fresh", async () => {
    const { config, tensors } = await checkpoint(name);
    const prefix = name === "deberta-v3" ? "deberta." : name === "modernbert" ? "model." : `${name}.`;
    const bare = renamed(tensors, (key) =>
      key.startsWith(prefix) && !key.includes("pooler") ? key.slice(prefix.length) : undefined,
    );
    const model = buildNetwork({
      config: { ...config, architectures: undefined },
      tensors: bare,
      source: name,
      head: "sequence-classification",
      labels: ["no", "perhaps", "yes", "certainly"],
      seed: 3,
    });
    expectWeights(model, tensors);
    expect([...model.network!.fresh].sort()).toEqual(fresh);
    expect(model.output.shape).toEqual(["batch", 4]);
    expect(model.notes).toEqual([expect.stringMatching(/^Not in the checkpoint, so they begin fresh: /)]);
  });
});

test("normalisations that TensorFlow called gamma and beta are read", async () => {
  for (const name of ["bert", "electra", "deberta-v3", "roberta", "albert"]) {
    const { config, tensors } = await checkpoint(name);
    const old = renamed(tensors, (key) =>
      key.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta"),
    );
    expect([...old.keys()].some((key) => key.endsWith(".gamma"))).toBe(true);
    const model = buildNetwork({ config, tensors: old, source: name, seed: 0 });
    expect(model.network!.fresh.size).toBe(0);
    expectWeights(model, tensors);
  }
});

test("a discriminator's body becomes a classifier of tokens; its own head is named as unused", async () => {
  const { config, tensors } = await checkpoint("electra-features");
  const discriminator = renamed(tensors, (key) => `electra.${key}`);
  const [some] = tensors.values();
  discriminator.set("discriminator_predictions.dense.weight", some!);
  const model = buildNetwork({
    config: { ...config, architectures: ["ElectraForPreTraining"] },
    tensors: discriminator,
    source: "electra",
    head: "token-classification",
    labels: ["O", "B", "I"],
    seed: 0,
  });
  expect(model.output.shape).toEqual(["batch", "tokens", 3]);
  expect([...model.network!.fresh].sort()).toEqual(["classifier.bias", "classifier.weight"]);
  expect(model.notes.at(-1)).toBe(
    "Of the checkpoint the task has no use for: discriminator_predictions.dense.weight.",
  );
});

test("ALBERT's layer is one parameter with several uses", async () => {
  const { config, tensors } = await checkpoint("albert");
  const model = buildNetwork({ config, tensors, source: "albert", seed: 0 });
  const name = "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn.weight";
  expect(model.graph.get(name).consumers.length).toBe(config["num_hidden_layers"]);
  expect(model.blocks.map((block) => block.name)).toEqual([
    "embeddings",
    "encoder.embedding_hidden_mapping_in",
    "encoder.albert_layer_groups.0.albert_layers.0",
    "head",
  ]);
});

test.each([
  ["bert", { position_embedding_type: "relative_key" }, "position_embedding_type"],
  ["roberta", { is_decoder: true }, "is_decoder"],
  ["mpnet", { relative_attention_num_buckets: 16 }, "relative_attention_num_buckets"],
  ["deberta-v3", { relative_attention: false }, "relative_attention"],
  ["deberta-v2", { conv_groups: 2 }, "conv_groups"],
  ["deberta-v2", { conv_kernel_size: 4 }, "conv_kernel_size"],
  ["deberta-v3", { pos_att_type: ["p2p"] }, "pos_att_type"],
  ["deberta-v3", { attention_head_size: 8 }, "attention_head_size"],
  ["modernbert", { rope_scaling: { type: "linear", factor: 2 } }, "rope_scaling"],
  ["modernbert", { classifier_pooling: "max" }, "classifier_pooling"],
  ["albert", { hidden_act: "maxout" }, "hidden_act"],
  ["distilbert", { n_heads: 0 }, "n_heads"],
] as const)("%s with %o is refused by the name of the field", async (name, change, field) => {
  const { config, tensors } = await checkpoint(name);
  const build = () => buildNetwork({ config: { ...config, ...change }, tensors, source: name, seed: 0 });
  expect(build).toThrow(
    expect.objectContaining({ code: "models/bad-config", message: expect.stringContaining(`has ${field}`) }),
  );
});

test("DeBERTa's scores are read from the spelling with a bar too", async () => {
  const { config, tensors } = await checkpoint("deberta-v3");
  const nodes = (change: object) =>
    buildNetwork({ config: { ...config, ...change }, tensors, source: "deberta", seed: 0 }).graph.nodes
      .length;
  expect(nodes({ pos_att_type: "p2c|c2p" })).toBe(nodes({}));
  expect(nodes({ pos_att_type: "c2p" })).toBeLessThan(nodes({}));
});
