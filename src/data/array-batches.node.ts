import { random } from "../base/random.ts";
import { type AllowedValues, ArrayColumn, defaultKeptBytes, type FedRows } from "./array-column.node.ts";
import { type ArrayPart, exampleName } from "./array-set.ts";
import type { FedType } from "./array-values.ts";

/** An array of the data and the graph's input that it is fed to. */
export interface FedColumn {
  readonly array: string;
  readonly input: string;
  readonly dtype: FedType;
  readonly allowed?: AllowedValues;
}

/** Examples ready for a graph, by the names of its inputs. */
export interface ArrayBatch {
  readonly ids: readonly string[];
  readonly inputs: Readonly<Record<string, FedRows>>;
}

/** Examples of a part in batches, as a graph is fed them. */
export interface ArrayBatches {
  readonly size: number;
  /** `shuffle`: by seed and epoch; `skip`: batches to leave out at the start; `drop`: leave out a last short batch. */
  batches(options: {
    readonly batchSize: number;
    readonly shuffle?: { readonly seed: number; readonly epoch: number };
    readonly skip?: number;
    readonly drop?: boolean;
  }): Generator<ArrayBatch>;
}

/**
 * Opens the columns of a part and reads through those whose values may not fit.
 *
 * `keptBytes`: larger arrays that lie in a file are not kept in memory; default 512 MB.
 * @throws data/bad-type, data/bad-value
 */
export function openBatches(
  part: ArrayPart,
  fed: readonly FedColumn[],
  { keptBytes = defaultKeptBytes }: { readonly keptBytes?: number } = {},
): ArrayBatches {
  const columns = fed.map(({ array, input, dtype, allowed }) => ({
    input,
    column: new ArrayColumn(part.set, array, dtype, { keptBytes, ...(allowed && { allowed }) }),
  }));
  for (const { column } of columns) column.check(part.rows);
  const size = part.rows.length;
  return {
    size,
    *batches({ batchSize, shuffle, skip = 0, drop = false }) {
      const order = shuffle ? random(shuffle.seed, "order", shuffle.epoch).permutation(size) : undefined;
      const end = drop ? size - (size % batchSize) : size;
      for (let from = skip * batchSize; from < end; from += batchSize) {
        const count = Math.min(batchSize, end - from);
        const places = Array.from({ length: count }, (_, i) => order?.[from + i] ?? from + i);
        const rows = places.map((place) => part.rows[place]!);
        yield {
          ids: places.map((place) => exampleName(part, place)),
          inputs: Object.fromEntries(columns.map(({ input, column }) => [input, column.read(rows)])),
        };
      }
    },
  };
}
