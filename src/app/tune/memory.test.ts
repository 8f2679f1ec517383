import { expect, test } from "vitest";
import { DiapasonError } from "../../base/errors.ts";
import { refuseTooLarge } from "./memory.node.ts";

const settings = {
  batchSize: 32,
  accumulate: 1,
  adapter: "none",
  plan: "full",
  ignoreMemory: false,
} as const;

test("a run that does not fit is refused with what would", () => {
  refuseTooLarge(8e9, settings, 8e9);
  refuseTooLarge(9e9, { ...settings, ignoreMemory: true }, 8e9);
  const refusal = (() => {
    try {
      refuseTooLarge(9e9, settings, 8e9);
    } catch (error) {
      return error;
    }
    return undefined;
  })();
  expect(refusal).toBeInstanceOf(DiapasonError);
  const { code, message, fix } = refusal as DiapasonError;
  expect([code, message]).toEqual([
    "app/too-large",
    "The run is predicted to need 9.0 GB of memory; there are 8.0 GB.",
  ]);
  expect(fix).toContain("--batch-size 8 --accumulate 4");
  expect(fix).toContain("--adapter lora");
});
