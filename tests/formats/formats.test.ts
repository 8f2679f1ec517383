import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { DiapasonError } from "../../src/base/errors.ts";
import { random } from "../../src/base/random.ts";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/file.node.ts";
import { readOnnx } from "../../src/formats/onnx/reader.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { loadSafetensors, saveSafetensors } from "../../src/formats/safetensors.node.ts";
import { readSafetensors, writeSafetensors } from "../../src/formats/safetensors.ts";
import { print } from "../../src/graph/print.ts";
import { type DataType, float32, inMemory, int64, type Tensor, tensorOf } from "../../src/graph/tensor.ts";
import { assets, haveAssets } from "../assets.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-formats-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const networks = resolve(import.meta.dirname, "../fixtures/networks");
const fixture = (name: string) => new Uint8Array(readFileSync(join(networks, name)));
const wild = haveAssets ? readdirSync(assets("onnx")).filter((name) => name.endsWith(".onnx")) : [];

/** Everything a graph says, weights included. */
function contentOf(bytes: Uint8Array) {
  const graph = readOnnx(bytes);
  const weights = [...graph.initializers].map(({ name, constant }) => [
    name,
    constant!.dtype,
    constant!.dims,
    Buffer.from(constant!.data.read()).toString("base64"),
    constant!.strings,
  ]);
  return { text: print(graph), weights };
}

describe("what is written is what was read", () => {
  test.each(readdirSync(networks).filter((name) => name.endsWith(".onnx")))("%s", (name) => {
    const bytes = fixture(name);
    expect(contentOf(writeOnnx(readOnnx(bytes)))).toEqual(contentOf(bytes));
  });

  test.skipIf(!haveAssets).each(wild)("%s (skipped without the real models)", (name) => {
    const bytes = new Uint8Array(readFileSync(assets(`onnx/${name}`)));
    expect(contentOf(writeOnnx(readOnnx(bytes)))).toEqual(contentOf(bytes));
  });

  test("weights beside the file, on whole pages, small ones inside", async () => {
    const graph = readOnnx(fixture("encoder.onnx"));
    await saveOnnx(graph, join(folder, "outside.onnx"), { externalAboveBytes: 0 });
    expect(readdirSync(folder)).toEqual(["outside.onnx", "outside.onnx_data"]);
    const again = await loadOnnx(join(folder, "outside.onnx"));
    const places = [...again.initializers].flatMap(({ constant }) => constant!.data.file?.offset ?? []);
    expect(places.length).toBeGreaterThan(0);
    expect(places.every((offset) => offset % 4096 === 0)).toBe(true);
    expect(contentOf(writeOnnx(again))).toEqual(contentOf(fixture("encoder.onnx")));
  });

  test("more than 4 GB beside the file is opened without being read", async () => {
    const graph = readOnnx(fixture("resnet.onnx"));
    const [weight] = graph.initializers;
    const length = 5 * 2 ** 30;
    const data = { length, read: (): Uint8Array => new Uint8Array(0) };
    graph.setConstant(weight!, { dtype: "float32", dims: [length / 4], data });
    const place = () => ({ location: "huge.bin", offset: 0 });
    writeFileSync(
      join(folder, "huge.onnx"),
      writeOnnx(graph, { place: (value) => (value === weight ? place() : undefined) }),
    );
    writeFileSync(join(folder, "huge.bin"), "");
    truncateSync(join(folder, "huge.bin"), length); // sparse: takes no room
    const again = (await loadOnnx(join(folder, "huge.onnx"))).get(weight!.name).constant!;
    expect([again.data.length, again.data.file?.path]).toEqual([length, join(folder, "huge.bin")]);
    rmSync(join(folder, "huge.bin"));
  });
});

/** What reading throws: the code of a DiapasonError, or undefined; anything else fails the test. */
function codeOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof DiapasonError) return error.code;
    throw error;
  }
}

describe("damaged files", () => {
  const safetensors = () => fixture("resnet.safetensors");
  const readTensors = (bytes: Uint8Array) =>
    readSafetensors(bytes.length, (offset, length) => inMemory(bytes.subarray(offset, offset + length)));

  test("an ONNX file cut anywhere is refused or still a graph, never anything else", () => {
    const bytes = fixture("encoder.onnx");
    const codes = Array.from({ length: 50 }, (_, i) =>
      codeOf(() => readOnnx(bytes.subarray(0, Math.floor((bytes.length * i) / 50)))),
    );
    for (const code of codes) expect(code ?? "formats/").toMatch(/^formats\//);
    expect(codes.filter(Boolean).length).toBeGreaterThan(40);
  });

  test("flipped bits of an ONNX file are refused or still a graph, never anything else", () => {
    const whole = fixture("depthwise.onnx");
    const draws = random(1, "flips");
    for (let i = 0; i < 300; i++) {
      const bytes = whole.slice();
      for (let n = 0; n < 4; n++) bytes[draws.integer(bytes.length)]! ^= 1 << draws.integer(8);
      expect(codeOf(() => readOnnx(bytes)) ?? "formats/").toMatch(/^formats\//);
    }
  });

  test("flipped bits of a safetensors header are refused or still tensors", () => {
    const whole = safetensors();
    const draws = random(2, "flips");
    for (let i = 0; i < 300; i++) {
      const bytes = whole.slice();
      bytes[draws.integer(400)]! ^= 1 << draws.integer(8);
      expect(codeOf(() => readTensors(bytes)) ?? "formats/safetensors-damaged").toBe(
        "formats/safetensors-damaged",
      );
    }
  });

  test.each([
    ["nothing", "", "it is empty"],
    ["a page of HTML", "<!doctype html><html></html>", "a page of the web"],
    [
      "a pointer of Git LFS",
      "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
      "a pointer of Git LFS",
    ],
    ["a pickle", "\u0080\u0002}q\u0000.", "a pickle of Python"],
    ["a zip archive", "PK\u0003\u0004\u0014\u0000", "a zip archive"],
    ["a text", "hello\nthis is text\n", "it is text"],
  ])("%s is no model", async (_, text, said) => {
    writeFileSync(join(folder, "odd.bin"), text, "latin1");
    await expect(loadOnnx(join(folder, "odd.bin"))).rejects.toMatchObject({
      code: "formats/onnx-damaged",
      message: expect.stringContaining(said),
    });
    await expect(loadSafetensors(join(folder, "odd.bin"))).rejects.toMatchObject({
      code: "formats/safetensors-damaged",
    });
  });

  test.each(["../stolen.bin", "/etc/hostname", "a/../../stolen.bin"])(
    "weights at %s are not read",
    async (location) => {
      const graph = readOnnx(fixture("resnet.onnx"));
      const name = join(folder, "thief");
      mkdirSync(name, { recursive: true });
      writeFileSync(join(name, "model.onnx"), writeOnnx(graph, { place: () => ({ location, offset: 0 }) }));
      await expect(loadOnnx(join(name, "model.onnx"))).rejects.toMatchObject({
        code: "formats/onnx-external-outside",
      });
    },
  );

  test("weights that are missing or too short", async () => {
    const graph = readOnnx(fixture("resnet.onnx"));
    writeFileSync(
      join(folder, "lost.onnx"),
      writeOnnx(graph, { place: () => ({ location: "lost.bin", offset: 8 }) }),
    );
    await expect(loadOnnx(join(folder, "lost.onnx"))).rejects.toMatchObject({
      code: "formats/onnx-external-missing",
    });
    writeFileSync(join(folder, "lost.bin"), "short");
    await expect(loadOnnx(join(folder, "lost.onnx"))).rejects.toMatchObject({
      code: "formats/onnx-external-missing",
    });
  });

  const filling = { a: { dtype: "F32", shape: [2], data_offsets: [0, 8] } };
  const two = JSON.stringify(filling.a);
  const none = JSON.stringify({ ...filling.a, shape: [0], data_offsets: [8, 8] });

  test.each<[string, object | string]>([
    ["a hole", { a: { dtype: "F32", shape: [1], data_offsets: [4, 8] } }],
    [
      "an overlap",
      {
        a: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
        b: { dtype: "F32", shape: [1], data_offsets: [4, 8] },
      },
    ],
    ["a size that does not fit", { a: { dtype: "F32", shape: [3], data_offsets: [0, 8] } }],
    ["an unknown type", { a: { dtype: "F99", shape: [2], data_offsets: [0, 8] } }],
    ["a negative size", { a: { dtype: "F32", shape: [-2], data_offsets: [0, 8] } }],
    ["bytes that belong to nothing", {}],
    ["a tensor that ends before it begins", { a: { dtype: "F32", shape: [0], data_offsets: [8, 0] } }],
    ["a tensor beyond the end", { a: { dtype: "F32", shape: [4], data_offsets: [0, 16] } }],
    ["three offsets", { a: { dtype: "F32", shape: [2], data_offsets: [0, 8, 8] } }],
    ["a size that is no whole number", { a: { dtype: "F32", shape: [0.5, 4], data_offsets: [0, 8] } }],
    ["sizes that overflow", { a: { dtype: "F32", shape: [2 ** 52, 2 ** 52], data_offsets: [0, 8] } }],
    ["no shape", { a: { dtype: "F32", data_offsets: [0, 8] } }],
    ["a tensor that is null", { a: null }],
    ["metadata that are no texts", { ...filling, __metadata__: { epochs: 3 } }],
    ["metadata in a list", { ...filling, __metadata__: ["pt"] }],
    ["a name twice", `{"a":${two},"b":${none},"a":${two}}`],
    ["white space before its header", `  ${JSON.stringify(filling)}`],
    ["a header that is a list", `[${two}]`],
    ["a header that goes on after its end", `${JSON.stringify(filling)}{}`],
    ["a byte order mark", `\ufeff${JSON.stringify(filling)}`],
    ["a header that is not UTF-8", Uint8Array.from(Buffer.from(`{"\xff":${two}}`, "latin1"))],
  ])("safetensors with %s", (_, header) => {
    expect(codeOf(() => readTensors(fileOf(header)))).toBe("formats/safetensors-damaged");
  });

  test("safetensors with a header that is padded, and keys that the format does not know, are read", () => {
    const text = JSON.stringify({ a: { ...filling.a, note: { a: 1, b: { a: 2 } } } });
    expect(codeOf(() => readTensors(fileOf(`${text}   `)))).toBeUndefined();
  });

  /** A file with this header and eight bytes of weights. */
  function fileOf(header: object | string): Uint8Array {
    const text =
      header instanceof Uint8Array
        ? header
        : new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
    const bytes = new Uint8Array(8 + text.length + 8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
    bytes.set(text, 8);
    return bytes;
  }
});

describe("safetensors", () => {
  test("tensors of every kind come back, aligned, with the metadata", async () => {
    const kinds: [DataType, number][] = [
      ["bool", 1],
      ["int8", 1],
      ["bfloat16", 2],
      ["float16", 2],
      ["float64", 8],
    ];
    const tensors = new Map<string, Tensor>([
      ...kinds.map(
        ([dtype, size]) => [`of ${dtype}`, tensorOf(dtype, [3], new Uint8Array(3 * size).fill(1))] as const,
      ),
      ["scalar", float32([], [1.5])],
      ["empty", float32([0, 4], [])],
      ["größer", int64([2], [1, -(2 ** 40)])],
    ]);
    await saveSafetensors(join(folder, "all.safetensors"), tensors, { format: "pt" });
    const again = await loadSafetensors(join(folder, "all.safetensors"));
    expect(again.metadata).toEqual(new Map([["format", "pt"]]));
    expect([...again.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
    for (const [name, { dtype, dims, data }] of tensors) {
      const read = again.tensors.get(name)!;
      expect([read.dtype, read.dims, [...read.data.read()]]).toEqual([dtype, dims, [...data.read()]]);
    }
  });

  test("a type that the format lacks is refused by name", () => {
    const tensors = new Map([["codes", tensorOf("int4", [2], new Uint8Array(1))]]);
    expect(codeOf(() => [...writeSafetensors(tensors)])).toBe("formats/safetensors-type");
  });
});
