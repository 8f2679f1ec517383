import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TuneInput, type TuneVerbEvent, tune } from "../../src/index.ts";
import { opinions, writeRows, writeTinyEncoder } from "../text/tiny-text.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-all-train-"));
const at = (name: string) => join(folder, name);
const rows = opinions(60).map(({ text, isGood }) => ({ text, label: isGood ? "good" : "bad" }));

beforeAll(async () => {
  await writeTinyEncoder(at("encoder"));
  for (const name of ["alone", "with-test"]) mkdirSync(at(name));
  writeRows(at("alone"), "train.jsonl", rows);
  writeRows(at("with-test"), "train.jsonl", rows.slice(0, 44));
  writeRows(at("with-test"), "test.jsonl", rows.slice(44));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function eventsOf(name: string, options: Partial<TuneInput>): Promise<TuneVerbEvent[]> {
  const events: TuneVerbEvent[] = [];
  const folders = { model: at("encoder"), data: at("with-test"), out: at(name), run: at(`${name}-run`) };
  const settings = { task: "text-classification", plan: "full", epochs: 2, batchSize: 8 } as const;
  for await (const event of tune({ ...folders, ...settings, validationShare: 0, ...options }))
    events.push(event);
  return events;
}

test("every example trains, the last step is kept, and the test split proves it", async () => {
  const events = await eventsOf("all", {});
  const found = events.find(({ type }) => type === "found");
  expect(found).toMatchObject({ data: { examples: { train: 44, validation: 0, test: 16 } } });
  expect(found).toMatchObject({ notes: expect.arrayContaining([expect.stringContaining("last step")]) });
  expect(events.filter(({ type }) => type === "evaluation")).toEqual([]);
  expect(events.at(-1)).toMatchObject({ type: "saved", split: "test", after: { examples: 16 } });
  // 44 texts in batches of 8 make 6 steps an epoch
  expect(events.find(({ type }) => type === "run-end")).toMatchObject({ step: 12 });
  const steps = events.flatMap((event) => (event.type === "checkpoint" ? [event.step] : []));
  expect(steps.at(-1)).toBe(12);
  const report = readFileSync(at("all/report.html"), "utf8");
  expect(report).toContain("training");
  expect(report).not.toMatch(/Accuracy on the validation|>validation</);
});

test("what would leave nothing to judge by is refused before anything is written", async () => {
  await expect(eventsOf("blind", { data: at("alone") })).rejects.toMatchObject({
    code: "app/nothing-held-out",
    message: expect.stringContaining("none of its texts are held out for validation (validationShare 0)"),
  });
  for (const option of ["patience", "evaluateEvery"] as const)
    await expect(eventsOf("blind", { [option]: 3 })).rejects.toMatchObject({
      code: "app/nothing-held-out",
      message: expect.stringContaining(`"${option}" is 3`),
    });
  expect(["blind", "blind-run"].map((name) => existsSync(at(name)))).toEqual([false, false]);
});
