import { totalmem } from "node:os";
import { DiapasonError } from "../../base/errors.ts";
import { bytes } from "../numbers.ts";
import type { TuneSettings } from "../options/tune.ts";

/** Memory that the process may use: the machine's, or what the process is confined to. */
export function memoryLimit(): number {
  const confined = process.constrainedMemory?.() ?? 0;
  return confined > 0 ? Math.min(confined, totalmem()) : totalmem();
}

/**
 * Refuses a run that will not fit into memory, with what would.
 *
 * @throws app/too-large unless `ignoreMemory` is set. `limit`: bytes there are.
 */
export function refuseTooLarge(
  predicted: number,
  {
    batchSize,
    accumulate,
    adapter,
    plan,
    ignoreMemory,
  }: Pick<TuneSettings, "batchSize" | "accumulate" | "adapter" | "plan" | "ignoreMemory">,
  limit = memoryLimit(),
): void {
  if (ignoreMemory || predicted <= limit) return;
  const advice = [
    ...(batchSize > 1
      ? [
          `--batch-size ${Math.ceil(batchSize / 4)} --accumulate ${accumulate * 4}, which gives the same steps`,
        ]
      : []),
    ...(adapter === "none" ? ["--adapter lora, which needs no optimizer state of the base"] : []),
    ...(plan === "head" ? [] : ["--plan head or top-2, which keep fewer activations"]),
    "fewer tokens or smaller images",
  ];
  throw new DiapasonError(
    "app/too-large",
    `The run is predicted to need ${bytes(predicted)} of memory; there are ${bytes(limit)}.`,
    `Try ${advice.join("; or ")}. --ignore-memory runs it all the same.`,
  );
}
