import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { DiapasonError } from "../base/errors.ts";
import { float32, type Tensor } from "../graph/tensor.ts";
import { openCheckpoint, saveCheckpoint } from "./checkpoint.node.ts";
import { saveSafetensors } from "./safetensors.node.ts";

const root = mkdtempSync(join(tmpdir(), "diapason-checkpoint-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const newFolder = () => {
  const folder = join(root, String(count++));
  mkdirSync(folder);
  return folder;
};

/** Tensors of 40, 40, 400 and 40 bytes. */
const weights = new Map<string, Tensor>(
  [10, 10, 100, 10].map((size, i) => [
    `layer.${i}.weight`,
    float32(
      [size],
      Array.from({ length: size }, (_, k) => 1000 * i + k),
    ),
  ]),
);
const valuesOf = (tensors: ReadonlyMap<string, Tensor>) =>
  Object.fromEntries(
    [...tensors]
      .map(([name, { dims, data }]) => [name, [dims, Buffer.from(data.read()).toString("hex")]] as const)
      .sort(),
  );

async function sharded(change?: (index: { weight_map: Record<string, unknown> }, folder: string) => unknown) {
  const folder = newFolder();
  await saveCheckpoint(folder, weights, { shardBytes: 100 });
  const path = join(folder, "model.safetensors.index.json");
  const index = JSON.parse(readFileSync(path, "utf8"));
  const changed = await change?.(index, folder);
  writeFileSync(path, typeof changed === "string" ? changed : JSON.stringify(changed ?? index));
  return folder;
}

/** Says in an index that a tensor lies in a file. */
function place(map: Record<string, unknown>, tensor: string, file: unknown): void {
  map[tensor] = file;
}

const omitted = (map: Record<string, unknown>, tensor: string) =>
  Object.fromEntries(Object.entries(map).filter(([name]) => name !== tensor));

const errorOf = (folder: string): Promise<DiapasonError> =>
  openCheckpoint(folder).then(
    () => {
      throw new Error("it was opened");
    },
    (error) => error,
  );

describe("one file", () => {
  test("a folder, and the file itself", async () => {
    const folder = newFolder();
    expect(await saveCheckpoint(folder, weights)).toEqual(["model.safetensors"]);
    for (const path of [folder, join(folder, "model.safetensors")]) {
      const { tensors, files, format, metadata } = await openCheckpoint(path);
      expect(valuesOf(tensors)).toEqual(valuesOf(weights));
      expect([files, format, [...metadata]]).toEqual([
        ["model.safetensors"],
        "safetensors",
        [["format", "pt"]],
      ]);
    }
  });

  test("weights are not read before they are asked for", async () => {
    const folder = newFolder();
    await saveCheckpoint(folder, weights);
    const { tensors } = await openCheckpoint(folder);
    const { file, length } = tensors.get("layer.2.weight")!.data;
    expect([file?.path, length]).toEqual([join(folder, "model.safetensors"), 400]);
  });
});

describe("several files with an index", () => {
  test("are split as transformers splits them, and read as one", async () => {
    const folder = await sharded();
    expect(readdirSync(folder).sort()).toEqual([
      "model-00001-of-00003.safetensors",
      "model-00002-of-00003.safetensors",
      "model-00003-of-00003.safetensors",
      "model.safetensors.index.json",
    ]);
    const { tensors, files, metadata } = await openCheckpoint(folder);
    expect(valuesOf(tensors)).toEqual(valuesOf(weights));
    expect(files).toHaveLength(3);
    expect(metadata.get("total_size")).toBe("520");
    expect(metadata.get("format")).toBe("pt");
  });

  test("one whole file goes before an index, as with transformers", async () => {
    const folder = await sharded();
    await saveSafetensors(join(folder, "model.safetensors"), new Map([["only", float32([1], [7])]]));
    expect([...(await openCheckpoint(folder)).tensors.keys()]).toEqual(["only"]);
  });

  test("links to files elsewhere are followed, as the cache of the Hub is made of them", async () => {
    const real = await sharded();
    const folder = newFolder();
    for (const name of readdirSync(real)) symlinkSync(join(real, name), join(folder, name));
    expect(valuesOf((await openCheckpoint(folder)).tensors)).toEqual(valuesOf(weights));
  });

  const first = "model-00001-of-00003.safetensors";
  test.each<[string, string, RegExp, NonNullable<Parameters<typeof sharded>[0]>]>([
    [
      "a file is missing",
      "formats/shard-missing",
      /names 3 files; this one is not there: model-00001-of-00003/,
      (_, folder) => rmSync(join(folder, first)),
    ],
    [
      "a tensor is in none of the files",
      "formats/index-mismatch",
      /"layer.9.weight" should be in "model-00001-of-00003.safetensors" and is in none/,
      ({ weight_map }) => place(weight_map, "layer.9.weight", first),
    ],
    [
      "a tensor is in another file",
      "formats/index-mismatch",
      /"layer.0.weight" should be in "model-00001-of-00003.safetensors" and is in "model-0000/,
      ({ weight_map }) => place(weight_map, "layer.0.weight", first),
    ],
    [
      "a tensor is in two files",
      "formats/index-mismatch",
      /the tensor "layer.0.weight" is in "model.*" and in "model/,
      (_, folder) => saveSafetensors(join(folder, first), weights),
    ],
    [
      "a file holds a tensor that is not named",
      "formats/index-mismatch",
      /holds the tensor "layer.0.weight", which it does not name/,
      (index) => ({ ...index, weight_map: omitted(index.weight_map, "layer.0.weight") }),
    ],
    [
      "a path goes up",
      "formats/index-outside",
      /"layer.0.weight" in "sub\/\.\.\/\.\.\/secret"/,
      ({ weight_map }) => place(weight_map, "layer.0.weight", "sub/../../secret"),
    ],
    [
      "a path is absolute",
      "formats/index-outside",
      /"\/etc\/passwd"/,
      ({ weight_map }) => place(weight_map, "layer.0.weight", "/etc/passwd"),
    ],
    [
      "a path is one of Windows",
      "formats/index-outside",
      /outside its folder/,
      ({ weight_map }) => place(weight_map, "layer.0.weight", "..\\x"),
    ],
    [
      "a place is a number",
      "formats/index-damaged",
      /"layer.0.weight" in 3/,
      ({ weight_map }) => place(weight_map, "layer.0.weight", 3),
    ],
    ["it maps nothing", "formats/index-damaged", /weight_map is empty/, () => ({ weight_map: {} })],
    ["it has no map", "formats/index-damaged", /no weight_map/, () => ({ metadata: {} })],
    ["it is a list", "formats/index-damaged", /not a JSON object/, () => "[1]"],
    ["it is cut off", "formats/index-damaged", /not JSON/, () => '{"weight_map": {'],
    [
      "it places a tensor twice",
      "formats/index-damaged",
      /the key "a" twice/,
      () => `{"weight_map": {"a": "${first}", "b\\"c": "${first}", "a": "${first}"}}`,
    ],
  ])("%s: %s", async (_, code, message, change) => {
    const error = await errorOf(await sharded(change));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });
});

describe("what is no checkpoint", () => {
  test.each([
    [
      "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
      /pointer of Git LFS.*git lfs pull/,
    ],
    ["<!DOCTYPE html><html></html>", /a page of the web/],
  ])("%s in place of weights is told by what it is", async (content, message) => {
    for (const name of ["model.safetensors", "pytorch_model.bin"]) {
      const folder = newFolder();
      writeFileSync(join(folder, name), content);
      expect((await errorOf(folder)).message).toMatch(message);
    }
  });

  test("a folder without weights, one whose weights have another name, nothing, another file", async () => {
    const folder = newFolder();
    expect((await errorOf(folder)).message).toMatch(/holds no weights; expected model.safetensors/);
    await saveSafetensors(join(folder, "teacher.safetensors"), weights);
    expect((await errorOf(folder)).message).toMatch(/usual name; there is teacher.safetensors/);
    expect((await errorOf(join(folder, "none"))).message).toMatch(/is not there/);
    writeFileSync(join(folder, "notes.txt"), "");
    expect((await errorOf(join(folder, "notes.txt"))).message).toMatch(/is no file of weights/);
    expect((await errorOf(folder)).code).toBe("formats/no-checkpoint");
    expect((await openCheckpoint(join(folder, "teacher.safetensors"))).tensors.size).toBe(4);
  });
});
