import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { Decompress } from "fzstd";
import { DiapasonError } from "../base/errors.ts";
import { pointerIn } from "../formats/stand-in.ts";
import { compressedEnding } from "./compressed-names.ts";

/** What Node says of files of more than 2 GB, and of texts that are longer than its texts may be. */
export const tooLarge: ReadonlySet<string> = new Set([
  "ERR_FS_FILE_TOO_LARGE",
  "ERR_STRING_TOO_LONG",
  "ERR_BUFFER_TOO_LARGE",
]);
/** What a compressed file may become: one of a few bytes may declare any size. */
const mostInflated = 2 ** 29;

/** The bytes of a file, those of a compressed one as they were before. @throws data/bad-text */
export async function readBytes(path: string, name: string): Promise<Buffer> {
  const bytes = await readFile(path);
  const standIn = pointerIn(bytes);
  if (standIn !== undefined)
    throw new DiapasonError(
      "data/bad-text",
      `${name} holds no data: ${standIn}.`,
      "Fetch the contents, or download the file from its page.",
    );
  const ending = compressedEnding(path);
  if (!Object.hasOwn(decompressors, ending)) return bytes;
  const { program, inflate } = decompressors[ending]!;
  try {
    return inflate(bytes);
  } catch (cause) {
    if (tooLarge.has((cause as NodeJS.ErrnoException).code ?? "")) throw cause;
    throw new DiapasonError(
      "data/bad-text",
      `${name} is not a whole ${program} file: ${(cause as Error).message}.`,
      "Download or compress it again.",
      cause,
    );
  }
}

/** What undoes a compression, by the ending of its files. */
const decompressors: {
  readonly [ending: string]: { readonly program: string; inflate(bytes: Buffer): Buffer };
} = {
  ".gz": { program: "gzip", inflate: (bytes) => gunzipSync(bytes, { maxOutputLength: mostInflated }) },
  ".zst": { program: "Zstandard", inflate: inflateZstandard },
};

function inflateZstandard(bytes: Buffer): Buffer {
  const parts: Uint8Array[] = [];
  let length = 0;
  let isWhole = false;
  const stream = new Decompress((part, isLast) => {
    length += part.length;
    if (length > mostInflated)
      throw Object.assign(new Error(`Cannot create a Buffer larger than ${mostInflated} bytes`), {
        code: "ERR_BUFFER_TOO_LARGE",
      });
    parts.push(part);
    isWhole ||= isLast === true;
  });
  // In pieces, so that what a few bytes become is seen before all of it is there.
  for (let at = 0; at < bytes.length || at === 0; at += zstandardPiece)
    stream.push(bytes.subarray(at, at + zstandardPiece), at + zstandardPiece >= bytes.length);
  if (!isWhole) throw new Error("unexpected end of file");
  return Buffer.concat(parts);
}
const zstandardPiece = 2 ** 16;
