import { createReadStream } from "node:fs";
import { mkdir, open, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract as extractTar } from "tar-stream";
import { asWriteError, writeAll } from "../base/atomic-file.node.ts";
import { DiapasonError } from "../base/errors.ts";
import { staysInside } from "../base/stays-inside.ts";
import { openFileBytes } from "../formats/file-bytes.node.ts";
import { openZip } from "../formats/open-zip.node.ts";

/** How much an archive may hold: a small one may claim to be any size. */
export interface ArchiveLimits {
  /** Bytes that any may hold. */
  readonly bytes: number;
  /** Bytes for each of its own. */
  readonly ratio: number;
  readonly files: number;
}
const usualLimits: ArchiveLimits = { bytes: 2 ** 30, ratio: 200, files: 2 ** 20 };

const ending = /\.(zip|tar|tar\.gz|tgz)$/i;

/** The ending of an archive that can be unpacked; undefined for any other file. */
export const archiveEnding = (path: string): string | undefined => ending.exec(path)?.[0].toLowerCase();

/** Something of an archive that is a file. */
interface Member {
  readonly name: string;
  open(): Promise<AsyncIterable<Uint8Array>>;
  /** Leaves it unread. */
  pass(): void;
}

/**
 * Unpacks the files of an archive into a folder; links, devices and hidden files are left out. Result: their paths in it, with
 * "/". `name` is how messages call the archive.
 *
 * @throws data/bad-archive for one that is damaged, encrypted, leads outside the folder or holds more than it may;
 * base/disk-full, base/not-writable
 */
export async function unpackArchive(
  path: string,
  name: string,
  folder: string,
  limits: ArchiveLimits = usualLimits,
): Promise<readonly string[]> {
  const most = Math.max(limits.bytes, limits.ratio * (await stat(path)).size);
  const found: string[] = [];
  let held = 0;
  try {
    for await (const member of archiveEnding(path) === ".zip" ? zipMembers(path) : tarMembers(path)) {
      const inside = pathInside(member.name, name);
      if (isHidden(inside)) {
        member.pass();
        continue;
      }
      if (found.push(inside) > limits.files) throw tooMuch(name, `more than ${limits.files} files`);
      await mkdir(dirname(join(folder, inside)), { recursive: true });
      const file = await open(join(folder, inside), "wx");
      try {
        for await (const chunk of await member.open()) {
          held += chunk.length;
          if (held > most) throw tooMuch(name, `more than ${most} bytes`);
          await writeAll(file, chunk);
        }
      } finally {
        await file.close();
      }
    }
  } catch (cause) {
    throw asMistake(cause, name, folder);
  }
  return found;
}

async function* zipMembers(path: string): AsyncGenerator<Member> {
  const zip = await openZip(path, openFileBytes(path));
  try {
    for await (const entry of zip.eachEntry()) {
      const name = new TextDecoder().decode(entry.fileNameRaw);
      // The upper half of the attributes is a file's mode where a Unix wrote it: 0o120000 is a link.
      const isLink = ((entry.externalFileAttributes >>> 16) & 0o170000) === 0o120000;
      if (name.endsWith("/") || isLink) continue;
      if (entry.isEncrypted()) throw new Error(`"${name}" is encrypted`);
      yield { name, open: () => zip.openReadStreamPromise(entry), pass: () => undefined };
    }
  } finally {
    zip.close();
  }
}

async function* tarMembers(path: string): AsyncGenerator<Member> {
  const tar = extractTar();
  const unpacked = archiveEnding(path) === ".tar" ? [] : [createGunzip()];
  // What is wrong with the file comes out where its members are read.
  const fed = pipeline([createReadStream(path), ...unpacked, tar]).catch(() => undefined);
  for await (const entry of tar) {
    const { name, type } = entry.header;
    if (type === "file" || type === "contiguous-file")
      yield { name, open: async () => entry as AsyncIterable<Uint8Array>, pass: () => entry.resume() };
    else entry.resume();
  }
  await fed;
}

const isHidden = (path: string): boolean => /(^|\/)(\.|__MACOSX(\/|$))/.test(path);

/** A member's path, without "./". @throws data/bad-archive where it leads out of the folder */
function pathInside(path: string, archive: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (staysInside(path) && !path.includes("\\") && parts.length > 0) return parts.join("/");
  throw new DiapasonError(
    "data/bad-archive",
    `${archive} holds ${JSON.stringify(path)}, which is no path inside of a folder.`,
    "Do not unpack it; take another copy of the data.",
  );
}

const tooMuch = (archive: string, what: string): DiapasonError =>
  new DiapasonError(
    "data/bad-archive",
    `${archive} holds ${what}, far beyond its own size.`,
    "If that is meant, unpack it yourself and give the folder; else take another copy of the data.",
  );

function asMistake(cause: unknown, archive: string, folder: string): unknown {
  if (cause instanceof DiapasonError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  const isTwice = code === "EEXIST" || code === "EISDIR" || code === "ENOTDIR";
  const written = isTwice ? cause : asWriteError(cause, folder);
  if (written instanceof DiapasonError) return written;
  return new DiapasonError(
    "data/bad-archive",
    isTwice ? `${archive} holds two files of one path.` : `${archive} cannot be unpacked: ${message}.`,
    "Download it again, or unpack it with another program and give the folder.",
    cause,
  );
}
