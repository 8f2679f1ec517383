import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { DiapasonError } from "../../src/base/errors.ts";
import { loadSafetensors, saveSafetensors } from "../../src/formats/safetensors.node.ts";
import { int64, type Tensor, tensorOf } from "../../src/graph/tensor.ts";
import { loadModel } from "../../src/models/load.node.ts";
import { openNetwork } from "../../src/models/open-network.node.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-networks-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const source = fileURLToPath(new URL("../fixtures/architectures/bert", import.meta.url));

/** A copy of a tiny BERT with another config or other weights. */
async function changed(
  name: string,
  config: object,
  weights: (tensors: Map<string, Tensor>) => void = () => {},
): Promise<string> {
  const path = join(folder, name);
  cpSync(source, path, { recursive: true });
  const own = JSON.parse(readFileSync(join(path, "config.json"), "utf8"));
  writeFileSync(join(path, "config.json"), JSON.stringify({ ...own, ...config }));
  const tensors = new Map((await loadSafetensors(join(source, "model.safetensors"))).tensors);
  weights(tensors);
  await saveSafetensors(join(path, "model.safetensors"), tensors);
  return path;
}

async function refusal(
  path: string,
  options: Partial<Parameters<typeof openNetwork>[1]> = {},
): Promise<DiapasonError> {
  const error = await openNetwork(path, { seed: 0, ...options }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DiapasonError);
  return error as DiapasonError;
}

const query = "bert.encoder.layer.1.attention.self.query.weight";

describe("a checkpoint that does not hold together", () => {
  test("a weight is missing", async () => {
    const error = await refusal(await changed("missing", {}, (tensors) => tensors.delete(query)));
    expect(error.code).toBe("models/missing-weight");
    expect(error.message).toContain(`no weight "${query}" [16, 16]`);
  });

  test("config and weights disagree", async () => {
    const error = await refusal(await changed("narrow", { hidden_size: 32 }));
    expect(error.code).toBe("models/weight-shape");
    expect(error.message).toMatch(/is \[\d+, 16\] .* makes it \[\d+, 32\]/);
  });

  test("the checkpoint has more layers than its config", async () => {
    const error = await refusal(await changed("fewer", { num_hidden_layers: 1 }));
    expect(error.code).toBe("models/bad-config");
    expect(error.message).toMatch(/makes 1 layer of "encoder.layer", .* has more: "bert.encoder.layer.1\./);
  });

  test("heads do not divide the width", async () => {
    const error = await refusal(await changed("heads", { num_attention_heads: 3 }));
    expect(error.code).toBe("models/bad-config");
    expect(error.message).toContain("3 heads of attention of a width of 16");
  });

  test("a weight holds whole numbers", async () => {
    const path = await changed("whole", {}, (tensors) =>
      tensors.set(query, int64([16, 16], new Array(256).fill(1))),
    );
    const error = await refusal(path);
    expect([error.code, error.message]).toEqual(["models/weight-type", expect.stringContaining("int64")]);
  });

  test("a field of the config cannot be", async () => {
    const error = await refusal(await changed("field", { num_attention_heads: "four" }));
    expect(error.code).toBe("models/bad-config");
    expect(error.message).toContain('num_attention_heads = "four"');
  });

  test("a variant is asked for that is not built", async () => {
    const error = await refusal(await changed("variant", { position_embedding_type: "relative_key" }));
    expect(error.code).toBe("models/bad-config");
    expect(error.message).toContain("position_embedding_type");
  });

  test("a type that nobody builds", async () => {
    const error = await refusal(await changed("type", { model_type: "brt" }));
    expect(error.code).toBe("models/unknown-architecture");
    expect(error.fix).toContain('"bert"');
  });

  test("a head that the architecture does not have", async () => {
    const error = await refusal(source, { head: "image-classification" });
    expect([error.code, error.message]).toEqual([
      "models/no-such-head",
      expect.stringContaining("sequence-classification"),
    ]);
  });
});

describe("what a checkpoint may differ in", () => {
  test("older names, half precision, and a head for other classes", async () => {
    const path = await changed("older", {}, (tensors) => {
      for (const [name, tensor] of [...tensors]) {
        const older = name
          .replace("LayerNorm.weight", "LayerNorm.gamma")
          .replace("LayerNorm.bias", "LayerNorm.beta");
        tensors.delete(name);
        const numbers = new Float32Array(Uint8Array.from(tensor.data.read()).buffer);
        const upper = new Uint16Array(new Uint8Array(numbers.buffer).buffer).filter((_, i) => i % 2 === 1);
        tensors.set(older, tensorOf("bfloat16", tensor.dims, upper));
      }
    });
    const model = await openNetwork(path, { seed: 0, labels: ["a", "b"] });
    expect([...model.network!.fresh].sort()).toEqual(["classifier.bias", "classifier.weight"]);
    expect(model.graph.get("classifier.weight").constant!.dims).toEqual([2, 16]);
    expect(model.graph.get(query).storedType).toBe("bfloat16");
    const kept = await openNetwork(path, { seed: 0 });
    expect(kept.network!.fresh.size).toBe(0);
  });

  test("other classes of the same number are other classes", async () => {
    const model = await openNetwork(source, { seed: 0, labels: ["x", "y", "z"] });
    expect([...model.network!.fresh].sort()).toEqual(["classifier.bias", "classifier.weight"]);
  });

  test("a bare body is read into a classifier, and a classifier's body alone", async () => {
    const bare = await changed("bare", { architectures: ["BertModel"] }, (tensors) => {
      for (const [name, tensor] of [...tensors]) {
        tensors.delete(name);
        if (name.startsWith("bert.")) tensors.set(name.slice(5), tensor);
      }
    });
    const classifier = await openNetwork(bare, {
      seed: 0,
      head: "sequence-classification",
      labels: ["a", "b"],
    });
    expect([...classifier.network!.fresh].every((name) => name.startsWith("classifier."))).toBe(true);
    const body = await openNetwork(source, { seed: 0, head: "features" });
    expect(body.parameters.every(({ name }) => !name.startsWith("bert."))).toBe(true);
    expect((await loadModel(bare)).output.name).toBe("last_hidden_state");
  });

  test("a network without a checkpoint begins with random weights, the same for the same seed", async () => {
    const first = await openNetwork(source, { seed: 1, labels: ["a", "b"] });
    const again = await openNetwork(source, { seed: 1, labels: ["a", "b"] });
    const other = await openNetwork(source, { seed: 2, labels: ["a", "b"] });
    const head = (model: typeof first) => [
      ...new Float32Array(Uint8Array.from(model.graph.get("classifier.weight").constant!.data.read()).buffer),
    ];
    expect(head(again)).toEqual(head(first));
    expect(head(other)).not.toEqual(head(first));
  });
});
