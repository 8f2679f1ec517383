import { randomBytes } from "node:crypto";
import { access, constants, type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { DiapasonError } from "./errors.ts";

/**
 * Writes a file so that it is there whole or not at all: to a temporary name in the same folder, flushed, renamed, and
 * the folder flushed, so that a loss of power after it leaves the new file.
 *
 * @throws base/disk-full, base/not-writable; the file that was there before is then untouched.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const temporary = join(dirname(path), `.diapason-${randomBytes(6).toString("hex")}.tmp`);
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(temporary, "wx");
    try {
      const chunks =
        typeof content === "string"
          ? [Buffer.from(content)]
          : content instanceof Uint8Array
            ? [content]
            : content;
      for await (const chunk of chunks) await writeAll(file, chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await flushFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw asWriteError(error, path);
  }
}

/** Flushes the names in a folder, where the system can: Windows opens none, and some network disks flush none. */
async function flushFolder(folder: string): Promise<void> {
  const opened = await open(folder, "r").catch(() => undefined);
  await opened?.sync().catch(() => undefined);
  await opened?.close();
}

/** A failure to write as an error that says what to do; anything else comes back as it is. */
export function asWriteError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    return new DiapasonError(
      "base/disk-full",
      `There is no room to write "${path}".`,
      "Free some space or name another folder; nothing was half-written.",
      error,
    );
  }
  if (
    code === "EACCES" ||
    code === "EPERM" ||
    code === "EROFS" ||
    code === "ENOTDIR" ||
    code === "EEXIST" ||
    code === "EISDIR" ||
    code === "ENAMETOOLONG" ||
    code === "ELOOP"
  ) {
    return new DiapasonError(
      "base/not-writable",
      `"${path}" cannot be written (${code}).`,
      "Name a folder that you may write to, and a name that it can hold.",
      error,
    );
  }
  // Folders on the way are made, so that one is missing only where none can be made, as on a read-only disk.
  if (code === "ENOENT")
    return new DiapasonError(
      "base/not-writable",
      `"${path}" cannot be written: its folder cannot be made.`,
      "Name a folder that you may write to.",
      error,
    );
  return error;
}

/**
 * Tells before any work whether a file or folder can be written there, as far as permissions say it.
 *
 * @throws base/not-writable when the nearest folder that exists, of those that are to hold it, may not be written.
 */
export async function checkWritable(path: string): Promise<void> {
  for (let holder = dirname(resolve(path)); ; holder = dirname(holder)) {
    try {
      return await access(holder, constants.W_OK);
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
      if (!isMissing || holder === dirname(holder)) throw asWriteError(error, path);
    }
  }
}

/** Pieces of at most this many bytes: one write call cannot take 2 GB. */
const pieceBytes = 1 << 28;

/** Writes all of the bytes, where a call of the system may write a part: from a place of the file on, or where it stands. */
export async function writeAll(file: FileHandle, chunk: Uint8Array, place?: number): Promise<void> {
  for (let at = 0; at < chunk.byteLength; ) {
    const length = Math.min(pieceBytes, chunk.byteLength - at);
    const { bytesWritten } = await file.write(chunk, at, length, place === undefined ? null : place + at);
    at += bytesWritten;
  }
}
