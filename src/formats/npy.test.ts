import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { afterAll, describe, expect, test } from "vitest";
import { DiapasonError } from "../base/errors.ts";
import { float32, inMemory, int64, type Tensor, tensorOf } from "../graph/tensor.ts";
import { readNpy, writeNpy } from "./npy.ts";
import { loadNpy, loadNpz, saveNpz } from "./npz.node.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-npz-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fromBytes = (bytes: Uint8Array): Tensor =>
  readNpy(bytes.length, (offset, length) => inMemory(bytes.subarray(offset, offset + length)));

/** A .npy file with any header and any bytes after it. */
function npy(header: string, numbers: Uint8Array = new Uint8Array(), version = 1): Uint8Array {
  const text = `${header}\n`;
  const size =
    version === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, text.length >> 8, 0, 0];
  return Uint8Array.of(
    ...[0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0, ...size],
    ...new TextEncoder().encode(text),
    ...numbers,
  );
}
const headerOf = (descr: string, shape: string, order = "False") =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;

const floats = (tensor: Tensor) => [...new Float32Array(new Uint8Array(tensor.data.read()).buffer)];

describe("what NumPy wrote is read (tests/fixtures/npy.json)", () => {
  interface Case {
    readonly name: string;
    readonly file: string;
    readonly dtype: string;
    readonly dims: readonly number[];
    readonly bytes: string;
  }
  const { cases } = JSON.parse(
    readFileSync(join(import.meta.dirname, "../../tests/fixtures/npy.json"), "utf8"),
  ) as { cases: readonly Case[] };
  test.each(cases)("$name", ({ file, dtype, dims, bytes }) => {
    const tensor = fromBytes(Buffer.from(file, "base64"));
    expect([tensor.dtype, tensor.dims]).toEqual([dtype, dims]);
    expect(Buffer.from(tensor.data.read()).toString("base64")).toBe(bytes);
  });
  test("archives, plain and compressed", async () => {
    const { archives } = JSON.parse(
      readFileSync(join(import.meta.dirname, "../../tests/fixtures/npy.json"), "utf8"),
    ) as { archives: readonly string[] };
    for (const [i, archive] of archives.entries()) {
      const path = join(folder, `numpy-${i}.npz`);
      writeFileSync(path, Buffer.from(archive, "base64"));
      const arrays = await loadNpz(path);
      expect([...arrays.keys()]).toEqual(["x", "/head/y:0"]);
      expect(floats(arrays.get("x")!)).toEqual([0, 1, 2, 3, 4, 5]);
      // Only what is stored as it is stays in the file.
      expect(arrays.get("x")!.data.file !== undefined).toBe(i === 0);
    }
    expect(archives).toHaveLength(2);
  });
});

test("what is written is read again", async () => {
  const arrays = new Map<string, Tensor>([
    ["x", float32([2, 3], [1, 2, 3, 4, 5, 6])],
    ["/a/b:0", int64([2], [7, -8])],
    ["flag", tensorOf("bool", [], Uint8Array.of(1))],
    ["none", float32([0, 4], [])],
  ]);
  const path = join(folder, "written.npz");
  await saveNpz(path, arrays);
  const read = await loadNpz(path);
  expect([...read.keys()].sort()).toEqual([...arrays.keys()].sort());
  for (const [name, { dtype, dims, data }] of arrays) {
    const found = read.get(name)!;
    expect([found.dtype, found.dims, [...found.data.read()]]).toEqual([dtype, dims, [...data.read()]]);
  }
  writeFileSync(join(folder, "one.npy"), writeNpy(float32([1], [9])));
  expect(floats(loadNpy(join(folder, "one.npy")))).toEqual([9]);
  expect(() => writeNpy({ dtype: "bfloat16", dims: [0], data: inMemory(new Uint8Array()) })).toThrow(
    "bfloat16",
  );
});

const four = new Uint8Array(16);
const codeOf = (read: () => unknown): string => {
  try {
    read();
  } catch (error) {
    if (error instanceof DiapasonError) return `${error.code} ${error.message}`;
    throw error;
  }
  return "no error";
};

test.each([
  ["nothing", new Uint8Array(), "npy-damaged", "0 bytes"],
  ["another file", new TextEncoder().encode("PK\x03\x04 something else"), "npy-damaged", "mark"],
  ["an unknown version", npy(headerOf("<f4", "(4,)"), four, 9), "npy-damaged", "9.0"],
  ["a cut header", npy(headerOf("<f4", "(4,)")).subarray(0, 40), "npy-damaged", "inside its header"],
  [
    "a long header of version 2, cut",
    npy(headerOf("<f4", "(4,)"), four, 2).subarray(0, 11),
    "npy-damaged",
    "inside",
  ],
  ["cut numbers", npy(headerOf("<f4", "(5,)"), four), "npy-damaged", "holds 16 bytes"],
  ["too many numbers", npy(headerOf("<f4", "(3,)"), four), "npy-damaged", "wants 12"],
  ["terabytes", npy(headerOf("<f8", "(1000000, 1000000)"), four), "npy-damaged", "wants 8000000000000"],
  [
    "sizes beyond exact numbers",
    npy(headerOf("<f8", "(99999999999, 99999999999)"), four),
    "npy-damaged",
    "shape",
  ],
  ["a negative size", npy(headerOf("<f4", "(-4,)"), four), "npy-damaged", "header"],
  ["code in the header", npy("{'descr': __import__('os'), 'shape': (4,)}", four), "npy-damaged", "header"],
  ["a key too many", npy(`{'x': 1, ${headerOf("<f4", "(4,)").slice(1)}`, four), "npy-damaged", "header"],
  ["a key missing", npy("{'descr': '<f4', 'shape': (4,), }", four), "npy-damaged", "header"],
  ["pickled objects", npy(headerOf("|O", "(4,)"), four), "npy-type", "pickled"],
  ["text", npy(headerOf("<U4", "(1,)"), four), "npy-type", "text"],
  ["times", npy(headerOf("<M8[ns]", "(2,)"), four), "npy-type", "M8"],
  [
    "records",
    npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }", four),
    "npy-type",
    "fields",
  ],
])("%s", (_, bytes, code, says) => {
  const found = codeOf(() => fromBytes(bytes));
  expect(found).toContain(`formats/${code}`);
  expect(found).toContain(says);
});

describe("archives that are not what they say", () => {
  const good = zipSync({ "x.npy": [writeNpy(float32([1000], new Float32Array(1000))), { level: 9 }] });
  const spoiled = (change: (bytes: Uint8Array) => Uint8Array) => change(new Uint8Array(good));
  const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset);
  const directory = (bytes: Uint8Array) => view(bytes).getUint32(bytes.length - 6, true);
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ["nothing", new Uint8Array(), "npz-damaged"],
    ["text", new TextEncoder().encode("x,y\n1,2\n".repeat(20)), "npz-damaged"],
    ["cut", good.subarray(0, good.length - 30), "npz-damaged"],
    ["an entry that is no array", zipSync({ "notes.txt": new Uint8Array(3) }), "notes.txt"],
    [
      "a claim of 4 GB",
      spoiled((bytes) => {
        view(bytes).setUint32(directory(bytes) + 24, 0xfffffff0, true);
        return bytes;
      }),
      "claims to be 4294967280 bytes",
    ],
    [
      "more than it claims",
      spoiled((bytes) => {
        view(bytes).setUint32(directory(bytes) + 24, 100, true);
        return bytes;
      }),
      "npz-damaged",
    ],
    [
      "another checksum",
      spoiled((bytes) => {
        view(bytes).setUint32(directory(bytes) + 16, 1, true);
        return bytes;
      }),
      "checksum",
    ],
    [
      "an unknown method",
      spoiled((bytes) => {
        view(bytes).setUint16(directory(bytes) + 10, 14, true);
        return bytes;
      }),
      "method 14",
    ],
  ];
  test.each(cases)("%s", async (_, bytes, says) => {
    const path = join(folder, "bad.npz");
    writeFileSync(path, bytes);
    const error = await loadNpz(path).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DiapasonError);
    expect(`${(error as DiapasonError).code} ${(error as Error).message}`).toContain(says);
  });

  test("an archive that inflates to more than is allowed", async () => {
    const path = join(folder, "bomb.npz");
    writeFileSync(path, good);
    await expect(loadNpz(path, { limitBytes: 1000 })).rejects.toThrow("1000 are allowed");
    expect((await loadNpz(path)).get("x")!.dims).toEqual([1000]);
  });
});
