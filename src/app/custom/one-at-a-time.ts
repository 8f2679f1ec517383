import { DiapasonError } from "../../base/errors.ts";

/**
 * Runs something in batches; where the runtime fails on more than one example at a time, the error says that an export may
 * be made for one.
 */
export async function inBatchesOf<T>(batchSize: number, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof DiapasonError) || error.code !== "runtime/failed" || batchSize === 1) throw error;
    throw new DiapasonError(
      error.code,
      error.message,
      "Try --batch-size 1: some graphs are exported for one example at a time.",
      error,
    );
  }
}
