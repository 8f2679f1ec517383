import { createReadStream } from "node:fs";

/** What is read at once. */
const pieceBytes = 2 ** 20;

/**
 * The lines of a file of UTF-8, one after the other, without what ends them and without a byte order mark. The file is closed
 * however the loop over them ends.
 *
 * Node's readline ends lines also at U+2028 and U+2029, which a text in JSON may hold, and what the system says of a file
 * that cannot be read would end the process.
 */
export async function* readLines(path: string): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of createReadStream(path, { highWaterMark: pieceBytes })) {
    const lines = (rest + decoder.decode(piece as Uint8Array, { stream: true })).split(lineEnd);
    rest = lines.pop()!;
    yield* lines;
  }
  rest += decoder.decode();
  if (rest !== "") yield* rest.split(lineEnd);
}

/** A return that ends what has been read may have its line feed yet to come. */
const lineEnd = /\r?\n|\r(?!$)/;
