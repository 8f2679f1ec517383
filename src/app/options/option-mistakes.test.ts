import { describe, expect, test } from "vitest";
import { z } from "zod";
import { DiapasonError, nearest } from "../../base/errors.ts";
import { parseOptions } from "./parse.ts";
import { tuneOptions } from "./tune.ts";

/** What is said of options beside those that must be there. */
function said(options: Readonly<Record<string, unknown>>): string {
  try {
    parseOptions(tuneOptions, { model: "m", data: "d", out: "o", ...options });
  } catch (error) {
    if (error instanceof DiapasonError) return `${error.code}: ${error.message} ${error.fix}`;
    throw error;
  }
  return "nothing";
}

const whole = 'Give "epochs" a value that fits; the help of the command lists what each option takes.';

describe("a mistake in options names what would be right", () => {
  test.each([
    [
      "a choice",
      { device: "gpu" },
      'app/bad-option: "device" is "gpu"; expected cpu, webgpu or cuda. Did you mean "cpu"?',
    ],
    [
      "a choice of one in a stage",
      { stages: [{ blocks: "head", batchNorm: "frozn" }] },
      'app/bad-option: "stages.0.batchNorm" is "frozn"; expected frozen or training. Did you mean "frozen"?',
    ],
    [
      "a choice that may be options by name",
      { augment: "ligth" },
      'app/bad-option: "augment" is "ligth"; expected none, light or strong. Did you mean "light"?',
    ],
    [
      "a choice that is like none",
      { optimizer: "newton" },
      'app/bad-option: "optimizer" is "newton"; expected adamw, adam or sgd. Write one of them.',
    ],
    [
      "a choice among forms",
      { augment: { crop: { kind: "padd", pixels: 2 } } },
      'app/bad-option: "augment.crop.kind" is "padd"; expected pad or resized. Did you mean "pad"?',
    ],
    [
      "a name in a stage",
      { stages: [{ blocks: "head", epoch: 1 }] },
      'app/unknown-option: There is no option "epoch". Did you mean "epochs"?',
    ],
    [
      "a name in a form",
      { augment: { flipp: 0.5 } },
      'app/unknown-option: There is no option "flipp". Did you mean "flip"?',
    ],
    ["another kind", { epochs: "three" }, `app/bad-option: "epochs" is "three"; expected a number. ${whole}`],
    ["out of range", { epochs: -1 }, `app/bad-option: "epochs" is -1; expected more than 0. ${whole}`],
    ["no number", { epochs: Infinity }, `app/bad-option: "epochs" is Infinity; expected a number. ${whole}`],
    [
      "a list of nothing",
      { stages: [] },
      'app/bad-option: "stages" is []; expected a list of at least 1. Give "stages" a value that fits; the help of the command lists what each option takes.',
    ],
    [
      "missing in a stage",
      { stages: [{ epochs: 1 }] },
      'app/missing-option: "stages.0.blocks" is not given. Give "stages.0.blocks": block names, globs, "head", "all", "top:3", "all-but:stem".',
    ],
    [
      "several that are missing",
      { model: undefined, out: undefined },
      'app/missing-option: "model" and "out" are not given. Give them; the help of the command says what each takes.',
    ],
    [
      "something wrong before what is missing",
      { out: undefined, epochs: "three" },
      `app/bad-option: "epochs" is "three"; expected a number. ${whole}`,
    ],
  ])("%s", (_, options, expected) => expect(said(options)).toBe(expected));

  test("what shares no letter is not near", () => {
    expect([nearest("0", ["C"]), nearest("ab", ["xy"]), nearest("a", ["ab"])]).toEqual([
      undefined,
      undefined,
      "ab",
    ]);
  });
});

test("one item stands for a list of one, also where there is a default", () => {
  const schema = z.strictObject({
    to: z.array(z.string()).default(["onnx"]),
    from: z.array(z.string()).optional(),
  });
  expect(parseOptions(schema, { to: "fp16", from: "a" })).toEqual({ to: ["fp16"], from: ["a"] });
});
