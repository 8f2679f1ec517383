import { expect, test } from "vitest";
import { random } from "./random.ts";
import { randomMask } from "./random-mask.ts";

const seeds = [0, 1, 2 ** 31 + 5, 2 ** 40 + 3];
const shares = [0, 0.1, 0.5, 0.9];

test.each(seeds.flatMap((seed) => shares.map((share) => [seed, share] as const)))(
  "a mask is made of the halves of the stream's words: seed %i, share %f",
  (seed, share) => {
    // more than is made at a time, and no multiple of anything
    const count = 2 ** 16 + 1003;
    const mask = randomMask(count, share, seed, "mask", 7);
    const { uniform } = random(seed, "mask", 7);
    const halves = Array.from({ length: Math.ceil(count / 2) }, () => {
      const word = uniform() * 2 ** 32;
      return [word % 2 ** 16, Math.floor(word / 2 ** 16)];
    });
    const least = Math.round(share * 2 ** 16);
    const kept = Math.fround(1 / (1 - least / 2 ** 16));
    expect(mask).toHaveLength(count);
    expect(mask).toEqual(
      Float32Array.from(halves.flat().slice(0, count), (half) => (half < least ? 0 : kept)),
    );
  },
);
