import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env, pipeline } from "@huggingface/transformers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { unpackDigits } from "../../src/app/demo/data.node.ts";
import { random } from "../../src/base/random.ts";
import { saveOnnx } from "../../src/formats/onnx/file.node.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph } from "../../src/graph/ir.ts";
import { float32, sizeOf } from "../../src/graph/tensor.ts";
import { evaluate, exportModel, predict, tune } from "../../src/index.ts";
import { opinions, writeRows, writeTinyDecoder, writeTinyEncoder } from "../text/tiny-text.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-export-js-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(() => {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = folder;
});

type Exported = Extract<
  ReturnType<typeof exportModel> extends AsyncGenerator<infer E> ? E : never,
  { type: "exported" }
>;

async function exported(options: Parameters<typeof exportModel>[0]): Promise<Exported[]> {
  const events: Exported[] = [];
  for await (const event of exportModel(options)) if (event.type === "exported") events.push(event);
  return events;
}

interface Said {
  readonly label: string;
  readonly score: number;
}

/** What Diapason says of each input: the likeliest label. */
async function ours(model: string, inputs: readonly string[]): Promise<Said[]> {
  const said: Said[] = [];
  for await (const event of predict({ model: at(model), inputs: [...inputs] }))
    if (event.type === "prediction")
      said.push({ label: event.labels[0]!.label, score: event.labels[0]!.probability });
  return said;
}

/** The first picture of a folder. */
const firstImage = (path: string): string => join(path, readdirSync(path).sort()[0]!);

/** How far the probability of a form may be from float32's. */
const forms = [
  ["fp32", 1e-4],
  ["fp16", 5e-3],
  ["q8", 0.05],
  ["q4", 0.1],
  ["q4f16", 0.1],
] as const;
const formats = ["fp16", "int8", "q4", "q4f16"] as const;

describe("text-classification", () => {
  const texts = ["the film was poor", "the book was fine .", "the book was bad", "the film was good ."];
  let written: Exported[] = [];
  let said: Said[] = [];
  beforeAll(async () => {
    await writeTinyEncoder(at("encoder"), 64);
    const rows = opinions(96).map(({ text, isGood }) => ({ text, label: isGood ? "good" : "bad" }));
    const data = writeRows(at("rows"), "reviews.jsonl", rows);
    const run = at("classifier-run");
    const settings = { plan: "full", learningRate: 2e-3, epochs: 3, batchSize: 8 } as const;
    const task = "text-classification";
    for await (const _ of tune({
      ...settings,
      model: at("encoder"),
      data,
      task,
      out: at("classifier"),
      run,
    }));
    written = await exported({ model: at("classifier"), to: [...formats], run });
    said = await ours("classifier", texts);
  }, 120_000);

  test("each form is measured on the examples of the run, and loses little", () => {
    expect(written.map(({ format }) => format)).toEqual(formats);
    for (const { format, quality, bytes, path } of written) {
      expect(bytes).toBe(statSync(path).size);
      expect(quality!.before["accuracy"], format).toBe(1);
      expect(quality!.after["accuracy"], format).toBeGreaterThan(0.95);
      expect(quality!.after["nll"], format).not.toBe(quality!.before["nll"]);
    }
  });

  test.each(forms)("transformers.js says the same in %s", async (dtype, within) => {
    const classify = await pipeline("text-classification", "classifier", { dtype });
    const theirs = (await classify(texts)) as Said[];
    await classify.dispose();
    expect(theirs.map(({ label }) => label)).toEqual(said.map(({ label }) => label));
    for (const [i, { score }] of theirs.entries())
      expect(Math.abs(score - said[i]!.score)).toBeLessThan(within);
  });
});

/** A convolution and a dense layer for pictures of 8 by 8, with random weights. */
function tinyImageNetwork(): Graph {
  const graph = new Graph("images", [["", 21]]);
  const g = new GraphBuilder(graph);
  const weight = (name: string, dims: readonly number[], deviation: number) => {
    const draw = random(4, name);
    const values = Float32Array.from({ length: sizeOf(dims) }, () => deviation * draw.normal());
    return graph.addInitializer(name, float32(dims, values));
  };
  const x = graph.addInput("pixel_values", "float32", ["batch", 3, 8, 8]);
  const kernel = [weight("stem.weight", [40, 3, 3, 3], 0.3), weight("stem.bias", [40], 0)];
  const maps = g.op("Relu", [g.op("Conv", [x, ...kernel], { kernel_shape: [3, 3] })]);
  const dense = [weight("classifier.weight", [10, 1440], 0.03), weight("classifier.bias", [10], 0)];
  graph.addOutput(g.op("Gemm", [g.op("Flatten", [maps], { axis: 1 }), ...dense], { transB: 1 }, ["logits"]));
  return graph;
}

describe("image-classification", () => {
  const look = { size: 8, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
  let images: string[] = [];
  let written: Exported[] = [];
  let said: Said[] = [];
  beforeAll(async () => {
    await saveOnnx(tinyImageNetwork(), at("images.onnx"));
    await unpackDigits(at("digits"), { perClass: 30, validationPerClass: 2, seed: 0 });
    const run = at("digits-run");
    const settings = { plan: "full", epochs: 6, batchSize: 16, augment: "none", learningRate: 3e-3 } as const;
    for await (const _ of tune({
      ...settings,
      ...look,
      model: at("images.onnx"),
      data: at("digits"),
      out: at("tuned"),
      run,
    }));
    written = await exported({ model: at("tuned"), to: [...formats], data: at("digits"), split: "test" });
    images = ["0", "1", "4", "7", "9"].map((name) => firstImage(join(at("digits"), "test", name)));
    said = await ours("tuned", images);
  }, 180_000);

  test("each form is measured on the examples that are given", () => {
    for (const { format, quality } of written) {
      expect(quality!.split).toBe("test");
      expect(quality!.before["accuracy"]! - quality!.after["accuracy"]!, format).toBeLessThan(0.02);
    }
  });

  test.each(forms)("transformers.js says the same in %s", async (dtype, within) => {
    const classify = await pipeline("image-classification", "tuned", { dtype });
    for (const [i, image] of images.entries()) {
      const [best] = (await classify(image)) as Said[];
      expect(best!.label).toBe(said[i]!.label);
      expect(Math.abs(best!.score - said[i]!.score)).toBeLessThan(within);
    }
    await classify.dispose();
  });
});

describe("text-generation", () => {
  const prompts = ["the book", "the", "a film was"];
  const names = { fp32: "onnx", fp16: "fp16", q8: "int8", q4: "q4", q4f16: "q4f16" } as const;
  let written: Exported[] = [];
  let data = "";
  beforeAll(async () => {
    await writeTinyDecoder(at("decoder"), 64);
    data = writeRows(
      at("rows"),
      "stories.jsonl",
      opinions(96).map(({ text }) => ({ text })),
    );
    const run = at("writer-run");
    const settings = { task: "causal-lm", plan: "full", learningRate: 5e-3, batchSize: 8 } as const;
    for await (const _ of tune({
      ...settings,
      model: at("decoder"),
      data,
      epochs: 10,
      out: at("writer"),
      run,
    }));
    // of data that no run split all rows are judged, as evaluate judges them
    cpSync(data, at("apart.jsonl"));
    written = await exported({ model: at("writer"), to: [...formats], run, data: at("apart.jsonl") });
  }, 120_000);

  test("what a form loses is that of the file that was written", async () => {
    for (const { format, quality } of written) {
      const form = format as (typeof formats)[number];
      for await (const event of evaluate({ model: at("writer"), data, form }))
        if (event.type === "scored") expect(event.metrics, format).toEqual(quality!.after);
      expect(quality!.after["perplexity"]! / quality!.before["perplexity"]!, format).toBeLessThan(1.2);
      expect(quality!.after["loss"], format).not.toBe(quality!.before["loss"]);
    }
  });

  test.each(forms)("transformers.js writes the same in %s", async (dtype) => {
    const write = await pipeline("text-generation", "writer", { dtype });
    const ours: string[] = [];
    for await (const event of predict({
      model: at("writer"),
      inputs: prompts,
      form: names[dtype],
      maxNewTokens: 6,
    }))
      if (event.type === "generated") ours.push(event.prompt + event.text);
    for (const [i, prompt] of prompts.entries()) {
      const [theirs] = (await write(prompt, { max_new_tokens: 6, do_sample: false })) as {
        readonly generated_text: string;
      }[];
      // transformers.js takes out spaces before full stops.
      expect(ours[i]!.replaceAll(" .", ".")).toBe(theirs!.generated_text);
    }
    await write.dispose();
  });

  test("what computes is the file, also where it is named as the model", async () => {
    const file = at("writer/onnx/model_q4.onnx");
    const said = async (options: Partial<Parameters<typeof predict>[0]>) => {
      for await (const event of predict({ model: at("writer"), inputs: ["the"], ...options }))
        if (event.type === "generated") return event.text;
      return undefined;
    };
    expect(await said({ model: file })).toBe(await said({ form: "q4" }));
    writeFileSync(file, "no graph");
    await expect(said({ form: "q4" })).rejects.toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^formats/) as string }),
    );
    expect(await said({})).toMatch(/ was /);
    rmSync(file);
    await expect(said({ form: "q4" })).rejects.toThrow(expect.objectContaining({ code: "models/not-found" }));
  });
});

describe("what is there, and what is not", () => {
  test("a file that exists is kept, unless it may be replaced", async () => {
    await expect(exported({ model: at("tuned"), to: ["int8"] })).rejects.toThrow(
      expect.objectContaining({ code: "app/file-exists" }),
    );
    expect(await exported({ model: at("tuned"), to: ["int8"], force: true, run: at("none") })).toHaveLength(
      1,
    );
  });

  test("without examples nothing is measured, and a note says so", async () => {
    const notes: string[] = [];
    for await (const event of exportModel({
      model: at("tuned"),
      to: ["onnx"],
      out: at("else"),
      run: at("none"),
    }))
      if (event.type === "note") notes.push(event.message);
      else if (event.type === "exported") expect(event.quality).toBeUndefined();
    expect(notes).toContainEqual(expect.stringMatching(/^What is lost is not measured: there is no run in /));
    expect(statSync(at("else/onnx/model.onnx")).size).toBeGreaterThan(1000);
  });

  test("another folder gets what belongs to the model, so that it can be loaded", async () => {
    await exported({ model: at("classifier"), to: ["int8"], out: at("apart"), run: at("none") });
    const classify = await pipeline("text-classification", "apart", { dtype: "q8" });
    const [best] = (await classify("the film was poor")) as Said[];
    await classify.dispose();
    expect(best!.label).toBe("bad");
  });

  test("weights alone are written under the names of the checkpoint", async () => {
    const [written] = await exported({
      model: at("classifier"),
      to: ["safetensors"],
      out: at("weights"),
      run: at("none"),
    });
    expect(written!.bytes).toBe(statSync(at("classifier/model.safetensors")).size);
  });
});
