import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { zipSync } from "fflate";
import { afterAll, describe, expect, test } from "vitest";
import { DiapasonError } from "../../base/errors.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { openCheckpoint } from "../checkpoint.node.ts";
import { loadTorch } from "./load.node.ts";

const fixtures = resolve(import.meta.dirname, "../../../tests/fixtures/torch");
const contents = JSON.parse(readFileSync(join(fixtures, "contents.json"), "utf8")) as {
  readonly files: { readonly [file: string]: { readonly [tensor: string]: unknown } };
};
const root = mkdtempSync(join(tmpdir(), "diapason-torch-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const described = (tensors: ReadonlyMap<string, Tensor>) =>
  Object.fromEntries(
    [...tensors].map(([name, { dtype, dims, data }]) => [
      name,
      { dtype, dims, bytes: Buffer.from(data.read()).toString("hex") },
    ]),
  );

const mistakeOf = (path: string): Promise<DiapasonError> =>
  loadTorch(path).then(
    () => {
      throw new Error("it was read");
    },
    (error) => {
      if (error instanceof DiapasonError) return error;
      throw error;
    },
  );

describe("files as torch.save writes them", () => {
  test.each(Object.keys(contents.files).filter((name) => name !== "sharded"))("%s", async (name) => {
    expect(described((await loadTorch(join(fixtures, name))).tensors)).toEqual(contents.files[name]);
  });

  test("several files with an index are one checkpoint", async () => {
    const { tensors, files, format } = await openCheckpoint(join(fixtures, "sharded"));
    expect(described(tensors)).toEqual(contents.files["sharded"]);
    expect([files.length, format]).toEqual([2, "pytorch"]);
  });

  test("what a training script saved beside the weights", async () => {
    for (const name of ["training.pt", "training-legacy.pt"]) {
      const { metadata } = await openCheckpoint(join(fixtures, name));
      expect(Object.fromEntries(metadata)).toEqual({
        epoch: "3",
        arch: "tiny",
        device: "cpu",
        "diapason.from": "model_state_dict",
      });
    }
  });

  test("numbers that follow each other stay in the file, in both formats", async () => {
    for (const name of ["views.pt", "views-legacy.pt"]) {
      const { tensors } = await loadTorch(join(fixtures, name));
      const where = (tensor: string) => tensors.get(tensor)!.data.file;
      expect(where("base")?.path).toBe(join(fixtures, name));
      expect(where("row")!.offset).toBe(where("base")!.offset + 4 * 12);
      expect(where("transposed")).toBeUndefined();
    }
  });
});

describe("what is no tensor is refused by name, and not executed", () => {
  test.each([
    ["refused-system.pt", /asks for "(posix|nt)\.system"/],
    ["refused-system-legacy.pt", /asks for "(posix|nt)\.system"/],
    ["refused-eval.pt", /asks for "builtins\.eval"/],
    ["refused-numpy.pt", /asks for "numpy\._core\.multiarray\.scalar"/],
    ["refused-module.pt", /asks for "torch\.nn\.modules\.container\.Sequential"/],
    ["refused-sparse.pt", /asks for "torch\._utils\._rebuild_sparse_tensor"/],
    ["refused-script.pt", /asks for "a program \(TorchScript\)"/],
  ])("%s", async (name, message) => {
    const error = await mistakeOf(join(fixtures, name));
    expect(error.code).toBe("formats/torch-refused");
    expect(error.message).toMatch(message);
  });

  test.each([
    ["refused-plain.pt", /begins neither/],
    ["refused-packed.pt", /compressed/],
  ])("%s", async (name, message) => {
    const error = await mistakeOf(join(fixtures, name));
    expect(error.code).toBe("formats/torch-damaged");
    expect(error.message).toMatch(message);
  });

  test("no trace of them is left", () => {
    expect(readdirSync(process.cwd()).concat(readdirSync(fixtures))).not.toContain("diapason-was-here");
  });
});

/** A zip archive with this pickle, and a storage "0" of 16 floats. */
function archive(pickle: string): string {
  const path = join(root, "made.pt");
  writeFileSync(
    path,
    zipSync({ "a/data.pkl": Buffer.from(pickle, "latin1"), "a/data/0": new Uint8Array(64) }, { level: 0 }),
  );
  return path;
}

const start = "\x80\x02";
const text = (word: string) => `X${String.fromCharCode(word.length, 0, 0, 0)}${word}`;
const whole = (n: number) => `J${Buffer.from(Int32Array.of(n).buffer).toString("latin1")}`;
const storage = `(${text("storage")}ctorch\nFloatStorage\n${text("0")}${text("cpu")}${whole(16)}tQ`;
/** The reconstruction of a tensor over the storage. */
const tensor = (offset: number, sizes: number[], strides: number[], over = storage) =>
  `ctorch._utils\n_rebuild_tensor_v2\n(${over}${whole(offset)}(${sizes.map(whole).join("")}t(${strides.map(whole).join("")}t\x89}tR`;

describe("hostile and damaged pickles", () => {
  test("the forms used here are a tensor", async () => {
    const { tensors } = await loadTorch(archive(`${start}${tensor(2, [2, 3], [4, 1])}.`));
    expect(tensors.get("tensor")!.dims).toEqual([2, 3]);
  });

  test.each<[string, string, RegExp]>([
    ["a tensor beyond its storage", tensor(2, [2, 8], [8, 1]), /reaches to byte 72 of a storage of 64/],
    ["a negative stride", tensor(2, [2, 2], [-1, 1]), /are none/],
    ["a negative offset", tensor(-1, [2], [1]), /are none/],
    ["fewer strides than sizes", tensor(0, [2, 2], [1]), /are none/],
    [
      "a storage that is not there",
      tensor(0, [1], [1], storage.replace(text("0"), text("7"))),
      /lacks the storage "7"/,
    ],
    [
      "a storage of another size",
      tensor(0, [1], [1], storage.replace(whole(16), whole(99))),
      /64 bytes, its description 396/,
    ],
    ["an object of a class", "(o", /111 at \d+ is no instruction/],
    ["an extension", "\x82\x01", /130 at \d+ is no instruction/],
    ["a value that was never made", "h\x07", /refers to value 7/],
    ["too little on the stack", "R", /takes a value that it never made/],
    ["what lies below a mark", "N(a", /takes a value that it never made/],
    ["a mark that was never set", "t", /never set/],
    ["a call of a text", `${text("x")})R`, /calls what cannot be called/],
    ["a call of a type", "ctorch\nfloat32\n)R", /calls torch\.float32/],
    ["items for what is no list", `K\x01K\x02a`, /no list/],
    ["a text that is not UTF-8", "X\x01\0\0\0\xff", /not UTF-8/],
    ["a text longer than the file", "X\xff\xff\0\0a", /ends at byte/],
    ["a line that never ends", "ctorch", /never ends/],
    ["a protocol from the future", "\x80\x09N", /protocol 9/],
    ["no tensor", `}${text("epoch")}K\x03s`, /holds no tensor/],
    ["a dictionary of one item", "(K\x01d", /a key without a value/],
    ["nothing at all", "", /takes a value/],
  ])("%s", async (_, pickle, message) => {
    const error = await mistakeOf(archive(`${start}${pickle}.`));
    expect(error.code).toBe("formats/torch-damaged");
    expect(error.message).toMatch(message);
  });

  test("an object of a class, in protocol 0's way", async () => {
    const error = await mistakeOf(archive(`${start}(i__main__\nThing\n.`));
    expect(error.message).toMatch(/asks for "__main__\.Thing"/);
  });

  const nested = (depth: number) => {
    // Each dictionary holds the one before twice, under the usual key and another.
    let pickle = "}q\x00";
    for (let i = 0; i < depth; i++) pickle += `q\x010}${text("a")}h\x01s${text("b")}h\x01s`;
    return pickle;
  };

  test.each<[string, string, RegExp]>([
    ["a list that holds itself", "]q\0h\0a", /too deeply/],
    ["a dictionary that holds itself", `}q\0${text("model")}h\0s`, /too deeply/],
    ["containers that hold each other a billion times", nested(30), /too deeply or too often/],
    ["four million lists", "]".repeat(4_000_100), /more objects/],
    ["a tensor that repeats a number a billion times", tensor(0, [1e9], [0]), /repeats the 64 bytes/],
    ["a number of a thousand bytes", `\x8b\xe8\x03\0\0${"\x01".repeat(1000)}`, /1000 bytes/],
    ["a text of a terabyte", "\x8d\0\0\0\0\0\x01\0\0", /text of 1099511627776 bytes/],
  ])("%s", async (_, pickle, message) => {
    const error = await mistakeOf(archive(`${start}${pickle}.`));
    expect(error.code).toBe("formats/torch-too-large");
    expect(error.message).toMatch(message);
  });

  test.each(["kinds.pt", "kinds-legacy.pt", "training-legacy.pt"])(
    "%s cut anywhere, and with bits flipped, is refused or still tensors, never anything else",
    async (name) => {
      const bytes = readFileSync(join(fixtures, name));
      const path = join(root, "cut.pt");
      const codes = new Set<string>();
      const attempt = async (content: Uint8Array) => {
        writeFileSync(path, content);
        const read = loadTorch(path).then(({ tensors }) =>
          [...tensors.values()].map(({ data }) => data.read()),
        );
        await read.catch((error) => {
          if (!(error instanceof DiapasonError)) throw error;
          codes.add(error.code);
        });
      };
      for (let i = 0; i < 60; i++) await attempt(bytes.subarray(0, Math.floor((bytes.length * i) / 60)));
      expect([...codes]).toEqual(["formats/torch-damaged"]);
      for (let i = 0; i < 400; i++) {
        const changed = Uint8Array.from(bytes);
        changed[(i * 7919) % Math.min(bytes.length, 2200)]! ^= 1 << (i % 8);
        await attempt(changed);
      }
      expect([...codes].every((code) => code.startsWith("formats/torch-"))).toBe(true);
    },
  );
});
