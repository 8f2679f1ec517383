import { describe, expect, test } from "vitest";
import { caught, finish, shortRun } from "../../tests/tune/short-run.ts";
import { tinyBatch, tinyData, tinyModel } from "../../tests/tune/tiny-problem.ts";
import type { Executable } from "../runtime/runtime.ts";
import type { TrainData } from "./data.ts";
import { planOf } from "./plans.ts";

describe("evaluation", () => {
  const scripted = (values: readonly number[]) => {
    let i = 0;
    return async () => ({ score: values[i++] ?? 0 });
  };

  test("the best evaluation's weights are the result", async () => {
    const model = tinyModel();
    const plan = planOf("full", model.blocks, { epochs: 4, learningRate: 0.02 });
    const { result } = await finish(shortRun({ plan, evaluate: scripted([0.1, 0.9, 0.2, 0.3]) }));
    expect(result.best).toEqual({ step: 6, metric: "score", value: 0.9 });
    const until = await finish(shortRun({ plan, maxSteps: 6 }));
    expect(result.values).toEqual(until.result.values);
    const last = await finish(
      shortRun({ plan, evaluate: scripted([0.1, 0.9, 0.2, 0.3]), restoreBest: false }),
    );
    expect(last.result.values).not.toEqual(until.result.values);
  });

  test("a metric may be better when smaller", async () => {
    const metric = { name: "score", mode: "min" } as const;
    const { result } = await finish(shortRun({ metric, evaluate: scripted([0.4, 0.7]) }));
    expect(result.best).toEqual({ step: 3, metric: "score", value: 0.4 });
  });

  test("patience ends a stage, and the next one has its own", async () => {
    const plan = planOf("lp-ft", tinyModel().blocks, { epochs: 30 });
    const options = shortRun({
      plan,
      evaluate: scripted([0.5, 0.4, 0.4, 0.3, 0.3, 0.2]),
      earlyStopping: { patience: 2 },
    });
    const { events, result } = await finish(options);
    const stops = events.filter((e) => e.type === "early-stop");
    expect(stops).toMatchObject([
      { stage: "probe", step: 9, best: { step: 3, value: 0.5 } },
      { stage: "tune", step: 18 },
    ]);
    expect(result.reason).toBe("completed");
  });

  test("may come every few steps, and comes at the end of a stage", async () => {
    const { events } = await finish(shortRun({ evaluate: scripted([]), evaluateEvery: 4 }));
    expect(events.flatMap((e) => (e.type === "evaluation" ? [e.step] : []))).toEqual([4, 6]);
  });

  test("an unknown metric is refused", async () => {
    const metric = { name: "f1", mode: "max" } as const;
    const error = await caught(finish(shortRun({ metric, evaluate: scripted([1]) })));
    expect(error.message).toContain('"f1"; the evaluation gave score');
  });

  test("is without dropout", async () => {
    const data = tinyData(20);
    const seen: unknown[] = [];
    const evaluate = async (executable: Executable) => {
      const { x } = await tinyBatch(data);
      for (let i = 0; i < 2; i++) seen.push((await executable.run({ x: x! }))["logits"]!.data.slice());
      return { score: 0 };
    };
    const model = tinyModel({ dropout: 0.5 });
    await finish(shortRun({ model, data, evaluate, maxSteps: 1 }));
    expect(seen[0]).toEqual(seen[1]);
  });
});

describe("warnings", () => {
  test("a gradient that is always 0 is named", async () => {
    const good = tinyData(20);
    const data: TrainData = {
      size: 20,
      async *batches(options) {
        for await (const batch of good.batches(options)) {
          (batch.inputs["x"]!.data as Float32Array).fill(0);
          yield batch;
        }
      },
    };
    const { events } = await finish(shortRun({ data }));
    const messages = events.flatMap((e) => (e.type === "warning" ? [e.message] : []));
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatch(/^The gradient of "stem.weight" was .*: it does not learn\.$/);
  });
});
