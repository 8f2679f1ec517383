import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DemoDone, DemoEvent } from "../src/app/demo/events.ts";
import { demo } from "../src/app/demo.node.ts";

describe("demo, with one labelled image of each digit", () => {
  let out: string;
  const events: DemoEvent[] = [];

  beforeAll(async () => {
    out = join(await mkdtemp(join(tmpdir(), "diapason-demo-")), "demo");
    for await (const event of demo.run({ out, perClass: 1 })) events.push(event);
  }, 120_000);
  afterAll(() => rm(join(out, ".."), { recursive: true, force: true }));

  test("trains the tuned arm, then the one from scratch, for as many steps", () => {
    expect(events.flatMap((e) => (e.type === "demo-arm" ? [e.arm] : []))).toEqual(["pretrained", "scratch"]);
    const ends = events.filter((e) => e.type === "run-end");
    expect(ends.map((e) => e.reason)).toEqual(["completed", "completed"]);
    expect(ends[0]!.step).toBe(ends[1]!.step);
  });

  test("thaws from the top: each stage moves all that the one before moved", () => {
    const scratch = events.findIndex((e) => e.type === "demo-arm" && e.arm === "scratch");
    const moving = events
      .slice(0, scratch)
      .flatMap((e) => (e.type === "stage-start" ? [e.blocks.map((b) => b.name)] : []));
    expect(moving[0]).toEqual(["head"]);
    for (const [i, blocks] of moving.entries()) {
      expect(blocks.at(-1)).toBe("head");
      expect(blocks).toEqual(expect.arrayContaining(moving[i - 1] ?? []));
    }
    expect(moving.at(-1)).toContain("stem");
  });

  test("ends with both curves and accuracies, in a report and in demo.json", async () => {
    const done = events.at(-1) as DemoDone;
    expect(done.type).toBe("demo");
    for (const { curve, test: scores } of Object.values(done.results)) {
      expect(curve.length).toBeGreaterThan(2);
      expect(scores.examples).toBe(1000);
      expect(scores.accuracy).toBeGreaterThan(0.1);
    }
    expect(done.results.pretrained.test.accuracy).toBeGreaterThan(done.results.scratch.test.accuracy);
    const page = await readFile(done.report, "utf8");
    const cards = [...page.matchAll(/<div><b>[^<]*<\/b><span>([^<]*)/g)].map(([, label]) => label!);
    const about = cards.map((label) => label.split(",")[0]);
    expect(about.filter((what) => what === "training")).toHaveLength(2);
    expect(cards.every((label) => !/\d steps/.test(label))).toBe(true);
    expect(page).toContain("blocks: top:2, epochs: ");
    for (const text of ["Accuracy by seconds", "Accuracy by images seen", "from scratch", "CC BY 4.0"])
      expect(page).toContain(text);
    expect(existsSync(join(done.model, "onnx", "model.onnx"))).toBe(true);
    expect(JSON.parse(await readFile(join(out, "demo.json"), "utf8"))).toEqual(
      JSON.parse(JSON.stringify(done)),
    );
  });

  test("refuses a folder that no demo made", async () => {
    const other = await mkdtemp(join(out, "..", "other-"));
    await writeFile(join(other, "thesis.txt"), "");
    await expect(demo.run({ out: other }).next()).rejects.toMatchObject({ code: "models/output-exists" });
  });
});
