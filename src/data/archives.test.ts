import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { zipSync } from "fflate";
import { type Header, pack } from "tar-stream";
import { afterAll, expect, test } from "vitest";
import { unpackArchive } from "./archives.node.ts";

const scratch = mkdtempSync(join(tmpdir(), "diapason-archives-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const text = (content: string) => new TextEncoder().encode(content);

async function tarOf(
  entries: readonly (readonly [Partial<Header> & { name: string }, string?])[],
): Promise<Buffer> {
  const tar = pack();
  for (const [header, content] of entries) tar.entry(header as Header, content ?? "");
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function put(name: string, bytes: Uint8Array): string {
  const path = join(mkdtempSync(join(scratch, "in-")), name);
  writeFileSync(path, bytes);
  return path;
}

async function unpacked(name: string, bytes: Uint8Array, limits?: Parameters<typeof unpackArchive>[3]) {
  const folder = mkdtempSync(join(scratch, "out-"));
  const files = await unpackArchive(put(name, bytes), name, folder, limits);
  expect(readdirSync(folder, { recursive: true, encoding: "utf8" })).toEqual(
    expect.arrayContaining([...files]),
  );
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(folder, file), "utf8")]));
}

const mistake = (name: string, bytes: Uint8Array, limits?: Parameters<typeof unpackArchive>[3]) =>
  unpacked(name, bytes, limits).then(
    () => expect.unreachable("it was unpacked"),
    (error) => [error.code, error.message] as const,
  );

test("zip, tar and tar.gz hold the same", async () => {
  const whole = { "train/a.csv": "text,label\na,b\n", "./b.txt": "b" };
  const tar = await tarOf(Object.entries(whole).map(([name, content]) => [{ name }, content]));
  const wanted = { "train/a.csv": whole["train/a.csv"], "b.txt": "b" };
  const zip = zipSync(
    Object.fromEntries(Object.entries(whole).map(([name, content]) => [name, text(content)])),
  );
  expect(await unpacked("a.zip", zip)).toEqual(wanted);
  expect(await unpacked("a.tar", tar)).toEqual(wanted);
  expect(await unpacked("a.tgz", gzipSync(tar))).toEqual(wanted);
  expect(await unpacked("A.TAR.GZ", gzipSync(tar))).toEqual(wanted);
});

test("hidden files, links and devices are left out", async () => {
  const zip = zipSync({
    "__MACOSX/._a.csv": text("x"),
    ".DS_Store": text("x"),
    "link.csv": [text("/etc/passwd"), { os: 3, attrs: 0o120777 << 16 }],
    "a.csv": text("a"),
  });
  expect(await unpacked("a.zip", zip)).toEqual({ "a.csv": "a" });
  const tar = await tarOf([
    [{ name: "link.csv", type: "symlink", linkname: "/etc/passwd" }],
    [{ name: "hard.csv", type: "link", linkname: "/etc/passwd" }],
    [{ name: "pipe", type: "fifo" }],
    [{ name: "a.csv" }, "a"],
  ]);
  expect(await unpacked("a.tar", tar)).toEqual({ "a.csv": "a" });
});

test.each(["../up.csv", "a/../../up.csv", "/etc/up.csv", "C:/up.csv", "a\\..\\up.csv"])(
  "%s leads nowhere",
  async (name) => {
    const [code, message] = await mistake("a.zip", zipSync({ [name]: text("x") }));
    expect([code, message]).toEqual([
      "data/bad-archive",
      `a.zip holds ${JSON.stringify(name)}, which is no path inside of a folder.`,
    ]);
    expect((await mistake("a.tar", await tarOf([[{ name }, "x"]])))[0]).toBe("data/bad-archive");
    expect(existsSync(join(scratch, "up.csv"))).toBe(false);
  },
);

test("an archive that becomes far more than it is ends in one error, before it is there", async () => {
  const limits = { bytes: 1000, ratio: 10, files: 3 };
  const bomb = zipSync({ "a.txt": new Uint8Array(1e6) });
  expect(bomb.length * limits.ratio).toBeLessThan(1e5);
  expect(await mistake("a.zip", bomb, limits)).toEqual([
    "data/bad-archive",
    `a.zip holds more than ${bomb.length * limits.ratio} bytes, far beyond its own size.`,
  ]);
  const tar = gzipSync(await tarOf([[{ name: "a.txt" }, "a".repeat(1e6)]]));
  expect((await mistake("a.tgz", tar, limits))[1]).toMatch(/bytes, far beyond/);
  const many = zipSync(Object.fromEntries([1, 2, 3, 4].map((i) => [`${i}.txt`, text("x")])));
  expect((await mistake("a.zip", many, limits))[1]).toMatch(/holds more than 3 files/);
});

test("damaged, cut short, twice the same, or no archive at all", async () => {
  const zip = zipSync({ "a.csv": text("text,label\n".repeat(100)) });
  const tar = gzipSync(await tarOf([[{ name: "a.csv" }, "text,label\n".repeat(1000)]]));
  for (const [name, bytes] of [
    ["a.zip", zip.subarray(0, zip.length - 30)],
    ["a.tar.gz", tar.subarray(0, tar.length - 20)],
    ["a.tgz", text("<html>not found</html>")],
    ["a.tar", text("<html>not found</html>".repeat(100))],
  ] as const)
    expect([name, ...(await mistake(name, bytes))]).toEqual([
      name,
      "data/bad-archive",
      expect.stringMatching(/cannot be unpacked: .+\.$/),
    ]);
  const twice = await tarOf([
    [{ name: "a.csv" }, "1"],
    [{ name: "./a.csv" }, "2"],
  ]);
  expect((await mistake("a.tar", twice))[1]).toBe("a.tar holds two files of one path.");
  const path = put("cut.tar", twice);
  truncateSync(path, 700);
  await expect(unpackArchive(path, "cut.tar", mkdtempSync(join(scratch, "out-")))).rejects.toMatchObject({
    code: "data/bad-archive",
  });
});
