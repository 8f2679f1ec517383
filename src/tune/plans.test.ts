import { describe, expect, test } from "vitest";
import { DiapasonError } from "../base/errors.ts";
import type { Block } from "../models/model.ts";
import { chooseBlocks } from "./block-patterns.ts";
import { planTable } from "./plan-table.ts";
import { planOf } from "./plans.ts";

const blocks: readonly Block[] = ["stem", "layer1.0", "layer1.1", "layer2.0", "fc"].map((name) => ({
  name,
  parameters: [`${name}.weight`],
  buffers: [],
}));
const moved = (...args: Parameters<typeof planOf>) => planOf(...args).stages.map((s) => s.blocks.join(" "));
const caught = (work: () => unknown): DiapasonError => {
  try {
    work();
  } catch (error) {
    if (error instanceof DiapasonError) return error;
  }
  throw new Error("nothing was thrown");
};

describe("block patterns", () => {
  test.each([
    ["fc", "fc"],
    ["head", "fc"],
    ["layer1.*", "layer1.0 layer1.1"],
    ["top:1", "layer2.0 fc"],
    ["top:0", "fc"],
    ["top:99", "stem layer1.0 layer1.1 layer2.0 fc"],
    ["all", "stem layer1.0 layer1.1 layer2.0 fc"],
    ["all-but:stem", "layer1.0 layer1.1 layer2.0 fc"],
    ["all-but:layer*", "stem fc"],
  ])("%s chooses %s", (pattern, expected) => {
    expect(chooseBlocks([pattern], blocks).join(" ")).toBe(expected);
  });

  test("several patterns keep the model's order and count a block once", () => {
    expect(chooseBlocks(["head", "stem", "top:1"], blocks)).toEqual(["stem", "layer2.0", "fc"]);
  });

  test("a dot in a name is a dot", () => {
    expect(caught(() => chooseBlocks(["layer1x*"], blocks)).code).toBe("tune/unknown-block");
  });

  test("an unknown name is answered with the nearest block", () => {
    const error = caught(() => chooseBlocks(["layer2-0"], blocks));
    expect(error.code).toBe("tune/unknown-block");
    expect(error.fix).toContain('"layer2.0"');
  });

  test("what excludes everything is refused", () => {
    expect(caught(() => chooseBlocks(["all-but:all"], blocks)).code).toBe("tune/unknown-block");
  });
});

describe("named plans", () => {
  const everything = "stem layer1.0 layer1.1 layer2.0 fc";
  test("head", () => expect(moved("head", blocks)).toEqual(["fc"]));
  test("full", () => expect(moved("full", blocks)).toEqual([everything]));
  test("top-2", () => expect(moved("top-2", blocks)).toEqual(["layer1.1 layer2.0 fc"]));
  test("biases", () => expect(planOf("biases", blocks).stages[0]!.parameters).toBe("biases"));

  test("lp-ft gives the head a third of the epochs", () => {
    const plan = planOf("lp-ft", blocks, { epochs: 9 });
    expect(plan.stages.map((s) => [s.blocks.length, s.epochs])).toEqual([
      [1, 3],
      [5, 6],
    ]);
  });

  test("gradual thaws from the top down and ends with everything", () => {
    expect(moved("gradual", blocks, { stages: 3 })).toEqual(["fc", "layer1.1 layer2.0 fc", everything]);
    const plan = planOf("gradual", blocks, { epochs: 10, stages: 5 });
    expect(plan.stages.map((s) => s.blocks.length)).toEqual([1, 2, 3, 4, 5]);
    expect(plan.stages.map((s) => s.epochs)).toEqual([1, 1, 1, 1, 6]);
  });

  test("gradual shares out fewer epochs than stages", () => {
    const epochs = planOf("gradual", blocks, { epochs: 2, stages: 4 }).stages.map((s) => s.epochs);
    expect(epochs).toEqual([0.5, 0.5, 0.5, 0.5]);
  });

  test("gradual has ULMFiT's rates, 2.6 times smaller for each block further down", () => {
    const { multipliers } = planOf("gradual", blocks, { learningRate: 0.01 }).stages.at(-1)!;
    const expected = [0.00021883, 0.00056896, 0.0014793, 0.0038462, 0.01];
    blocks.forEach(({ name }, i) => void expect(0.01 * multipliers[name]!).toBeCloseTo(expected[i]!, 7));
  });

  test("what the user asks for goes before the plan's default", () => {
    const [stage] = planOf("head", blocks, { learningRate: 0.5, batchNorm: "training", epochs: 2 }).stages;
    expect(stage).toMatchObject({ learningRate: 0.5, batchNorm: "training", epochs: 2 });
  });

  test("a probe keeps its ratio to the rate of the rest", () => {
    const rates = planOf("lp-ft", blocks, { learningRate: 0.002 }).stages.map((s) => s.learningRate);
    expect(rates[0]! / rates[1]!).toBeCloseTo(10, 9);
    expect(rates[1]).toBeCloseTo(0.002, 12);
    const [probe, tune] = planOf("lp-ft", blocks, { headLearningRate: 0.5 }).stages;
    expect([probe!.learningRate, tune!.learningRate]).toEqual([0.5, 1e-4]);
  });

  test("one block is enough for every plan", () => {
    for (const name of ["head", "full", "top-3", "lp-ft", "gradual", "biases"])
      for (const stage of planOf(name, blocks.slice(-1)).stages) expect(stage.blocks).toEqual(["fc"]);
  });

  test("an unknown plan is answered with the nearest", () => {
    const error = caught(() => planOf("gradul", blocks));
    expect(error.code).toBe("tune/unknown-plan");
    expect(error.fix).toContain('"gradual"');
  });
});

describe("stages of a recipe", () => {
  test("take from the options what they leave out, and may set multipliers by pattern", () => {
    const plan = planOf(
      [
        { blocks: "head" },
        { name: "deep", blocks: ["layer*", "head"], epochs: 4, multipliers: { "layer1.*": 0.1 } },
      ],
      blocks,
      { epochs: 2, learningRate: 0.02, decay: 2 },
    );
    expect(plan.stages.map((s) => [s.name, s.epochs, s.learningRate])).toEqual([
      ["stage 1", 1, 0.02],
      ["deep", 4, 0.02],
    ]);
    expect(plan.stages[1]!.multipliers).toEqual({ "layer1.0": 0.1, "layer1.1": 0.1, "layer2.0": 0.5, fc: 1 });
  });

  test.each([
    [{ blocks: "head", epochs: 0 }, "epochs 0"],
    [{ blocks: "head", learningRate: Number.NaN }, "learning rate NaN"],
    [{ blocks: "head", decay: 0.4 }, "decay 0.4"],
    [{ blocks: "head", multipliers: { fc: -1 } }, '"fc" is -1'],
    [{ blocks: [] }, "moves no block"],
  ])("%j is refused", (spec, text) => {
    const error = caught(() => planOf([spec], blocks));
    expect(error.code).toBe("tune/bad-plan");
    expect(error.message).toContain(text);
  });
});

test("a plan prints as a table", () => {
  const plan = planOf("gradual", blocks, { epochs: 6, stages: 3 });
  expect(planTable(plan, true)).toBe(
    [
      "stage  moves                   epochs  rate            schedule            batch norm",
      "head   fc                      1       0.001           slanted-triangular  frozen",
      "top-2  layer1.1, layer2.0, fc  1       1e-4 … 1.48e-5  slanted-triangular  frozen",
      "all    stem … fc (5)           4       1e-4 … 2.19e-6  slanted-triangular  frozen",
    ].join("\n"),
  );
  expect(planTable(plan, false).split("\n")[0]).toBe(
    "stage  moves                   epochs  rate            schedule",
  );
});
