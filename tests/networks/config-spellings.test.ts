import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import { print } from "../../src/graph/print.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { type ModelConfig, parseConfig } from "../../src/models/config.ts";
import { buildNetwork } from "../../src/models/network/build-network.ts";

const root = fileURLToPath(new URL("../fixtures/architectures", import.meta.url));

interface Folder {
  readonly config: ModelConfig;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

async function open(name: string): Promise<Folder> {
  const { tensors } = await loadSafetensors(`${root}/${name}/model.safetensors`);
  return { config: parseConfig(await readFile(`${root}/${name}/config.json`, "utf8"), name), tensors };
}

const build = ({ config, tensors }: Folder) => buildNetwork({ config, tensors, source: "a test", seed: 0 });

/** A config with other fields; those that are undefined are left out. */
const changed = ({ config, tensors }: Folder, fields: ModelConfig): Folder => ({
  config: Object.fromEntries(
    Object.entries({ ...config, ...fields }).filter(([, value]) => value !== undefined),
  ),
  tensors,
});

/** Both configs make the same network of the same weights. */
function expectSame(one: Folder, other: Folder): void {
  const [a, b] = [build(one), build(other)];
  expect(print(b.graph)).toBe(print(a.graph));
  expect(b.network!.fresh.size).toBe(0);
}

describe("the same network, spelled otherwise", () => {
  test("sizes under the names that most types have for them", async () => {
    const gpt2 = await open("gpt2");
    const { n_embd, n_head, n_layer, n_positions } = gpt2.config;
    const usual = {
      hidden_size: n_embd,
      num_attention_heads: n_head,
      num_hidden_layers: n_layer,
      max_position_embeddings: n_positions,
    };
    const own = { n_embd: undefined, n_head: undefined, n_layer: undefined, n_positions: undefined };
    expectSame(gpt2, changed(gpt2, { ...own, ...usual }));
    const distilbert = await open("distilbert");
    const { dim, n_heads, n_layers } = distilbert.config;
    expectSame(
      distilbert,
      changed(distilbert, {
        ...{ dim: undefined, n_heads: undefined, n_layers: undefined },
        ...{ hidden_size: dim, num_attention_heads: n_heads, num_hidden_layers: n_layers },
      }),
    );
  });

  test("towers of CLIP under their older names, which go before the others", async () => {
    const clip = await open("clip");
    const { text_config: text, vision_config: vision } = clip.config;
    const older = { text_config_dict: text, vision_config_dict: vision };
    expectSame(clip, changed(clip, { ...older, text_config: undefined, vision_config: null }));
    const others = { text_config: { ...(text as object), hidden_act: "relu" } };
    expectSame(clip, changed(clip, { ...older, ...others }));
  });

  test("angles in the older spelling, by kind of layer", async () => {
    const gemma3 = await open("gemma3-kinds");
    const older = {
      rope_parameters: undefined,
      rope_theta: 5e5,
      rope_scaling: { rope_type: "linear", factor: 8 },
      rope_local_base_freq: 100,
    };
    expectSame(gemma3, changed(gemma3, older));
  });

  test("a length of pretraining beside the scaling goes before the one inside", async () => {
    const phi3 = await open("phi3-long");
    const inside = phi3.config["rope_parameters"] as object;
    const other = { ...inside, original_max_position_embeddings: 8 };
    expectSame(phi3, changed(phi3, { rope_parameters: other }));
    const llama = await open("llama-3");
    const fields = llama.config["rope_parameters"] as object;
    const moved = { ...fields, original_max_position_embeddings: undefined };
    expectSame(llama, changed(llama, { rope_parameters: moved, original_max_position_embeddings: 8 }));
  });

  test("names behind the prefix of a wrapper", async () => {
    for (const wrapper of ["module.", "_orig_mod."]) {
      const bert = await open("bert");
      const tensors = new Map([...bert.tensors].map(([name, tensor]) => [wrapper + name, tensor]));
      expectSame(bert, { ...bert, tensors });
    }
  });
});

test("a bias of a table of its own goes before the one for all tables", async () => {
  const bias = "lm_head.decoder.bias";
  const untied = await open("roberta-untied-mlm");
  expect(build(untied).graph.find(bias)).toBeDefined();
  const one = new Map([...untied.tensors].filter(([name]) => name !== bias));
  const model = build({ ...untied, tensors: one });
  expect([model.graph.find(bias), model.network!.fresh.size]).toEqual([undefined, 0]);
  expect(model.graph.find("lm_head.bias")).toBeDefined();
});

test("a pooler may be narrower than the network", () => {
  const config = {
    model_type: "vit",
    image_size: 32,
    hidden_size: 24,
    num_attention_heads: 2,
    pooler_output_size: 12,
  };
  const fresh = buildNetwork({ config, tensors: undefined, source: "a test", seed: 0 });
  const tensors = new Map(fresh.parameters.map(({ name, value }) => [name, value.constant!]));
  const pooler = { dtype: "float32", data: tensors.get("layernorm.weight")!.data } as const;
  tensors.set("pooler.dense.weight", { ...pooler, dims: [12, 24] });
  tensors.set("pooler.dense.bias", { ...pooler, dims: [12] });
  const { graph } = build({ config, tensors });
  expect(graph.get("pooler_output").shape).toEqual(["batch", 12]);
});

test("one class is a number, unless the config says otherwise", async () => {
  const bert = changed(await open("bert"), { id2label: undefined, label2id: undefined, num_labels: 1 });
  const tensors = new Map([...bert.tensors].filter(([name]) => !name.startsWith("classifier.")));
  const only = buildNetwork({ ...bert, tensors, source: "a test", seed: 0, labels: ["score"] });
  expect(only.config["problem_type"]).toBe("regression");
});

describe("what is not built is refused by the field's name", () => {
  const refused = async (name: string, fields: ModelConfig) => {
    const folder = changed(await open(name), fields);
    expect(() => build(folder)).toThrow(expect.objectContaining({ code: "models/bad-config" }));
    try {
      build(folder);
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  };

  test("angles of several forms", async () => {
    expect(await refused("llama", { rope_parameters: { rope_type: "mrope" } })).toContain(
      'rope_parameters.rope_type = "mrope"',
    );
    expect(await refused("llama", { rope_parameters: { chunked_attention: { rope_theta: 100 } } })).toContain(
      "rope_parameters = {",
    );
    expect(await refused("gemma3", { rope_parameters: { rope_theta: 100 } })).toContain(
      'rope_parameters = {"rope_theta":100}',
    );
  });

  test("writing by a network that reads both ways, and lists that are not one for each layer", async () => {
    expect(await refused("gemma3", { use_bidirectional_attention: true })).toContain(
      "use_bidirectional_attention = true",
    );
    expect(await refused("gemma2", { layer_types: ["full_attention"] })).toContain(
      "1 layer_types for 2 layers",
    );
    expect(await refused("modernbert", { layer_types: ["full_attention"] })).toContain("layer_types = [");
    const factors = { short_factor: [1], long_factor: [2] };
    expect(
      await refused("phi3", { rope_parameters: null, rope_scaling: { type: "longrope", ...factors } }),
    ).toContain("1 numbers in short_factor or long_factor; a head has 2 pairs");
    expect(await refused("llama", { rope_parameters: null, rope_scaling: { type: "linear" } })).toContain(
      "rope_scaling.factor",
    );
    expect(await refused("roberta", { pad_token_id: 500 })).toContain("pad_token_id = 500");
  });

  test("a part of each head that would not be turned", async () => {
    expect(await refused("llama", { partial_rotary_factor: 0.5 })).toContain("partial_rotary_factor");
  });

  test("a field that is not there", async () => {
    expect(await refused("deberta-v3", { relative_attention: undefined })).toContain(
      "has no relative_attention: only networks with relative attention are built",
    );
  });
});
