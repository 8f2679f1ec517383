import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { predict } from "../../src/index.ts";
import { writeRows, writeTinyDecoder } from "./tiny-text.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-generation-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Options = Parameters<typeof predict>[0];

beforeAll(async () => {
  await writeTinyDecoder(at("decoder"));
  const path = at("decoder/tokenizer_config.json");
  const config = JSON.parse(readFileSync(path, "utf8")) as object;
  const template =
    "{% for m in messages %}{{ '[CLS]' + m.content + '[SEP]' }}{% endfor %}{% if add_generation_prompt %}[CLS]{% endif %}";
  writeFileSync(path, JSON.stringify({ ...config, chat_template: template }));
});

async function written(inputs: readonly string[], options: Partial<Options> = {}) {
  const texts: string[] = [];
  const notes: string[] = [];
  const settings = { model: at("decoder"), task: "causal-lm", maxNewTokens: 6, ...options } as const;
  for await (const event of predict({ ...settings, inputs: [...inputs] }))
    if (event.type === "generated") texts.push(event.text);
    else if (event.type === "note") notes.push(event.message);
  return { texts, notes };
}

describe("what predict goes on with", () => {
  test("the size of the batches changes nothing", async () => {
    const inputs = ["the", "the book was good", "anna lives in", "a film", "the"];
    for (const how of [{}, { temperature: 2, seed: 4 }]) {
      const together = await written(inputs, how);
      expect(together.texts).toHaveLength(5);
      expect((await written(inputs, { ...how, batchSize: 1 })).texts).toEqual(together.texts);
    }
  });

  test("the same prompt given twice is drawn twice", async () => {
    const { texts } = await written(["the book", "the book"], { temperature: 3 });
    expect(texts[0]).not.toBe(texts[1]);
  });

  test("rows of prompts, of instructions, and of conversations up to their last answer", async () => {
    const user = { role: "user", content: "the book" };
    const rows = {
      prompt: [{ prompt: "the book" }],
      instruction: [{ instruction: "the book" }],
      open: [{ messages: [user] }],
      answered: [{ messages: [user, { role: "assistant", content: "was good" }] }],
    };
    const [prompt, ...chats] = await Promise.all(
      Object.entries(rows).map(async ([name, lines]) => {
        const file = writeRows(at("rows"), `${name}.jsonl`, lines);
        return (await written([file])).texts;
      }),
    );
    expect(prompt).toEqual((await written(["the book"])).texts);
    const chat = (await written(["the book"], { chat: true })).texts;
    for (const texts of chats) expect(texts).toEqual(chat);
    expect(chat).not.toEqual(prompt);
  });

  test("a text that is to end it does, and is left out", async () => {
    const [whole] = (await written(["the book"])).texts;
    const last = whole!.trim().split(" ").at(-1)!;
    const [cut] = (await written(["the book"], { stop: ["nowhere", last] })).texts;
    expect(cut).toBe(whole!.slice(0, whole!.indexOf(last)));
  });

  test("tokens that generation_config.json names end a text", async () => {
    const [whole] = (await written(["the book"])).texts;
    const words = whole!.trim().split(" ");
    const tokenizer = JSON.parse(readFileSync(at("decoder/tokenizer.json"), "utf8")) as {
      readonly model: { readonly vocab: Readonly<Record<string, number>> };
    };
    const ends = [3, tokenizer.model.vocab[words[1]!]!];
    writeFileSync(at("decoder/generation_config.json"), JSON.stringify({ eos_token_id: ends }));
    const [cut] = (await written(["the book"])).texts;
    rmSync(at("decoder/generation_config.json"));
    expect(cut!.trim()).toBe(words.slice(0, words.indexOf(words[1]!)).join(" "));
  });

  test("what the model has no places for is said", async () => {
    const long = Array.from({ length: 40 }, () => "good").join(" ");
    const { texts, notes } = await written([long, "the"], { maxNewTokens: 12 });
    expect(notes).toContain("Of 1 prompt only the last 20 tokens are read; --max-tokens sets it.");
    expect(texts).toHaveLength(2);
    const more = await written(["the book was good"], { maxNewTokens: 100 });
    expect(more.notes.join()).not.toContain("only the last");
    expect(more.notes).toContain(
      "The model takes 32 tokens, the prompt included, so it writes 28 and not 100.",
    );
  });
});
