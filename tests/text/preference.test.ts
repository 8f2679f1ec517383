import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TuneInput, type TuneVerbEvent, tune } from "../../src/index.ts";
import { opinions, writeRows, writeTinyDecoder } from "./tiny-text.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-preference-"));
const at = (name: string) => join(folder, name);
beforeAll(() => writeTinyDecoder(at("decoder")));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function tuned(name: string, options: Omit<TuneInput, "out">) {
  const all: TuneVerbEvent[] = [];
  const settings = { task: "preference", plan: "full", batchSize: 8, epochs: 1 } as const;
  for await (const event of tune({ ...settings, out: at(name), run: at(`${name}-run`), ...options }))
    all.push(event);
  const typed = <T extends TuneVerbEvent["type"]>(type: T) =>
    all.find((event): event is Extract<TuneVerbEvent, { type: T }> => event.type === type)!;
  return { found: typed("found"), before: typed("before"), saved: typed("saved") };
}

const choices = opinions(48).map(({ isBook }) => ({
  prompt: `the ${isBook ? "book" : "film"} was `,
  chosen: "good .",
  rejected: "bad .",
}));

test("an adapter that is tuned on is measured from what it was, not from its base", async () => {
  const texts = opinions(48).map(({ text }) => ({ text }));
  const data = writeRows(at("texts"), "all.jsonl", texts);
  await tuned("first", {
    model: at("decoder"),
    data,
    task: "causal-lm",
    adapter: "lora",
    rank: 2,
    epochs: 4,
  });
  const pairs = writeRows(at("choices"), "all.jsonl", choices);
  const { found, before } = await tuned("second", { model: at("first/adapter"), data: pairs });
  expect(before.metrics).toMatchObject({ accuracy: 0, margin: 0 });
  expect(before.metrics["loss"]).toBeCloseTo(Math.log(2), 6);
  expect(found.notes).toContain("What is preferred is measured from the base with its adapter as it is now.");
});

test.each(["dora", "ia3"] as const)(
  "is learnt by %s, whose values are counted among those of the loss",
  async (adapter) => {
    const data = writeRows(at("choices"), "all.jsonl", choices);
    const { before, saved } = await tuned(adapter, { model: at("decoder"), data, adapter, epochs: 4 });
    expect(saved.after.metrics["loss"]).toBeLessThan(before.metrics["loss"]!);
  },
);

test("pairs whose answers are cut off are left out and counted", async () => {
  const prompt = "the film was good . ".repeat(3);
  const rows = [
    ...choices.slice(0, 30),
    { prompt, chosen: "good .", rejected: "bad ." },
    // the answers differ in their last word alone, which is not read
    { prompt: "the film was ", chosen: "a fine film . good", rejected: "a fine film . bad" },
  ];
  for (const name of ["train", "validation"]) writeRows(at("long"), `${name}.jsonl`, rows);
  const { found } = await tuned("cut", { model: at("decoder"), data: at("long"), maxTokens: 7 });
  const said = found.checks.filter(({ isFine }) => !isFine).map(({ what, found: text }) => [what, text]);
  expect(said).toEqual([
    [
      "mute",
      expect.stringMatching(
        /^1 of 32 training pairs are left out, such as .*train\.jsonl:31: an answer begins after the first 7 tokens/,
      ),
    ],
    [
      "alike",
      expect.stringMatching(/^1 of 32 .*train\.jsonl:32: both answers are the same within 7 tokens$/),
    ],
  ]);
  expect(found.checks[0]?.found).toBe("2 of 32 training texts are longer than 7 tokens (6.3 %)");
});

test("where no pair is left, the number of tokens is the reason that is given", async () => {
  const data = writeRows(at("mute"), "all.jsonl", choices);
  const mute = tuned("none", { model: at("decoder"), data, maxTokens: 3 });
  await expect(mute).rejects.toThrow("hold no two answers that differ within the first 3 tokens");
});
