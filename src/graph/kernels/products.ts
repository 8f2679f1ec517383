import { openModule } from "../../base/web-assembly.ts";
import { productsModule } from "./products.generated.ts";

interface Kernel {
  addProduct(
    a: number,
    b: number,
    c: number,
    rows: number,
    shared: number,
    columns: number,
    strideBytes: number,
  ): void;
}

/** Sizes of the tiles that are multiplied at a time. */
const tile = { rows: 512, shared: 512, columns: 512 };
/** Rows lie a little further apart than they are long: at a power of two all would share the same lines of the cache. */
const stride = tile.columns + 8;
const bytes = Float64Array.BYTES_PER_ELEMENT;
const [leftAt, rightAt] = [0, tile.rows * tile.shared];
const sumAt = rightAt + tile.shared * stride;
const memoryBytes = (sumAt + tile.rows * stride) * bytes;
const pageBytes = 65536;

interface Multiplier {
  readonly kernel: Kernel;
  readonly numbers: Float64Array;
}

function openMultiplier(): Multiplier {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(memoryBytes / pageBytes) });
  return { kernel: openModule<Kernel>(productsModule, memory), numbers: new Float64Array(memory.buffer) };
}

let opened: Multiplier | undefined;

/** Gives a part of row `row` of a matrix, from `column` on, to `into`, which is as long as that part. */
export type ReadRow = (into: Float64Array, row: number, column: number) => void;

/**
 * Adds A · B to `sum`, row-major [rows, columns]; left: A, row-major [rows, shared]; readRight: reads B, [shared, columns].
 *
 * The sums are those of plain loops, to the last bit. This is where the reference kernels spend most of their time.
 */
export function addProduct(
  left: Float64Array,
  readRight: ReadRow,
  sum: Float64Array,
  [rows, shared, columns]: readonly [rows: number, shared: number, columns: number],
): void {
  opened ??= openMultiplier();
  const { kernel, numbers } = opened;
  for (let k = 0; k < shared; k += tile.shared) {
    const depth = Math.min(tile.shared, shared - k);
    for (let column = 0; column < columns; column += tile.columns) {
      const width = Math.min(tile.columns, columns - column);
      for (let i = 0, at = rightAt; i < depth; i++, at += stride)
        readRight(numbers.subarray(at, at + width), k + i, column);
      for (let row = 0; row < rows; row += tile.rows) {
        const height = Math.min(tile.rows, rows - row);
        if (depth === shared) numbers.set(left.subarray(row * shared, (row + height) * shared), leftAt);
        else
          for (let i = 0, from = row * shared + k; i < height; i++, from += shared)
            numbers.set(left.subarray(from, from + depth), leftAt + i * depth);
        const at = row * columns + column;
        for (let i = 0, from = at; i < height; i++, from += columns)
          numbers.set(sum.subarray(from, from + width), sumAt + i * stride);
        const padded = Math.ceil(width / 4) * 4;
        kernel.addProduct(leftAt, rightAt * bytes, sumAt * bytes, height, depth, padded, stride * bytes);
        for (let i = 0, to = at; i < height; i++, to += columns)
          sum.set(numbers.subarray(sumAt + i * stride, sumAt + i * stride + width), to);
      }
    }
  }
}
