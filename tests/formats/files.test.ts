import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { writeFileAtomic } from "../../src/base/atomic-file.node.ts";
import { loadSafetensors, saveSafetensors } from "../../src/formats/safetensors.node.ts";
import type { Tensor } from "../../src/graph/tensor.ts";

const root = mkdtempSync(join(tmpdir(), "diapason-files-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const fixtures = resolve(import.meta.dirname, "../fixtures/formats");

interface Kinds {
  readonly metadata: { readonly [key: string]: string };
  readonly tensors: {
    readonly [name: string]: { readonly dtype: string; readonly dims: number[]; readonly bytes: string };
  };
}

describe("safetensors as the library that named the format writes them", () => {
  const { metadata, tensors } = JSON.parse(readFileSync(join(fixtures, "kinds.json"), "utf8")) as Kinds;
  const described = (held: ReadonlyMap<string, Tensor>) =>
    Object.fromEntries(
      [...held].map(([name, { dtype, dims, data }]) => [
        name,
        { dtype, dims, bytes: Buffer.from(data.read()).toString("hex") },
      ]),
    );

  test("tensors of every type, empty ones and metadata are read, and written again", async () => {
    const read = await loadSafetensors(join(fixtures, "kinds.safetensors"));
    expect(described(read.tensors)).toEqual(tensors);
    expect(Object.fromEntries(read.metadata)).toEqual(metadata);
    await saveSafetensors(join(root, "again.safetensors"), read.tensors, metadata);
    const again = await loadSafetensors(join(root, "again.safetensors"));
    expect(described(again.tensors)).toEqual(tensors);
    expect(Object.fromEntries(again.metadata)).toEqual(metadata);
  });

  test("a file without tensors", async () => {
    expect((await loadSafetensors(join(fixtures, "none.safetensors"))).tensors.size).toBe(0);
  });
});

describe("a file is written whole or not at all", () => {
  let folder = "";
  let path = "";
  beforeEach(() => {
    folder = mkdtempSync(join(root, "atomic-"));
    path = join(folder, "weights.bin");
    writeFileSync(path, "old");
  });
  const left = () => [readdirSync(folder), readFileSync(path, "utf8")];
  const untouched = [["weights.bin"], "old"];
  const atomicFile = resolve(import.meta.dirname, "../../dist/base/atomic-file.node.js");
  /** A program that writes the file in pieces of 64 KiB, each of which `before` precedes. */
  const program = (before: string) => `
    import { writeFileAtomic } from ${JSON.stringify(atomicFile)};
    function* pieces() { for (let i = 0; i < 64; i++) { ${before}; yield new Uint8Array(65536); } }
    await writeFileAtomic(process.argv[1], pieces()).catch((error) => { console.log(error.code); process.exit(3); });
  `;
  const node = ["--input-type=module", "-e"];

  test("text, bytes and pieces, into folders that are not there yet", async () => {
    const deep = join(folder, "a/b/c.txt");
    await writeFileAtomic(deep, "größe");
    await writeFileAtomic(path, [Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)]);
    expect([readFileSync(deep, "utf8"), [...readFileSync(path)]]).toEqual(["größe", [1, 2, 3]]);
    expect(readdirSync(folder)).toEqual(["a", "weights.bin"]);
  });

  test("what gives the bytes fails: its error is told, the old file stays", async () => {
    function* pieces() {
      yield new Uint8Array(10);
      throw new RangeError("no more");
    }
    await expect(writeFileAtomic(path, pieces())).rejects.toThrow(new RangeError("no more"));
    expect(left()).toEqual(untouched);
  });

  test("the process is killed on its way: the old file stays", async () => {
    const child = spawn(process.execPath, [
      ...node,
      program("if (i === 32) process.kill(process.pid, 'SIGKILL')"),
      path,
    ]);
    const signal = await new Promise((done) => child.on("close", (_, by) => done(by)));
    expect([signal, readFileSync(path, "utf8")]).toEqual(["SIGKILL", "old"]);
  });

  test.skipIf(process.platform === "win32")(
    "no room (a limit on the size of files): the old file stays",
    () => {
      const limited = ["-c", 'ulimit -f 1024; exec "$@"', "sh", process.execPath, ...node, program(""), path];
      const { status, stdout } = spawnSync("sh", limited, { encoding: "utf8" });
      expect([status, stdout.trim()]).toEqual([3, "base/disk-full"]);
      expect(left()).toEqual(untouched);
    },
  );

  test.skipIf(process.platform === "win32")("a folder that may not be written", async () => {
    const user = process.geteuid!();
    chmodSync(root, 0o755);
    chmodSync(folder, 0o555);
    if (user === 0) process.seteuid!(65_534);
    try {
      await expect(writeFileAtomic(path, "new")).rejects.toMatchObject({ code: "base/not-writable" });
    } finally {
      process.seteuid!(user);
      chmodSync(folder, 0o755);
    }
    expect(left()).toEqual(untouched);
  });

  test.each([
    ["a folder in its place", "taken"],
    ["a file where a folder is to be", "weights.bin/inside.bin"],
    ["a name that is too long", `${"x".repeat(300)}.bin`],
  ])("%s", async (_, name) => {
    mkdirSync(join(folder, "taken"));
    writeFileSync(join(folder, "taken/mine.txt"), "keep me");
    await expect(writeFileAtomic(join(folder, name), "new")).rejects.toMatchObject({
      code: "base/not-writable",
    });
    expect(readdirSync(folder)).toEqual(["taken", "weights.bin"]);
    expect(readFileSync(path, "utf8")).toBe("old");
  });

  test("a name as long as a file may have", async () => {
    const long = join(folder, "ß".repeat(125));
    await writeFileAtomic(long, "new");
    expect(readFileSync(long, "utf8")).toBe("new");
  });

  test("several at once leave one of them, whole", async () => {
    await Promise.all(Array.from({ length: 8 }, (_, i) => writeFileAtomic(path, String(i).repeat(100_000))));
    expect(readFileSync(path, "utf8")).toMatch(/^(\d)\1{99999}$/);
    expect(readdirSync(folder)).toEqual(["weights.bin"]);
  });
});
