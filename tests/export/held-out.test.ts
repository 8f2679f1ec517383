import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { random } from "../../src/base/random.ts";
import { exportModel, type Saved, type TuneInput, tune } from "../../src/index.ts";
import { opinions, writeRows, writeTinyEncoder } from "../text/tiny-text.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-held-out-"));
const at = (name: string) => join(folder, name);
beforeAll(() => writeTinyEncoder(at("encoder")));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function tuned(name: string, options: Omit<TuneInput, "out">): Promise<Saved> {
  let saved: Saved | undefined;
  const settings = { plan: "full", epochs: 2, batchSize: 8, seed: 3 } as const;
  for await (const event of tune({ ...settings, out: at(name), run: at(`${name}-run`), ...options }))
    if (event.type === "saved") saved = event;
  return saved!;
}

async function measured(name: string, options: { readonly data?: string; readonly split?: "all" } = {}) {
  const folders = { model: at(name), run: at(`${name}-run`) };
  for await (const event of exportModel({ ...folders, to: ["fp16"], force: true, ...options }))
    if (event.type === "exported") return event.quality!;
  throw new Error("nothing was written");
}

/** What the run proved itself by is what the export measures: the same rows, to the last digit that order leaves. */
async function expectHeldOut(name: string, saved: Saved): Promise<void> {
  expect(saved.split).toBe("validation");
  const { split, before } = await measured(name);
  expect(split).toBe("validation");
  const { nll, accuracy } = saved.after;
  expect(before["accuracy"]).toBe(accuracy);
  expect(before["nll"]).toBeCloseTo(nll!, 5);
}

test("texts that a run held out, also of a part of the data", async () => {
  const rows = opinions(90).map(({ text, isGood }, i) => ({
    text,
    label: isGood || i % 7 === 0 ? "a" : "b",
  }));
  const data = writeRows(at("texts"), "all.jsonl", rows);
  const options = { model: at("encoder"), data, task: "text-classification", validationShare: 0.3 } as const;
  const saved = await tuned("classifier", { ...options, limit: 60 });
  await expectHeldOut("classifier", saved);
  const named = await measured("classifier", { data });
  expect(named.before["nll"]).toBeCloseTo(saved.after.nll!, 5);
  const all = await measured("classifier", { split: "all" });
  expect(all.split).toBe("all");
  expect(all.before["nll"]).not.toBeCloseTo(saved.after.nll!, 5);
  // other data, of which the run knows nothing
  const other = writeRows(at("others"), "all.jsonl", rows.slice(0, 20));
  expect((await measured("classifier", { data: other })).split).toBe("all");
});

test("images that a run held out", async () => {
  for (const name of ["red", "green"]) {
    mkdirSync(at(`images/${name}`), { recursive: true });
    for (let i = 0; i < 8; i++) {
      const { uniform } = random(i, "picture", name);
      const pixels = Uint8Array.from({ length: 16 * 16 * 3 }, () => 255 * uniform());
      await sharp(pixels, { raw: { width: 16, height: 16, channels: 3 } })
        .png()
        .toFile(at(`images/${name}/${i}.png`));
    }
  }
  const model = fileURLToPath(new URL("../fixtures/architectures/vit", import.meta.url));
  await expectHeldOut(
    "viewer",
    await tuned("viewer", { model, data: at("images"), augment: "none", validationShare: 0.25 }),
  );
});
