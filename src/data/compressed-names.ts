const compressed = /\.(gz|zst)$/i;

/** The ending of a file's compression, or "". */
export const compressedEnding = (path: string): string => compressed.exec(path)?.[0].toLowerCase() ?? "";

/** A path without the ending of a compression. */
export const withoutCompression = (path: string): string => path.replace(compressed, "");
