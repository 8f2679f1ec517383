import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { openGenerator, type Prompt, type Sampling } from "../../src/evaluate/generate.ts";
import { openNetwork } from "../../src/models/open-network.node.ts";
import { cpuRuntime } from "../../src/runtime/cpu.node.ts";
import { assets, haveAssets } from "../assets.ts";

interface Greedy {
  readonly prompt: readonly number[];
  readonly tokens: readonly number[];
}

const fixtures = fileURLToPath(new URL("../fixtures", import.meta.url));
const { tiny, stories260k } = JSON.parse(readFileSync(`${fixtures}/greedy.json`, "utf8")) as {
  readonly tiny: Readonly<Record<string, Greedy>>;
  readonly stories260k: Greedy;
};

const sampling: Sampling = {
  temperature: 0,
  topK: 0,
  topP: 1,
  repetitionPenalty: 1,
  stop: new Set(),
  seed: 0,
};

/** The tokens after each prompt, which go on together. */
async function continued(
  folder: string,
  prompts: readonly Prompt[],
  how: Partial<Sampling> = {},
): Promise<number[][]> {
  const runtime = await cpuRuntime();
  try {
    const generator = await openGenerator(await openNetwork(folder, { seed: 0 }), runtime);
    const found = prompts.map((): number[] => []);
    for await (const { row, token } of generator.generate(prompts, { ...sampling, ...how }))
      found[row]!.push(token);
    await generator.dispose();
    return found;
  } finally {
    await runtime.dispose();
  }
}

/** The likeliest tokens after a prompt. */
const greedy = async (folder: string, { prompt, tokens }: Greedy): Promise<number[]> =>
  (await continued(folder, [{ ids: Int32Array.from(prompt), stream: "", maxTokens: tokens.length }]))[0]!;

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

describe("texts that go on together", () => {
  /** Prompts of several lengths, with as many tokens to follow as each one's place says. */
  const prompts = (vocab: number): Prompt[] =>
    [3, 9, 1, 6].map((length, i) => ({
      ids: Int32Array.from({ length }, (_, t) => 5 + ((7 * t + 3 * i) % (vocab - 5))),
      stream: `text ${i}`,
      maxTokens: [8, 5, 12, 8][i]!,
    }));
  const alone = async (folder: string, all: readonly Prompt[], how: Partial<Sampling>) => {
    const found: number[][] = [];
    for (const prompt of all) found.push(...(await continued(folder, [prompt], how)));
    return found;
  };

  test.each(Object.keys(tiny))("%s writes what it writes for each alone", async (name) => {
    const folder = `${fixtures}/architectures/${name}`;
    const { vocab_size: vocab } = JSON.parse(readFileSync(`${folder}/config.json`, "utf8")) as {
      readonly vocab_size: number;
    };
    const all = prompts(vocab);
    const drawn = { temperature: 1.5, topK: 40, topP: 0.95, seed: 3 };
    for (const how of [{}, drawn]) {
      const together = await continued(folder, all, how);
      expect(together.map(({ length }) => length)).toEqual([8, 5, 12, 8]);
      expect(together).toEqual(await alone(folder, all, how));
    }
  });

  test("a text that ends by its own rule leaves the others as they are", async () => {
    const folder = `${fixtures}/architectures/${Object.keys(tiny)[0]}`;
    const all = prompts(40);
    const [first, ...others] = await continued(folder, all);
    const ends = (tokens: readonly number[]) => tokens.length === 2;
    const cut = await continued(folder, [{ ...all[0]!, ends }, ...all.slice(1)]);
    expect(cut).toEqual([first!.slice(0, 2), ...others]);
  });

  test("a token that stops is not given, and ends its own text alone", async () => {
    const folder = `${fixtures}/architectures/${Object.keys(tiny)[0]}`;
    const all = prompts(40);
    const whole = await continued(folder, all);
    const stop = whole[2]![4]!;
    const cut = whole.map((tokens) =>
      tokens.includes(stop) ? tokens.slice(0, tokens.indexOf(stop)) : tokens,
    );
    expect(await continued(folder, all, { stop: new Set([stop]) })).toEqual(cut);
  });
});
