import { readFileSync } from "node:fs";
import type { OptimizerKind } from "../../src/runtime/runtime.ts";

export interface OptimizerCase {
  readonly name: string;
  readonly optimizer: OptimizerKind;
  readonly rate: number;
  readonly weightDecay: number;
  readonly clipNorm: number | null;
  readonly scale: number;
  /** Until this step, from 0, the first parameter stands still. */
  readonly thaw: number | null;
  /** Of each step, before clipping. */
  readonly norms: readonly number[];
  readonly after: Readonly<Record<string, readonly (readonly number[])[]>>;
}

/** By tools/fixtures/optimizers.py: torch.optim on the same gradients. */
export const optimizerReference = JSON.parse(
  readFileSync(new URL("../fixtures/optimizers/reference.json", import.meta.url), "utf8"),
) as {
  readonly start: readonly (readonly number[])[];
  readonly gradients: readonly (readonly (readonly number[])[])[];
  readonly cases: readonly OptimizerCase[];
};
