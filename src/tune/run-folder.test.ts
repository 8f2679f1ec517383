import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parse } from "yaml";
import { DiapasonError } from "../base/errors.ts";
import { Graph } from "../graph/ir.ts";
import { float32 } from "../graph/tensor.ts";
import { type Checkpoint, type Progress, startOfRun } from "./checkpoint.ts";
import type { TuneEvent } from "./events.ts";
import { createRunFolder, type NewRun, openRunFolder, removeRun } from "./run-folder.node.ts";

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "diapason-run-"));
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

function base(value = 1): Graph {
  const graph = new Graph("base");
  const x = graph.addInput("x", "float32", [2]);
  const w = graph.addInitializer("w", float32([2], [value, 2]));
  graph.addOutput(graph.addNode("Add", [x, w]).outputs[0]!);
  return graph;
}
const newRun = (changes: Partial<NewRun> = {}): NewRun => ({
  base: base(),
  recipe: { plan: "head", epochs: 3 },
  about: { seed: 4 },
  ...changes,
});
const checkpointAt = (step: number, more: Partial<Progress> = {}): Checkpoint => ({
  progress: { ...startOfRun, step, ...more },
  arrays: new Map([
    [
      "w",
      {
        kind: "parameter",
        dims: [2],
        value: Float32Array.of(step, 0.1),
        first: Float32Array.of(1e-30, -2),
        second: Float32Array.of(3, 4),
        steps: step,
      },
    ],
    ["mean", { kind: "buffer", dims: [1], value: Float32Array.of(5), steps: 0 }],
  ]),
  settings: { seed: 4 },
});
const event = (step: number): TuneEvent => ({ type: "checkpoint", step, seconds: 0 });
const lines = () =>
  readFileSync(join(path, "metrics.jsonl"), "utf8")
    .split("\n")
    .filter(Boolean)
    .map((l) => JSON.parse(l));
const caught = async (work: Promise<unknown>): Promise<DiapasonError> => {
  const error = await work.catch((e: unknown) => e);
  if (error instanceof DiapasonError) return error;
  throw new Error("no DiapasonError was thrown");
};

test("a new folder holds the recipe and what the run is about", async () => {
  const folder = await createRunFolder(path, newRun());
  expect(parse(readFileSync(join(path, "recipe.yaml"), "utf8"))).toEqual({ plan: "head", epochs: 3 });
  expect(JSON.parse(readFileSync(join(path, "run.json"), "utf8"))).toMatchObject({
    seed: 4,
    base: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  expect(await folder.latest()).toBeUndefined();
  await folder.close();
});

test("a run that replaces another forgets what that came to, and takes along nothing but itself", async () => {
  for (const name of ["result.json", "report.html", "notes.txt"]) writeFileSync(join(path, name), "{}");
  const folder = await createRunFolder(path, newRun({ force: true }));
  expect(readdirSync(path).sort()).toEqual(["checkpoints", "notes.txt", "recipe.yaml", "run.json"]);
  folder.append(event(1));
  await folder.close();
  await removeRun(path);
  expect(readdirSync(path)).toEqual(["notes.txt"]);
});

test("a run that is removed leaves no empty folder", async () => {
  const own = join(path, "own");
  await (await createRunFolder(own, newRun())).close();
  await removeRun(own);
  expect(existsSync(own)).toBe(false);
});

test("a checkpoint comes back as it was saved", async () => {
  const folder = await createRunFolder(path, newRun());
  const saved = checkpointAt(3, { best: { step: 3, metric: "accuracy", value: 0.5 }, lossSum: 0.1 + 0.2 });
  await folder.save(saved);
  await folder.close();
  const again = await openRunFolder(path, base());
  expect(await again.latest()).toMatchObject(saved);
  expect((await again.valuesAt(3)).get("w")).toEqual(Float32Array.of(3, 0.1));
  await again.close();
});

test("the curves of a run that goes on are written anew, without what was cut off", async () => {
  const curves = () => {
    const names = readdirSync(path).filter((name) => name.includes(".tfevents."));
    expect(names).toHaveLength(1);
    return readFileSync(join(path, names[0]!), "latin1");
  };
  const evaluated = (step: number, name: string): TuneEvent => ({
    ...{ type: "evaluation", stage: "head", epoch: 1, step, seconds: step, isBest: true },
    metrics: { [name]: 0.5 },
  });
  const folder = await createRunFolder(path, newRun());
  folder.append(evaluated(1, "accuracy"));
  await folder.save(checkpointAt(1));
  folder.append(evaluated(2, "forgotten"));
  await folder.close();
  expect(curves()).toMatch(/brain\.Event:2[\s\S]*validation\/accuracy[\s\S]*validation\/forgotten/);
  const again = await openRunFolder(path, base());
  await again.latest();
  again.append(evaluated(2, "recall"));
  await again.close();
  expect(curves()).toMatch(/brain\.Event:2[\s\S]*validation\/accuracy[\s\S]*validation\/recall/);
  expect(curves()).not.toContain("forgotten");
});

test("a run whose events somebody has removed goes on, and keeps the new ones", async () => {
  const folder = await createRunFolder(path, newRun());
  folder.append(event(1));
  await folder.save(checkpointAt(1));
  await folder.close();
  rmSync(join(path, "metrics.jsonl"));
  const again = await openRunFolder(path, base());
  expect((await again.latest())!.progress.step).toBe(1);
  again.append(event(2));
  await again.save(checkpointAt(2));
  await again.close();
  expect(lines()).toEqual([event(2)]);
  const once = await openRunFolder(path, base());
  await once.latest();
  await once.close();
  expect(lines()).toEqual([event(2)]);
});

test("a long run goes on", async () => {
  const folder = await createRunFolder(path, newRun());
  for (let step = 1; step <= 150_000; step++) folder.append(event(step));
  await folder.save(checkpointAt(150_000));
  await folder.close();
  const again = await openRunFolder(path, base());
  expect((await again.latest())!.progress.step).toBe(150_000);
  await again.close();
});

test("moments that are kept elsewhere are read one after the other, and come back the same", async () => {
  const folder = await createRunFolder(path, newRun());
  let reading = 0;
  const reads: string[] = [];
  const later = (name: string, numbers: Float32Array) => async () => {
    expect(++reading).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    reading--;
    reads.push(name);
    return numbers;
  };
  const { arrays, ...rest } = checkpointAt(3);
  const w = arrays.get("w")!;
  const pending = {
    ...w,
    first: later("first", w.first as Float32Array),
    second: later("second", w.second as Float32Array),
  };
  await folder.save({ ...rest, arrays: new Map([...arrays, ["w", pending]]) });
  expect(reads).toEqual(["first", "second"]);
  expect((await folder.latest())!.arrays).toEqual(arrays);
  await folder.close();
});

test("events after the newest checkpoint are cut off, so that they are not written twice", async () => {
  const folder = await createRunFolder(path, newRun());
  for (const step of [1, 2]) folder.append(event(step));
  await folder.save(checkpointAt(2));
  for (const step of [3, 4]) folder.append(event(step));
  await folder.close();
  expect(lines().map((e) => e.step)).toEqual([1, 2, 3, 4]);
  const again = await openRunFolder(path, base());
  await again.latest();
  again.append(event(3));
  await again.close();
  expect(lines().map((e) => e.step)).toEqual([1, 2, 3]);
});

test("the newest two checkpoints and the best are kept", async () => {
  const folder = await createRunFolder(path, newRun());
  const best = { step: 2, metric: "accuracy", value: 0.9 };
  for (let step = 1; step <= 5; step++) await folder.save(checkpointAt(step, step >= 2 ? { best } : {}));
  expect(readdirSync(join(path, "checkpoints")).sort()).toEqual(["step-2", "step-4", "step-5"]);
  await folder.close();
});

test("a checkpoint that was being written is not seen, and is cleared away", async () => {
  const folder = await createRunFolder(path, newRun());
  await folder.save(checkpointAt(1));
  mkdirSync(join(path, "checkpoints", ".writing-step-2"));
  expect((await folder.latest())!.progress.step).toBe(1);
  await folder.save(checkpointAt(2));
  expect(readdirSync(join(path, "checkpoints")).sort()).toEqual(["step-1", "step-2"]);
  await folder.close();
});

test("a damaged checkpoint is said to be so", async () => {
  const folder = await createRunFolder(path, newRun());
  await folder.save(checkpointAt(1));
  truncateSync(join(path, "checkpoints", "step-1", "values.safetensors"), 20);
  const error = await caught(folder.latest());
  expect(error.code).toBe("tune/bad-checkpoint");
  expect(error.message).toContain("step-1");
  await folder.close();
});

test("another base model is refused", async () => {
  await (await createRunFolder(path, newRun())).close();
  expect((await caught(openRunFolder(path, base(1.5)))).code).toBe("tune/base-changed");
});

test.each(["{", "{}", "7"])("a run.json that is damaged (%s) is said to be so", async (text) => {
  await (await createRunFolder(path, newRun())).close();
  writeFileSync(join(path, "run.json"), text);
  const error = await caught(openRunFolder(path, base()));
  expect(error.code).toBe("tune/no-run");
  expect(error.message).toContain("run.json");
});

test("a folder that is not empty is left alone unless forced", async () => {
  writeFileSync(join(path, "thesis.txt"), "years of work");
  const error = await caught(createRunFolder(path, newRun()));
  expect(error.code).toBe("tune/run-exists");
  expect(error.message).toContain("thesis.txt");
  const folder = await createRunFolder(path, newRun({ force: true }));
  await folder.close();
  expect(readdirSync(path)).toContain("thesis.txt");
});

test("a place that cannot be written is named", async () => {
  writeFileSync(join(path, "file"), "");
  const error = await caught(createRunFolder(join(path, "file", "run"), newRun()));
  expect(error.code).toBe("base/not-writable");
  expect(error.message).toContain("file");
});

test("a checkpoint that cannot be written leaves the one before and nothing half-written", async () => {
  const folder = await createRunFolder(path, newRun());
  await folder.save(checkpointAt(1));
  const unwritable = checkpointAt(2);
  const broken = {
    ...unwritable,
    settings: {
      toJSON: () => {
        throw new Error("no");
      },
    },
  };
  await expect(folder.save(broken)).rejects.toThrow("no");
  expect(readdirSync(join(path, "checkpoints"))).toEqual(["step-1"]);
  await folder.close();
});

test("a folder without a run cannot be resumed", async () => {
  expect((await caught(openRunFolder(join(path, "nothing"), base()))).code).toBe("tune/no-run");
});
