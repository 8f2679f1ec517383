import { withoutCompression } from "../compressed-names.ts";

/** Whether a file holds running text, of which rows are parts, by its name; that of a compressed one by the name within. */
export const isPlainText = (path: string): boolean => /\.(txt|text|md)$/i.test(withoutCompression(path));
