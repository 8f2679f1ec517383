import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadSafetensors } from "../src/formats/safetensors.node.ts";
import { evaluate, type Saved, type TuneInput, tune } from "../src/index.ts";
import { assets, haveAssets } from "./assets.ts";
import { diapason } from "./cli/command-line.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-main-job-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A slice of the chest X-rays for a network that knows CIFAR-10. */
const slice = (name: string, more: Partial<TuneInput>): TuneInput => ({
  model: assets("models/resnet20-cifar10"),
  data: assets("data/pneumonia-xray"),
  out: join(folder, name),
  run: join(folder, `${name}-run`),
  limitPerClass: 96,
  augment: "none",
  epochs: 3,
  ...more,
});

async function tuned(options: TuneInput): Promise<Saved> {
  let saved: Saved | undefined;
  for await (const event of tune(options)) if (event.type === "saved") saved = event;
  return saved!;
}

const bytesOf = async (path: string) =>
  new Map(
    [...(await loadSafetensors(path)).tensors].map(([name, { data }]) => [
      name,
      Buffer.from(data.read()).toString("base64"),
    ]),
  );

describe.skipIf(!haveAssets)("the main job on real images (skipped without the real models and data)", () => {
  test("the head alone learns, and nothing else changes by a bit", { timeout: 120_000 }, async () => {
    const saved = await tuned(slice("head", { plan: "head", learningRate: 1e-2 }));
    // The new head guesses at 0.5.
    expect(saved.after.accuracy).toBeGreaterThan(0.72);
    expect(readdirSync(saved.out).sort()).toEqual(
      [
        "README.md",
        "config.json",
        "model.safetensors",
        "onnx",
        "preprocessor_config.json",
        "report.html",
      ].sort(),
    );
    const before = await bytesOf(assets("models/resnet20-cifar10/model.safetensors"));
    const after = await bytesOf(join(saved.out, "model.safetensors"));
    const changed = [...after].filter(([name, bytes]) => before.get(name) !== bytes).map(([name]) => name);
    expect(changed.sort()).toEqual(["linear.bias", "linear.weight"]);
    expect(after.size).toBeGreaterThan(90);
    const config = JSON.parse(readFileSync(join(saved.out, "config.json"), "utf8"));
    expect(config).toMatchObject({
      id2label: { 0: "normal", 1: "pneumonia" },
      label2id: { normal: 0, pneumonia: 1 },
    });
    // What was written is what was judged.
    for await (const event of evaluate({ model: saved.out, data: assets("data/pneumonia-xray") }))
      if (event.type === "evaluated") expect(event.metrics.accuracy).toBe(saved.after.accuracy);
  });

  test("everything moves and learns more", { timeout: 240_000 }, async () => {
    const saved = await tuned(slice("full", { plan: "full", learningRate: 1e-3 }));
    // X-rays look nothing like CIFAR-10: without being told to, it normalises by the batch.
    expect(readFileSync(join(saved.out, "README.md"), "utf8")).toMatch(/batchNorm.*training/);
    expect(saved.after.accuracy).toBeGreaterThan(0.75);
    expect(saved.pValue).toBeLessThan(0.01);
  });

  test("a run stopped by Ctrl-C goes on to the very same weights", { timeout: 240_000 }, async () => {
    const { model, data } = slice("x", {});
    const words = [
      "tune",
      "--model",
      model!,
      "--data",
      data!,
      "--plan",
      "full",
      "--epochs",
      "2",
      "--limit-per-class",
      "64",
    ];
    const whole = await diapason([...words, "--out", "whole", "--run", "whole-run"], { cwd: folder });
    expect(whole.code).toBe(0);
    let isSent = false;
    const stopped = await diapason([...words, "--out", "parts", "--run", "parts-run", "--json"], {
      cwd: folder,
      onOutput(text, child) {
        if (!isSent && /"type":"step".*"step":5,/.test(text)) isSent = child.kill("SIGINT");
      },
    });
    expect([stopped.code, stopped.err]).toEqual([130, expect.stringContaining("resume")]);
    expect(readdirSync(folder)).not.toContain("parts");
    const resumed = await diapason(["resume", "parts-run"], { cwd: folder });
    expect([resumed.code, resumed.out]).toEqual([0, expect.stringContaining("Going on from step")]);
    const weights = (name: string) => readFileSync(join(folder, name, "model.safetensors"));
    expect(weights("parts").equals(weights("whole"))).toBe(true);
    const again = await diapason(["resume", "parts-run"], { cwd: folder });
    expect(again.code).toBe(2);
  });
});
