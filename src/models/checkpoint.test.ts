import { describe, expect, test } from "vitest";
import { Graph } from "../graph/ir.ts";
import { float32, type Tensor } from "../graph/tensor.ts";
import { nameAfterCheckpoint, transpose } from "./checkpoint.ts";
import { labelsOf, parseConfig, withGraphFile, withLabels, withPurpose } from "./config.ts";
import { isBuiltType } from "./open-network.node.ts";

const matrix = float32([2, 3], [1, 2, 3, 4, 5, 6]);
const turned = float32([3, 2], [1, 4, 2, 5, 3, 6]);

function named(
  weights: Record<string, { tensor: Tensor; node?: string }>,
  checkpoint: Record<string, Tensor>,
) {
  const graph = new Graph("g");
  const x = graph.addInput("x", "float32", ["batch", 2]);
  const values = Object.entries(weights).map(([name, { tensor, node }]) => {
    const value = graph.addInitializer(name, tensor);
    graph.addNode("MatMul", [x, value], { name: node ?? "" });
    return value;
  });
  const match = nameAfterCheckpoint(graph, values, new Map(Object.entries(checkpoint)));
  return { names: values.map((value) => value.name), ...match };
}

describe("names of the checkpoint", () => {
  test("a transposed and renamed matrix is found", () => {
    const { names, transposed, notes } = named(
      { "onnx::MatMul_7": { tensor: turned } },
      { "fc.weight": matrix },
    );
    expect(names).toEqual(["fc.weight"]);
    expect([...transposed]).toEqual(["fc.weight"]);
    expect(notes).toEqual([]);
  });
  test("equal tensors: own name first, then the node's path, else the graph's name stays", () => {
    const zeros = float32([2], [0, 0]);
    const { names, notes } = named(
      {
        other: { tensor: zeros },
        "onnx::Add_9": { tensor: zeros, node: "/layer/layer.1/Add" },
        "layer.0.bias": { tensor: zeros },
      },
      { "layer.0.bias": zeros, "layer.1.bias": zeros, "layer.2.bias": zeros },
    );
    expect(names).toEqual(["other", "layer.1.bias", "layer.0.bias"]);
    expect(notes.join()).toContain("1 of 3 weights");
  });
  test("transposing twice gives the same bytes", () => {
    expect(transpose(matrix).dims).toEqual([3, 2]);
    expect(transpose(matrix).data.read()).toEqual(turned.data.read());
    expect(transpose(transpose(matrix)).data.read()).toEqual(matrix.data.read());
  });
});

describe("config.json", () => {
  test("labels come in the order of their ids", () =>
    expect(labelsOf({ id2label: { "1": "dog", "0": "cat" } }, "config.json")).toEqual(["cat", "dog"]));
  test("gaps, other kinds and broken JSON are refused", () => {
    expect(() => labelsOf({ id2label: { "0": "cat", "2": "dog" } }, "c.json")).toThrow(/c\.json.*"2"/);
    expect(() => labelsOf({ id2label: "cat" }, "c.json")).toThrow(/not an object/);
    expect(() => parseConfig("{", "c.json")).toThrow(/not JSON/);
    expect(() => parseConfig("[]", "c.json")).toThrow(/not an object/);
  });
  test("tuned labels replace the old ones, the rest stays", () => {
    const config = withLabels({ model_type: "vit", hidden_size: 8, id2label: { "0": "x" } }, ["a", "b"]);
    expect(config).toMatchObject({
      model_type: "vit",
      hidden_size: 8,
      id2label: { "0": "a", "1": "b" },
      label2id: { a: 0, b: 1 },
      num_labels: 2,
    });
    expect(withLabels({}, ["a"])["model_type"]).toBe("resnet");
  });
  test("a borrowed type stays known as such, whatever a model is tuned for next", () => {
    const text = withLabels(withPurpose({}, { task: "text-classification", maxTokens: 8 }), ["a"]);
    expect(text["diapason"]).toMatchObject({ task: "text-classification", maxTokens: 8 });
    expect(isBuiltType(text)).toBe(false);
    const image = withPurpose(text, { task: "image-classification" });
    expect(isBuiltType(image)).toBe(false);
    expect(image["diapason"]).toMatchObject({ task: "image-classification" });
    expect(image["diapason"]).not.toHaveProperty("maxTokens");
  });
  test("what the base told transformers.js of its own files is not told of others", () => {
    const stale = { dtype: "q4f16", kv_cache_dtype: { q4f16: "float16" }, use_external_data_format: true };
    const config = { model_type: "llama", "transformers.js_config": stale };
    expect(withGraphFile(config, { isApart: false })).toEqual({
      model_type: "llama",
      "transformers.js_config": { dtype: "fp32" },
    });
    expect(withGraphFile(config, { isApart: true })["transformers.js_config"]).toEqual({
      dtype: "fp32",
      use_external_data_format: { "model.onnx": 1 },
    });
  });
});
