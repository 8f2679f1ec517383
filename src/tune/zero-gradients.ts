import type { OptimizerKind } from "../runtime/runtime.ts";
import { momentsOf, type Program } from "./program.ts";

/** Optimizer steps of a stage after which a gradient that was never anything but 0 is reported. */
export const patienceWithZeros = 10;

/**
 * Parameters whose gradient has been exactly 0 in every step so far, told by a first moment that is still 0 everywhere.
 * `earlier`: those that moved in a stage before; their moments tell nothing. Undefined with plain SGD, which keeps no
 * moment. Reads every moment: call it once a stage.
 */
export async function zeroGradients(
  program: Program,
  earlier: ReadonlySet<string>,
  optimizer: OptimizerKind,
): Promise<{ readonly judged: number; readonly zero: readonly string[] } | undefined> {
  if (!momentsOf(optimizer).includes("first")) return undefined;
  const dead: string[] = [];
  let judged = 0;
  for (const { parameter } of program.movers) {
    if (earlier.has(parameter.name)) continue;
    judged++;
    const moment = await program.store.read(parameter.name, "first");
    if (moment.every((m) => m === 0)) dead.push(parameter.name);
  }
  return { judged, zero: dead };
}
