import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadNpz, saveNpz } from "../../src/formats/npz.node.ts";
import { loadOnnx } from "../../src/formats/onnx/file.node.ts";
import { loadSafetensors } from "../../src/formats/safetensors.node.ts";
import { float32, tensorOf } from "../../src/graph/tensor.ts";
import { predict, report, resume, type Saved, type TuneVerbEvent, tune } from "../../src/index.ts";
import { policyExamples, tinyPolicy } from "./tiny-policy.ts";
import { eventsOf, policyFolder, savedOf, scoresOf } from "./tools.ts";

const { at, base } = policyFolder();

const weights = (name: string) => readFileSync(at(name, "model.safetensors"));

describe("a graph tuned by a declared loss", () => {
  test("learns, keeps its interface, and moves only what the loss reads", async () => {
    const all = await eventsOf(base("plain", { metric: ["r2:action=wanted"] }));
    const saved = all.at(-1) as Saved;
    expect(saved.after.metrics["loss"]).toBeLessThan(saved.before.metrics["loss"]! / 5);
    expect(saved.after.metrics["r2"]).toBeGreaterThan(0.8);
    expect([saved.unit, saved.goal, saved.split, saved.after.examples]).toEqual([
      "examples",
      "r2",
      "validation",
      25,
    ]);
    expect(saved.pValue).toBeLessThan(0.01);
    const found = all[0] as Extract<TuneVerbEvent, { type: "found" }>;
    expect(found.data.examples).toEqual({ train: 225, validation: 25, test: 0 });
    expect(found.data.arrays).toContain('"wanted" float64 [examples, 2]');
    expect(found.notes.join(" ")).toContain("neither the model nor the loss reads: return, label");
    const graph = await loadOnnx(at("plain/onnx/model.onnx"));
    expect(graph.inputs.map(({ name }) => name)).toEqual(["obs", "memory"]);
    expect(graph.outputs.map(({ name }) => name)).toEqual(["action", "value", "gait", "version"]);
    const original = tinyPolicy();
    const moved = [...original.initializers]
      .filter(({ name, constant }) => {
        const now = graph.find(name)?.constant;
        return now && Buffer.compare(now.data.read(), constant!.data.read()) !== 0;
      })
      .map(({ name }) => name);
    expect(moved.sort()).toEqual([
      "actor.bias",
      "actor.weight",
      "body.0.bias",
      "body.0.weight",
      "body.1.bias",
      "body.1.weight",
    ]);
    expect(readdirSync(saved.out).sort()).toEqual([
      "README.md",
      "config.json",
      "model.safetensors",
      "onnx",
      "report.html",
    ]);
    expect(readFileSync(join(saved.out, "README.md"), "utf8")).toContain("`mse:action=wanted`");
    expect(readFileSync(saved.report, "utf8")).toContain("r2 on the validation examples");
    expect((await loadSafetensors(at("plain/model.safetensors"))).tensors.has("critic.weight")).toBe(true);
  });

  test("evaluate and predict need no more than the folder and arrays", async () => {
    await saveNpz(at("new.npz"), policyExamples(37, "new"));
    const whole = await scoresOf({
      model: at("plain"),
      data: at("new.npz"),
      predictions: at("losses.jsonl"),
    });
    const small = await scoresOf({ model: at("plain"), data: at("new.npz"), batchSize: 5 });
    expect(small.metrics["loss"]).toBeCloseTo(whole.metrics["loss"]!, 6);
    expect(small.metrics["r2"]).toBeCloseTo(whole.metrics["r2"]!, 6);
    const lines = readFileSync(at("losses.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { id: string; loss: number });
    expect(lines).toHaveLength(37);
    expect(lines.reduce((sum, { loss }) => sum + loss, 0) / 37).toBeCloseTo(whole.metrics["loss"]!, 6);
    expect(whole.worst[0]).toEqual(lines.toSorted((a, b) => b.loss - a.loss)[0]);

    for await (const event of predict({ model: at("plain"), inputs: [at("new.npz")], out: at("said.npz") }))
      if (event.type === "written")
        expect(event.outputs.map(({ name }) => name)).toEqual(["action", "value", "gait"]);
    const said = await loadNpz(at("said.npz"));
    const action = new Float32Array(new Uint8Array(said.get("action")!.data.read()).buffer);
    const wanted = new Float64Array(
      new Uint8Array(policyExamples(37, "new").get("wanted")!.data.read()).buffer,
    );
    const mse = action.reduce((sum, x, i) => sum + (x - wanted[i]!) ** 2, 0) / action.length;
    expect(mse).toBeCloseTo(whole.metrics["loss"]!, 6);
    // Only what the outputs asked for need is read: no "wanted" in these arrays.
    writeFileSync(at("two.jsonl"), '{"obs": [0, 0, 0, 0]}\n{"obs": [1, 2, 3, 4]}\n');
    const printed: unknown[] = [];
    for await (const event of predict({ model: at("plain"), inputs: [at("two.jsonl")], outputs: ["value"] }))
      if (event.type === "outputs") printed.push(event);
    expect(printed).toEqual([
      { type: "outputs", id: "two.jsonl#0", outputs: { value: [expect.any(Number)] } },
      { type: "outputs", id: "two.jsonl#1", outputs: { value: [expect.any(Number)] } },
    ]);
    for await (const _ of predict({ model: at("plain"), inputs: [at("two.jsonl")], out: at("said.jsonl") }))
      void _;
    expect(JSON.parse(readFileSync(at("said.jsonl"), "utf8").split("\n")[1]!).value).toEqual(
      (printed[1] as { outputs: { value: number[] } }).outputs.value,
    );
  });

  test("a sum over several outputs, judged on a test split", async () => {
    mkdirSync(at("splits"));
    await saveNpz(at("splits/train.npz"), policyExamples(150));
    await saveNpz(at("splits/validation.npz"), policyExamples(40, "validation"));
    await saveNpz(at("splits/test.npz"), policyExamples(50, "test"));
    const saved = await savedOf(
      base("sum", {
        data: at("splits"),
        loss: "mse:action=wanted + 0.5*huber(delta=2):value=return + 0.2*cross-entropy:gait=label",
        metric: ["accuracy:gait=label", "mae:action=wanted", "mae:value=return"],
        epochs: 25,
      }),
    );
    expect([saved.split, saved.after.examples, saved.goal]).toEqual(["test", 50, "accuracy"]);
    expect(Object.keys(saved.after.metrics)).toEqual(["loss", "accuracy", "mae:action", "mae:value"]);
    expect(saved.after.metrics["accuracy"]).toBeGreaterThan(saved.before.metrics["accuracy"]! + 0.2);
    expect(saved.after.metrics["mae:value"]).toBeLessThan(saved.before.metrics["mae:value"]!);
    const judged = await scoresOf({ model: at("sum"), data: at("splits"), split: "test" });
    expect(judged.metrics).toEqual(saved.after.metrics);
    await expect(scoresOf({ model: at("sum"), data: at("splits"), split: "all" })).rejects.toThrow(
      "files of their own",
    );
    rmSync(at("splits/test.npz"));
    const held = await scoresOf({ model: at("sum"), data: at("splits") });
    expect([held.split, held.examples]).toEqual(["validation", 40]);
  });

  test("arrays may weigh examples and mask elements", async () => {
    const weighted = policyExamples(60);
    // Half of the targets are wrong, and do not count.
    const wrong = new Float64Array(new Uint8Array(weighted.get("wanted")!.data.read()).buffer);
    for (let i = 60; i < 120; i++) wrong[i] = 1000;
    weighted.set("wanted", tensorOf("float64", [60, 2], wrong));
    weighted.set(
      "weights",
      float32(
        [60],
        Float32Array.from({ length: 60 }, (_, i) => Number(i < 30)),
      ),
    );
    await saveNpz(at("weighted.npz"), weighted);
    const saved = await savedOf(base("weighted", { data: at("weighted.npz"), epochs: 20 }));
    expect(saved.after.metrics["loss"]).toBeLessThan(1);
    weighted.set("counts", weighted.get("weights")!);
    weighted.delete("weights");
    await saveNpz(at("masked.npz"), weighted);
    const masked = await savedOf(
      base("masked", { data: at("masked.npz"), loss: "mse(mask=counts):action=wanted", epochs: 20 }),
    );
    expect(masked.after.metrics["loss"]).toBeCloseTo(saved.after.metrics["loss"]!, 4);
  });

  test("a stopped run goes on to the very same weights", async () => {
    await savedOf(base("whole", { seed: 3 }));
    const stop = new AbortController();
    for await (const event of tune(base("parts", { seed: 3 }), { signal: stop.signal }))
      if (event.type === "step" && event.step === 11) stop.abort();
    expect(existsSync(at("parts"))).toBe(false);
    let end: TuneVerbEvent | undefined;
    for await (const event of resume({ run: at("parts-run") })) end = event;
    expect(end?.type).toBe("saved");
    expect(weights("parts").equals(weights("whole"))).toBe(true);
    // A recipe keeps what its task takes, and nothing of other tasks.
    const recipe = readFileSync(at("parts-run/recipe.yaml"), "utf8");
    expect(recipe).toContain("loss: mse:action=wanted");
    expect(recipe).not.toContain("augment");
    for await (const event of report({ run: at("parts-run"), out: at("again.html") }))
      expect(event.finished).toBe(true);
  });
});
