import type { FileMetaData } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";

/**
 * How many numbers and texts a file may hold in all columns together, by its size. A page may say a number once and repeat it:
 * a few bytes of a damaged file ask for a thousand million rows.
 */
const mostValues = (bytes: number): number => 2 ** 22 + 64 * bytes;
/** Bytes that its pages may become, which compression makes tens of times of what the file has. */
const mostInflated = (bytes: number): number => 2 ** 26 + 200 * bytes;

/**
 * Reads the headers of a file's pages, which say how much there is to read, before any page is read.
 *
 * @throws Error where pages hold more than their column says, than a file of that size may, or end beyond it.
 */
export function checkPages(file: ArrayBuffer, { row_groups: groups }: FileMetaData): void {
  const { byteLength } = file;
  let values = 0;
  let inflated = 0;
  for (const { columns, num_rows: rows } of groups) {
    for (const { meta_data: column } of columns) {
      if (!column) continue;
      const name = column.path_in_schema.join(".");
      const first = [column.dictionary_page_offset, column.data_page_offset].filter((at) => at);
      const start = Math.min(...first.map(Number));
      const length = Number(column.total_compressed_size);
      if (!(start >= 0 && length >= 0 && start + length <= byteLength))
        throw new Error(`the column "${name}" lies beyond the end of the file`);
      const reader = { view: new DataView(file, start, length), offset: 0 };
      let held = 0;
      // a last byte is no page: the library reads none there either
      while (reader.offset < length - 1) {
        const header = parquetHeader(reader);
        const [size, whole] = [header.compressed_page_size, header.uncompressed_page_size];
        const count = (header.data_page_header ?? header.data_page_header_v2)?.num_values ?? 0;
        const words = header.dictionary_page_header?.num_values ?? 0;
        if (![size, whole, count, words].every((n) => n >= 0) || reader.offset + size > length)
          throw new Error(`a page of the column "${name}" lies beyond its end`);
        reader.offset += size;
        held += count;
        values += count + words;
        inflated += whole;
        if (held > column.num_values)
          throw new Error(`the column "${name}" has ${column.num_values} values, and its pages ${held}`);
        if (values > mostValues(byteLength))
          throw new Error(`its ${byteLength} bytes ask for ${values} values`);
        if (inflated > mostInflated(byteLength))
          throw new Error(`its ${byteLength} bytes ask for ${inflated} bytes of memory`);
      }
      if (rows > held) throw new Error(`there are ${rows} rows, and ${held} values in the column "${name}"`);
    }
  }
}
