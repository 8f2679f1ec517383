import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { DiapasonError } from "../base/errors.ts";
import { writeNpy } from "../formats/npy.ts";
import { saveNpz } from "../formats/npz.node.ts";
import { saveSafetensors } from "../formats/safetensors.node.ts";
import { float32, int64, type Tensor, tensorOf } from "../graph/tensor.ts";
import { openBatches } from "./array-batches.node.ts";
import { openArraySet, openArrays } from "./array-files.node.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-arrays-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

/** n examples x [n, 2] = (i, i + ½) and y [n] = i. */
const counting = (n: number): Map<string, Tensor> =>
  new Map([
    [
      "x",
      float32(
        [n, 2],
        Array.from({ length: 2 * n }, (_, i) => Math.floor(i / 2) + (i % 2) / 2),
      ),
    ],
    [
      "y",
      int64(
        [n],
        Array.from({ length: n }, (_, i) => i),
      ),
    ],
  ]);
const options = { seed: 3, validationShare: 0.25 };
const text = (lines: readonly unknown[]) => lines.map((line) => JSON.stringify(line)).join("\n");

describe("the same examples from every kind of file", () => {
  test.each(["npz", "safetensors", "jsonl", "folder"])("%s", async (kind) => {
    const path = at(kind === "folder" ? "folder" : `data.${kind}`);
    if (kind === "npz") await saveNpz(path, counting(8));
    if (kind === "safetensors") await saveSafetensors(path, counting(8));
    if (kind === "jsonl")
      writeFileSync(path, text(Array.from({ length: 8 }, (_, i) => ({ x: [i, i + 0.5], y: i }))));
    if (kind === "folder") {
      mkdirSync(path);
      for (const [name, tensor] of counting(8)) writeFileSync(join(path, `${name}.npy`), writeNpy(tensor));
    }
    const { splits, origin } = await openArrays(path, options);
    expect(origin).toContain("validation: seeded split of train (25 %)");
    expect([splits.train.rows.length, splits.validation.rows.length, splits.test.rows.length]).toEqual([
      6, 2, 0,
    ]);
    expect([...splits.train.rows, ...splits.validation.rows].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const fed = [
      { array: "x", input: "in", dtype: "float32" },
      { array: "y", input: "labels", dtype: "int64" },
    ] as const;
    const batches = openBatches(splits.train, fed);
    const read = [...batches.batches({ batchSize: 4, shuffle: { seed: 1, epoch: 0 } })];
    expect(read.map(({ ids }) => ids.length)).toEqual([4, 2]);
    for (const { ids, inputs } of read)
      ids.forEach((id, i) => {
        const row = Number(id.split("#")[1]);
        expect(Array.from(inputs["in"]!.data.slice(2 * i, 2 * i + 2), Number)).toEqual([row, row + 0.5]);
        expect(inputs["labels"]!.data[i]).toBe(BigInt(row));
      });
    const idsOf = (list: typeof read) => list.flatMap(({ ids }) => ids);
    const later = [...batches.batches({ batchSize: 4, shuffle: { seed: 1, epoch: 1 } })];
    expect(idsOf(later)).not.toEqual(idsOf(read));
    expect(idsOf(later).toSorted()).toEqual(idsOf(read).toSorted());
    // Large arrays stay in their files, and rows are read when they are needed.
    const onDisk = openBatches(splits.train, fed, { keptBytes: 0 });
    expect([...onDisk.batches({ batchSize: 4, shuffle: { seed: 1, epoch: 0 } })]).toEqual(read);
    const rest = [...batches.batches({ batchSize: 4, shuffle: { seed: 1, epoch: 0 }, skip: 1 })];
    expect(rest).toEqual(read.slice(1));
    expect([...batches.batches({ batchSize: 4, drop: true })].length).toBe(1);
    expect((await openArrays(path, options)).splits.validation.rows).toEqual(splits.validation.rows);
    expect((await openArrays(path, { ...options, seed: 4 })).splits.validation.rows).not.toEqual(
      splits.validation.rows,
    );
  });
});

test("splits in files of their own", async () => {
  mkdirSync(at("splits"));
  await saveNpz(at("splits/train.npz"), counting(5));
  await saveNpz(at("splits/val.npz"), counting(3));
  await saveSafetensors(at("splits/test.safetensors"), counting(2));
  const { splits, origin } = await openArrays(at("splits"), options);
  expect([splits.train, splits.validation, splits.test].map(({ rows }) => rows.length)).toEqual([5, 3, 2]);
  expect(origin).toBe("test.safetensors, train.npz, val.npz");
  // What is to be predicted is one set.
  expect((await openArraySet(at("splits/val.npz"))).examples).toBe(3);
  await expect(openArraySet(at("splits"))).rejects.toThrow("several sets of examples");
});

const one = (name: string, tensor: Tensor) => new Map([[name, tensor]]);

describe("what cannot be read as examples", () => {
  const lines =
    (...list: readonly unknown[]) =>
    async () => {
      writeFileSync(
        at("bad.jsonl"),
        list.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"),
      );
      return at("bad.jsonl");
    };
  const arrays = (map: ReadonlyMap<string, Tensor>) => async () => {
    await saveNpz(at("bad.npz"), map);
    return at("bad.npz");
  };
  test.each<readonly [string, () => Promise<string>, string, string]>([
    ["nothing there", async () => at("nowhere.npz"), "data/not-found", "nowhere"],
    [
      "another kind of file",
      async () => {
        writeFileSync(at("table.csv"), "x,y\n1,2\n");
        return at("table.csv");
      },
      "data/no-arrays",
      '".csv"',
    ],
    [
      "a folder of something else",
      async () => {
        mkdirSync(at("pictures"), { recursive: true });
        writeFileSync(at("pictures/a.png"), "");
        return at("pictures");
      },
      "data/no-arrays",
      "a.png",
    ],
    [
      "unequal lengths",
      arrays(new Map([...counting(3), ["z", float32([2], [0, 0])]])),
      "data/unequal-arrays",
      '"z" has 2',
    ],
    ["a single number", arrays(one("x", float32([], [1]))), "data/bad-arrays", "single number"],
    ["no examples", arrays(one("x", float32([0, 2], []))), "data/bad-arrays", "0 examples"],
    ["one example", arrays(counting(1)), "data/bad-arrays", "1 example"],
    [
      "complex numbers",
      arrays(one("x", tensorOf("complex64", [1], new Float32Array(2)))),
      "data/bad-arrays",
      "complex64",
    ],
    ["a broken line", lines({ x: 1 }, "{"), "data/bad-jsonl", "line 2"],
    ["a list for a line", lines([1, 2]), "data/bad-jsonl", "a list of 2"],
    ["a name missing", lines({ x: 1, y: 2 }, { x: 1 }), "data/bad-jsonl", '"y" is missing'],
    ["a name too many", lines({ x: 1 }, { x: 1, y: 2 }), "data/bad-jsonl", '"y" is there'],
    ["another length", lines({ x: [1, 2] }, { x: [1] }), "data/bad-jsonl", "a list of 1 where"],
    ["ragged lists", lines({ x: [[1, 2], [3]] }), "data/bad-jsonl", "a list of 1 where"],
    ["null", lines({ x: [1, null] }), "data/bad-jsonl", "null"],
    ["text among numbers", lines({ x: 1 }, { x: "1" }), "data/bad-jsonl", 'the text "1"'],
    ["no lines", lines(), "data/bad-arrays", "no array"],
    ["deep nesting", lines(`{"x": ${"[".repeat(5000)}1${"]".repeat(5000)}}`), "data/bad-jsonl", "deep"],
  ])("%s", async (_, make, code, says) => {
    const error = await openArrays(await make(), options).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DiapasonError);
    expect([(error as DiapasonError).code, (error as Error).message]).toEqual([
      code,
      expect.stringContaining(says),
    ]);
  });
  test("splits that differ", async () => {
    mkdirSync(at("differ"));
    await saveNpz(at("differ/train.npz"), counting(5));
    await saveNpz(at("differ/test.npz"), one("x", float32([2, 3], new Array(6).fill(0))));
    await expect(openArrays(at("differ"), options)).rejects.toThrow('"x" is [examples, 2]');
  });
  test("text is left out and said", async () => {
    writeFileSync(
      at("named.jsonl"),
      text([
        { id: "a", x: 1 },
        { id: "b", x: 2 },
      ]),
    );
    const { findings, splits } = await openArrays(at("named.jsonl"), options);
    expect(findings[0]!.message).toContain('"id" hold text');
    expect([...splits.train.set.arrays.keys()]).toEqual(["x"]);
  });
});

describe("conversions are exact or refused", () => {
  const read = async (
    tensor: Tensor,
    dtype: "float32" | "int64" | "int32" | "bool" | "float16",
    allowed?: { from: number; to: number; also?: number; what: string },
  ) => {
    await saveNpz(at("convert.npz"), one("x", tensor));
    const { splits } = await openArrays(at("convert.npz"), { seed: 0, validationShare: 0 });
    const batches = openBatches(splits.train, [
      { array: "x", input: "x", dtype, ...(allowed && { allowed }) },
    ]);
    return [...batches.batches({ batchSize: 10 })].flatMap(({ inputs }) =>
      Array.from(inputs["x"]!.data, Number),
    );
  };
  test("what fits", async () => {
    expect(await read(tensorOf("float64", [2], Float64Array.of(0.1, 2)), "float32")).toEqual([
      Math.fround(0.1),
      2,
    ]);
    expect(await read(tensorOf("int32", [2], Int32Array.of(-3, 7)), "int64")).toEqual([-3, 7]);
    expect(await read(tensorOf("float64", [2], Float64Array.of(3, -100)), "int64")).toEqual([3, -100]);
    expect(await read(tensorOf("uint8", [2], Uint8Array.of(0, 255)), "float32")).toEqual([0, 255]);
    expect(await read(tensorOf("float16", [2], Uint16Array.of(0x3c00, 0xc000)), "float32")).toEqual([1, -2]);
    expect(await read(tensorOf("float64", [2], Float64Array.of(1e10, Number.NaN)), "float32")).toEqual([
      1e10,
      Number.NaN,
    ]);
    expect(await read(tensorOf("int64", [2], BigInt64Array.of(0n, 1n)), "bool")).toEqual([0, 1]);
  });
  test.each<readonly [string, Tensor, Parameters<typeof read>[1], string]>([
    [
      "a broken number as a class",
      tensorOf("float64", [2], Float64Array.of(1, 1.5)),
      "int64",
      "1.5 at example 1",
    ],
    ["a large id as a float", tensorOf("int64", [1], BigInt64Array.of(16777217n)), "float32", "16777217"],
    ["a float beyond float32", tensorOf("float64", [1], Float64Array.of(1e300)), "float32", "1e+300"],
    ["a number beyond int32", tensorOf("int64", [1], BigInt64Array.of(2n ** 40n)), "int32", "1099511627776"],
    ["two as a flag", tensorOf("uint8", [1], Uint8Array.of(2)), "bool", "holds 2"],
    ["a float beyond half", float32([1], [1e6]), "float16", "1000000"],
  ])("%s", async (_, tensor, dtype, says) => {
    await expect(read(tensor, dtype)).rejects.toThrow(says);
  });
  test("values outside what makes sense are told with their example", async () => {
    const labels = tensorOf("int64", [3], BigInt64Array.of(0n, -100n, 3n));
    const classes = { from: 0, to: 2, also: -100, what: 'class numbers of "y"' };
    await expect(read(labels, "int64", classes)).rejects.toThrow(
      'holds 3 at example 2; expected class numbers of "y", 0 to 2',
    );
    expect(await read(labels, "int64", { ...classes, to: 3 })).toEqual([0, -100, 3]);
  });
});
