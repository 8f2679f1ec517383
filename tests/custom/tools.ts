import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { saveNpz } from "../../src/formats/npz.node.ts";
import { saveOnnx } from "../../src/formats/onnx/file.node.ts";
import {
  evaluate,
  type Saved,
  type Scored,
  type TuneInput,
  type TuneVerbEvent,
  tune,
} from "../../src/index.ts";
import { policyExamples, tinyPolicy } from "./tiny-policy.ts";

/** A folder for the tests of a file, with a small policy (policy.onnx) and examples for it (train.npz). */
export function policyFolder() {
  const folder = mkdtempSync(join(tmpdir(), "diapason-custom-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const at = (...names: string[]) => join(folder, ...names);
  beforeAll(async () => {
    await saveOnnx(tinyPolicy(), at("policy.onnx"));
    await saveNpz(at("train.npz"), policyExamples(250));
  });
  /** A short tuning of the policy into a folder of this name. */
  const base = (name: string, more: Partial<TuneInput> = {}): TuneInput => ({
    task: "custom",
    model: at("policy.onnx"),
    data: at("train.npz"),
    out: at(name),
    run: at(`${name}-run`),
    loss: "mse:action=wanted",
    plan: "full",
    learningRate: 1e-2,
    epochs: 4,
    ...more,
  });
  return { folder, at, base };
}

/** Everything that a tuning tells. */
export async function eventsOf(options: TuneInput): Promise<TuneVerbEvent[]> {
  const list: TuneVerbEvent[] = [];
  for await (const event of tune(options)) list.push(event);
  return list;
}

/** What a tuning ends with. */
export const savedOf = async (options: TuneInput): Promise<Saved> =>
  (await eventsOf(options)).at(-1) as Saved;

/** What an evaluation ends with. */
export async function scoresOf(options: Parameters<typeof evaluate>[0]): Promise<Scored> {
  let found: Scored | undefined;
  for await (const event of evaluate(options)) if (event.type === "scored") found = event;
  return found!;
}
