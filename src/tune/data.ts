import type { HostTensor } from "../runtime/runtime.ts";

/** Examples ready for the graph, by the names of its inputs. Axis 0 of every tensor counts the examples. */
export interface TuneBatch {
  /** One stable name for each example; errors name them. */
  readonly ids: readonly string[];
  readonly inputs: Readonly<Record<string, HostTensor>>;
}

/** Where training examples come from. The order may depend on nothing but `epoch` and seeds of its own. */
export interface TrainData {
  /** Number of examples in an epoch. */
  readonly size: number;
  /**
   * The epoch's batches, of `batchSize` examples but for the last. `skip`: batches to leave out at the start, where a
   * resumed epoch goes on. `epoch`: 0-based, counts on over the stages of a run.
   */
  batches(options: {
    readonly epoch: number;
    readonly batchSize: number;
    readonly skip: number;
  }): AsyncIterable<TuneBatch>;
}

/** Asks for the next item while the current one is used. */
export async function* oneAhead<T>(source: AsyncIterable<T>): AsyncGenerator<T, void> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    let pending = iterator.next();
    for (;;) {
      const { done, value } = await pending;
      if (done) return;
      pending = iterator.next();
      // A failure is thrown when its turn comes, not while nobody waits for it.
      pending.catch(() => undefined);
      yield value;
    }
  } finally {
    await iterator.return?.();
  }
}
