import { createHash, type Hash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { asWriteError, writeAll } from "../../base/atomic-file.node.ts";
import { DiapasonError } from "../../base/errors.ts";
import { isFile } from "./cache.node.ts";
import { mostAttempts, pause, unreachable } from "./hub-fetch.node.ts";
import type { HubSettings } from "./settings.node.ts";

/** A file that is to be fetched. */
export interface Wanted {
  readonly url: string;
  /** For messages: "org/name, model.safetensors". */
  readonly label: string;
  readonly sizeBytes: number;
  /** What its contents hash to, which is also their name in the cache: SHA-256 (64 digits) or git's SHA-1 of a blob (40). */
  readonly etag: string;
}

export interface DownloadContext {
  readonly settings: HubSettings;
  readonly fetch: typeof fetch;
  readonly signal?: AbortSignal | undefined;
  /** Bytes that are there so far. */
  readonly onProgress: (bytes: number) => void;
}

/**
 * Fetches contents into the cache: to `ETAG.diapason-….incomplete` beside their place, on from where an attempt before
 * ended, checked against size and hash, flushed, and renamed.
 *
 * A connection that is cut is taken up again, after waits that double, as long as any attempt of five in a row brings
 * something. What has come stays on disk for the next call when all of them fail.
 * @throws models/hub-unreachable, models/hub-wrong-bytes, base/disk-full, base/not-writable, and what `fetch` throws
 */
export async function downloadBlob(blob: string, wanted: Wanted, context: DownloadContext): Promise<void> {
  if (await isFile(blob)) return;
  const { part, isTakenOver } = await claimPart(blob);
  try {
    try {
      await fillPart(part, wanted, context);
    } catch (error) {
      // What an earlier call left may be what does not fit: once more without it.
      if (!isTakenOver || !isUseless(error)) throw error;
      await rm(part, { force: true });
      await fillPart(part, wanted, context);
    }
    await rename(part, blob);
  } catch (error) {
    const isFull = (error as NodeJS.ErrnoException).code === "ENOSPC";
    if (isUseless(error) || isFull) await rm(part, { force: true });
    else await rename(part, `${blob}.incomplete`).catch(() => undefined);
    throw asWriteError(error, blob);
  }
}

const isUseless = (error: unknown): boolean =>
  error instanceof DiapasonError && error.code === "models/hub-wrong-bytes";

/** A name of this call's own, under which what an earlier one left is taken over. */
async function claimPart(blob: string): Promise<{ readonly part: string; readonly isTakenOver: boolean }> {
  const own = `${blob}.diapason-${process.pid}-${randomBytes(4).toString("hex")}.incomplete`;
  try {
    await mkdir(dirname(blob), { recursive: true });
    const names = await readdir(dirname(blob));
    const left = names.filter((name) => name.startsWith(`${basename(blob)}.`) && isLeft(name));
    for (const name of left) {
      const isTakenOver = await rename(join(dirname(blob), name), own).then(
        () => true,
        () => false, // Another process was faster.
      );
      if (isTakenOver) return { part: own, isTakenOver };
    }
    return { part: own, isTakenOver: false };
  } catch (error) {
    throw asWriteError(error, blob);
  }
}

/** Whether nobody writes to a part any more: one that was given up, or whose process is gone. */
function isLeft(name: string): boolean {
  const [, pid] = /\.(?:diapason-(\d+)-[0-9a-f]+\.)?incomplete$/.exec(name) ?? [];
  if (pid === undefined) return /^[0-9a-f]+\.incomplete$/.test(name);
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

async function fillPart(part: string, wanted: Wanted, context: DownloadContext): Promise<void> {
  const { settings, signal, onProgress } = context;
  const file = await open(part, "a+");
  try {
    let at = await lengthWorthKeeping(file, wanted);
    await checkRoom(part, wanted.sizeBytes - at);
    let hash = await hashOfStart(part, at, wanted);
    onProgress(at);
    for (let attempt = 1; at < wanted.sizeBytes; attempt++) {
      const before = at;
      const failure = await receive(at);
      if (failure === undefined) break;
      if (at > before) attempt = 1;
      if (attempt >= mostAttempts) throw unreachable(settings, failure);
      await pause(settings, attempt, Number.NaN, signal);
    }
    if (at !== wanted.sizeBytes)
      throw wrongBytes(wanted, `${at} bytes came, ${wanted.sizeBytes} were announced`);
    if (hash.digest("hex") !== wanted.etag) throw wrongBytes(wanted, "they do not fit their checksum");
    await file.sync();

    /** Takes in what one answer brings; gives why it ended too early. */
    async function receive(from: number): Promise<unknown> {
      const answer = await context.fetch(wanted.url, {
        headers: { "Accept-Encoding": "identity", ...(from > 0 && { Range: `bytes=${from}-` }) },
      });
      if (from > 0 && !continues(answer, from)) {
        // The server does not go on in the middle: from the start, then.
        await file.truncate(0);
        at = 0;
        hash = newHash(wanted);
      }
      const reader = answer.body?.getReader();
      try {
        for (;;) {
          const next = await withinTime(reader!.read(), settings.timeoutMs, signal);
          if (next.done) return at < wanted.sizeBytes ? new Error("the connection was cut") : undefined;
          at += next.value.length;
          if (at > wanted.sizeBytes)
            throw wrongBytes(wanted, `more than the ${wanted.sizeBytes} that were announced came`);
          await writeAll(file, next.value);
          hash.update(next.value);
          onProgress(at);
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof DiapasonError || isOfDisk(error)) throw error;
        return error;
      } finally {
        await reader?.cancel().catch(() => undefined);
      }
    }
  } finally {
    await file.close();
  }
}

const continues = (answer: Response, from: number): boolean =>
  answer.status === 206 &&
  (answer.headers.get("Content-Range") ?? `bytes ${from}-`).startsWith(`bytes ${from}-`);

/** How much of a part is used; one that is too long is none. */
async function lengthWorthKeeping(file: FileHandle, { sizeBytes }: Wanted): Promise<number> {
  const { size } = await file.stat();
  if (size <= sizeBytes) return size;
  await file.truncate(0);
  return 0;
}

function newHash({ etag, sizeBytes }: Wanted): Hash {
  return etag.length === 40 ? createHash("sha1").update(`blob ${sizeBytes}\0`) : createHash("sha256");
}

async function hashOfStart(part: string, length: number, wanted: Wanted): Promise<Hash> {
  const hash = newHash(wanted);
  if (length > 0)
    for await (const chunk of createReadStream(part, { end: length - 1 })) hash.update(chunk as Uint8Array);
  return hash;
}

/** @throws base/disk-full before the first byte, where it is plain that the file will not fit. */
async function checkRoom(part: string, bytes: number): Promise<void> {
  const space = await statfs(dirname(part)).catch(() => undefined);
  if (!space || space.bavail * space.bsize >= bytes) return;
  throw new DiapasonError(
    "base/disk-full",
    `"${dirname(part)}" has room for ${space.bavail * space.bsize} bytes, and ${bytes} are to come.`,
    "Free some space, or name another folder for the cache with HF_HOME.",
  );
}

async function withinTime<T>(
  work: Promise<T>,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<T> {
  let stop = () => {};
  const late = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => reject(new Error(`nothing came for ${timeoutMs / 1000} s`)), timeoutMs);
    const onAbort = () => reject(signal?.reason);
    signal?.addEventListener("abort", onAbort);
    stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    stop();
  }
}

/** Whether it is the disk that failed, where another attempt is of no use. */
const isOfDisk = (error: unknown): boolean =>
  ["write", "open", "ftruncate"].includes((error as NodeJS.ErrnoException).syscall ?? "");

const wrongBytes = ({ label }: Wanted, what: string): DiapasonError =>
  new DiapasonError(
    "models/hub-wrong-bytes",
    `${label}: the contents that came are not those that the Hub names: ${what}.`,
    "Try again; if it happens once more, something between here and the Hub changes what it sends.",
  );
