import { cpSync } from "node:fs";
import { basename, join } from "node:path";
import { lettersModel, unpackDigits } from "../../src/app/demo/data.node.ts";
import { runs } from "../../src/app/runs.node.ts";

/**
 * Lays out the embedded model as `model`, all digits as `digits`, eighty images of two of them as `images`, and those of
 * the test split too as `many`.
 */
export async function layOutDigits(folder: string): Promise<void> {
  cpSync(lettersModel, join(folder, "model"), { recursive: true });
  await unpackDigits(join(folder, "digits"), { perClass: 80, validationPerClass: 0, seed: 0 });
  for (const name of ["3", "7"]) {
    const copy = (split: string, to: string) =>
      cpSync(join(folder, "digits", split, name), join(folder, to, name), { recursive: true });
    copy("train", "images");
    copy("train", "many");
    copy("test", "many");
  }
}

/** The words that tune a new head on the two digits. */
export const tuneHead = (out: string): string[] =>
  `tune --model model --data images --plan head --epochs 6 --batch-size 4 --out ${out} --json`.split(" ");

interface PrintedEvent {
  readonly type: string;
  readonly step?: number;
}

/** The events in what a command with --json has printed so far. */
export const eventsIn = (out: string): PrintedEvent[] =>
  out
    .split("\n")
    .filter((line) => line.endsWith("}"))
    .map((line) => JSON.parse(line) as PrintedEvent);

export const stepsIn = (out: string): number[] =>
  eventsIn(out).flatMap(({ type, step }) => (type === "step" ? [step!] : []));

/** The runs of a folder by their names, with their states. */
export async function statesOfRuns(folder: string): Promise<Record<string, string>> {
  const states: Record<string, string> = {};
  for await (const { path, state } of runs.run({ folder })) states[basename(path)] = state;
  return states;
}
