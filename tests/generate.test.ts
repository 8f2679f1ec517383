import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openGenerator } from "../src/evaluate/generate.ts";
import { openNetwork } from "../src/models/open-network.node.ts";
import { cpuRuntime } from "../src/runtime/cpu.node.ts";
import { assets, haveAssets } from "./assets.ts";

interface Greedy {
  readonly prompt: readonly number[];
  readonly tokens: readonly number[];
}

const fixtures = fileURLToPath(new URL("fixtures", import.meta.url));
const { tiny, stories260k } = JSON.parse(readFileSync(`${fixtures}/greedy.json`, "utf8")) as {
  readonly tiny: Readonly<Record<string, Greedy>>;
  readonly stories260k: Greedy;
};

/** The likeliest tokens after a prompt. */
async function greedy(folder: string, { prompt, tokens }: Greedy): Promise<number[]> {
  const runtime = await cpuRuntime();
  try {
    const model = await openNetwork(folder, { seed: 0 });
    const generator = await openGenerator(model, runtime);
    const found: number[] = [];
    const sampling = {
      temperature: 0,
      topK: 0,
      topP: 1,
      repetitionPenalty: 1,
      stop: new Set<number>(),
      seed: 0,
    };
    const next = generator.generate(Int32Array.from(prompt), { ...sampling, maxTokens: tokens.length });
    for await (const token of next) found.push(token);
    await generator.dispose();
    return found;
  } finally {
    await runtime.dispose();
  }
}

test.each(Object.entries(tiny))("%s goes on as transformers' generate does", async (name, expected) => {
  expect(expected.tokens.length).toBe(16);
  expect(await greedy(`${fixtures}/architectures/${name}`, expected)).toEqual(expected.tokens);
});

test.skipIf(!haveAssets)(
  "a real model goes on as transformers' generate does (skipped without it)",
  async () => {
    expect(stories260k.tokens.length).toBe(60);
    expect(await greedy(assets("models/stories260k"), stories260k)).toEqual(stories260k.tokens);
  },
);
