import type { HostTensor } from "../runtime/runtime.ts";

/** Examples ready for the graph, by the names of its inputs. Axis 0 of every tensor counts the examples. */
export interface TuneBatch {
  /** One stable name for each example; errors name them. */
  readonly ids: readonly string[];
  readonly inputs: Readonly<Record<string, HostTensor>>;
  /** How much loss the batch carries, where the graph takes `Tunable.scale`: its examples, or those of its tokens that count. */
  readonly count?: number;
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

/** Items one after the other, the next of which can be asked for while the last is used. */
export interface Lookahead<T> {
  /** Starts on the next item; what it fails with is thrown by `take`. */
  prepare(): void;
  /** The next item, or undefined after the last. */
  take(): Promise<T | undefined>;
  /** Ends the source, finished or not. */
  close(): Promise<void>;
}

export function lookahead<T>(source: AsyncIterable<T>): Lookahead<T> {
  const iterator = source[Symbol.asyncIterator]();
  let pending: Promise<IteratorResult<T>> | undefined;
  const next = () => {
    pending ??= iterator.next();
    return pending;
  };
  return {
    prepare() {
      next().catch(() => undefined);
    },
    async take() {
      const taken = next();
      pending = undefined;
      const { done, value } = await taken;
      return done ? undefined : value;
    },
    async close() {
      await iterator.return?.();
    },
  };
}
