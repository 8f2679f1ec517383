import { expect, test } from "vitest";
import { cardSettings } from "./card-settings.ts";

test("settings stand in a line, those by name too, without what was not chosen", () => {
  const recipe = {
    model: "m",
    epochs: 2,
    adapter: "none",
    accumulate: 1,
    augment: { flip: 0.5, crop: { kind: "pad", pixels: 4 } },
    metric: ["mae:y=x", "r2:y=x"],
    toString: 1,
    seed: 0,
  };
  expect(cardSettings(recipe)).toBe(
    "epochs 2, augment (flip 0.5, crop (kind pad, pixels 4)), metric mae:y=x r2:y=x, seed 0",
  );
  expect(cardSettings({ adapter: "lora", rank: 8, accumulate: 4 })).toBe(
    "adapter lora, rank 8, accumulate 4",
  );
});
