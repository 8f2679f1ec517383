import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { parquetMetadata } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, describe, expect, test } from "vitest";
import { cell } from "../../src/app/classifier/card.ts";
import { parseOptions } from "../../src/app/options/parse.ts";
import { readRecipe } from "../../src/app/options/recipe.node.ts";
import { tuneOptions } from "../../src/app/options/tune.ts";
import { visible } from "../../src/cli/printer.node.ts";
import { boundedTemplate } from "../../src/data/text/bounded-template.ts";
import { buildTokenizer } from "../../src/data/text/build-tokenizer.ts";
import { openTextSet } from "../../src/data/text/open-text-rows.node.ts";
import { openTokenizer } from "../../src/data/text/open-tokenizer.node.ts";
import { checkPages } from "../../src/data/text/parquet-pages.ts";
import { openCheckpoint } from "../../src/formats/checkpoint.node.ts";
import { saveSafetensors } from "../../src/formats/safetensors.node.ts";
import { loadPeftAdapter } from "../../src/models/adapters/peft.node.ts";
import { readPeftConfig } from "../../src/models/adapters/peft-config.ts";
import { buildNetwork } from "../../src/models/network/build-network.ts";
import { openNetwork, readConfig } from "../../src/models/open-network.node.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-hostile-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

const tokenizer = (parts: Readonly<Record<string, unknown>>) =>
  buildTokenizer(
    {
      tokenizer: {
        added_tokens: [],
        model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"] },
        ...parts,
      },
      config: {},
    },
    "t",
  );
const sequence = (list: string, step: unknown, times: number) => ({
  type: "Sequence",
  [list]: new Array<unknown>(times).fill(step),
});

describe("a tokenizer's parts may not make much of little", () => {
  const split = (regex: string) => ({ type: "Split", pattern: { Regex: regex }, behavior: "Isolated" });
  test.each([
    ["normalizer", { type: "Prepend", prepend: "x".repeat(5000) }, /puts in 5000 characters/],
    ["normalizer", sequence("normalizers", { type: "Prepend", prepend: "x" }, 300), /300 normalizers/],
    ["pre_tokenizer", split("(a+)+$"), /may never end/],
    ["pre_tokenizer", split("(?:\\p{L}*|[(]){2,}"), /may never end/],
    ["decoder", sequence("decoders", { type: "Fuse" }, 300), /300 decoders/],
    ["model", { type: "BPE", vocab: { a: 2 ** 31 }, merges: [] }, /the number 2147483648/],
    [
      "post_processor",
      { type: "BertProcessing", cls: ["[CLS]", 2 ** 40], sep: ["[SEP]", 0] },
      /the token 1099511627776/,
    ],
  ])("%s %#", (part, config, message) => {
    expect(() => tokenizer({ [part]: config })).toThrow(message);
  });

  test("texts that double with every step are refused when they have grown", () => {
    const doubles = { type: "Replace", pattern: { String: "a" }, content: "aa" };
    const grown = tokenizer({ normalizer: sequence("normalizers", doubles, 40) });
    expect(() => grown.encode("a")).toThrow(/makes \d+ characters of a text of 1/);
    const bytes = tokenizer({ pre_tokenizer: sequence("pretokenizers", { type: "ByteLevel" }, 40) });
    expect(() => bytes.encode("é")).toThrow(/pre-tokenizer makes/);
  });

  test("patterns that models have are none of those", () => {
    const known =
      "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s+(?!\\S)|\\s+";
    expect(tokenizer({ pre_tokenizer: split(known) }).encode("ab ab").ids.length).toBe(2);
    expect(tokenizer({ pre_tokenizer: split("(?:[(+]|a)+") }).encode("ab").ids.length).toBeGreaterThan(0);
  });

  test("a file of more than 128 MB is not read", async () => {
    file("large/tokenizer.json", new Uint8Array(2 ** 27 + 1));
    await expect(openTokenizer(join(folder, "large"))).rejects.toMatchObject({
      code: "data/bad-tokenizer",
      message: expect.stringContaining("134217729 bytes"),
    });
  });
});

describe("a chat template ends", () => {
  test.each([
    "{% for x in range(1000000000) %}a{% endfor %}",
    "{% for x in range(1000) %}{% for y in range(1000) %}{% endfor %}{% endfor %}",
    "{% set ns = namespace(a=[1]) %}{% for x in range(40) %}{% set ns.a = ns.a + ns.a %}{% endfor %}",
    "{% set ns = namespace(a=[1]) %}{% for x in range(40) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a }}",
    "{% set ns = namespace(a='x') %}{% for x in range(40) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}",
    "{% set ns = namespace(a='xy') %}{% for x in range(40) %}{% set ns.a = ns.a | join('xy') %}{% endfor %}",
    "{% set ns = namespace(a='xy') %}{% for x in range(40) %}{% set ns.a = 'zz'.join(ns.a) %}{% endfor %}",
  ])("%s", (template) => {
    expect(() => boundedTemplate(template).render({ messages: [] })).toThrow(/does not come to an end/);
  });

  test("a long conversation is written whole", () => {
    const messages = Array.from({ length: 2000 }, () => ({ role: "user", content: "x".repeat(1000) }));
    const template =
      "{% for m in messages %}{% if messages[loop.index0].role == 'user' %}{{ m.content }}{% endif %}{% endfor %}";
    expect(boundedTemplate(template).render({ messages })).toHaveLength(2_000_000);
  });
});

describe("a config.json asks for no more than there is", () => {
  const open = async (change: Readonly<Record<string, unknown>>) => {
    const source = fixture("architectures/bert");
    const config = { ...(await readConfig(source)), ...change };
    return buildNetwork({ config, tensors: (await openCheckpoint(source)).tensors, source, seed: 0 });
  };
  test.each([
    [{ num_hidden_layers: 1e9 }, /num_hidden_layers = 1000000000/],
    [{ hidden_size: 2 ** 40 }, /hidden_size = 1099511627776/],
    [{ id2label: undefined, num_labels: 1e9 }, /num_labels = 1000000000/],
    [{ id2label: undefined, num_labels: 1.5 }, /num_labels = 1.5/],
  ])("%o", async (change, message) => {
    await expect(open(change)).rejects.toMatchObject({
      code: "models/bad-config",
      message: expect.stringMatching(message),
    });
  });

  test("distances of DeBERTa, heads of ModernBERT", async () => {
    for (const [name, change] of [
      ["deberta-v3", { max_relative_positions: 2 ** 31 }],
      ["modernbert", { num_attention_heads: 255 }],
    ] as const) {
      const source = fixture(`architectures/${name}`);
      const config = { ...(await readConfig(source)), ...change };
      const { tensors } = await openCheckpoint(source);
      expect(() => buildNetwork({ config, tensors, source, seed: 0 })).toThrow(Object.keys(change)[0]);
    }
  });
});

describe("an adapter's ranks are those of its matrices", () => {
  test("a rank beyond all of them", async () => {
    const model = await openNetwork(fixture("architectures/bert"), { seed: 0 });
    const { tensors } = await openCheckpoint(fixture("adapters/lora/end/adapter_model.safetensors"));
    const path = file("adapter/adapter_config.json", JSON.stringify({ peft_type: "LORA", r: 2 ** 20 }));
    await saveSafetensors(join(dirname(path), "adapter_model.safetensors"), tensors);
    await expect(loadPeftAdapter(dirname(path), model)).rejects.toMatchObject({
      code: "models/adapter-mismatch",
      message: expect.stringContaining("the rank 1048576"),
    });
  });
  test("a rank that no matrix has", () => {
    const text = JSON.stringify({ peft_type: "LORA", r: 2 ** 40 });
    expect(() => readPeftConfig(text, "c")).toThrow(/"r" is 1099511627776/);
  });
  test("a rank below 1 for one of them", () => {
    const text = JSON.stringify({ peft_type: "LORA", rank_pattern: { query: -1 } });
    expect(() => readPeftConfig(text, "c")).toThrow(/rank_pattern\.query/);
  });
});

describe("files of rows", () => {
  test("a Parquet file that repeats a number without end is given up, and the process lives", async () => {
    const whole = new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: "text", data: ["a", "b", "c"] },
          { name: "label", data: [1n, undefined, 1n], type: "INT64" },
        ],
      }),
    );
    const starts = [...whole.keys()].slice(4, whole.length - 60);
    let ended = 0;
    for (const at of starts.filter((_, i) => i % 12 === 0)) {
      const damaged = whole.slice();
      damaged.set([0xfe, 0xff, 0xff, 0xff, 0x0f], at);
      await openTextSet(file("a.parquet", damaged)).catch((error: { code?: string }) => {
        expect(error.code).toMatch(/^data\//);
      });
      ended++;
    }
    expect(ended).toBeGreaterThan(10);
  }, 120_000);

  test("Parquet pages that hold more than their column, or more than the file can", () => {
    const written = parquetWriteBuffer({ columnData: [{ name: "text", data: ["a", "b", "c"] }] });
    const metadata = parquetMetadata(written);
    const [group] = metadata.row_groups;
    const [column] = group!.columns;
    const about = column!.meta_data!;
    const changed = (more: Partial<typeof about>, rows = group!.num_rows) => ({
      ...metadata,
      row_groups: [
        { ...group!, num_rows: rows, columns: [{ ...column!, meta_data: { ...about, ...more } }] },
      ],
    });
    expect(() => checkPages(written, metadata)).not.toThrow();
    expect(() => checkPages(written, changed({ num_values: 2n }))).toThrow("has 2 values, and its pages 3");
    expect(() => checkPages(written, changed({}, 10n ** 12n))).toThrow(
      "there are 1000000000000 rows, and 3 values",
    );
    expect(() => checkPages(written, changed({ total_compressed_size: 10n ** 9n }))).toThrow(
      "beyond the end",
    );
    expect(() =>
      checkPages(written, changed({ total_compressed_size: about.total_compressed_size - 1n })),
    ).toThrow("lies beyond its end");
  });

  test("a small compressed file that would become 600 MB", async () => {
    const path = file("bomb.csv.gz", gzipSync(Buffer.alloc(600_000_000, "a")));
    await expect(openTextSet(path)).rejects.toMatchObject({
      code: "data/bad-text",
      message: expect.stringContaining("too large"),
    });
  }, 60_000);

  test("a quotation mark that nothing closes makes no row of 80 MB", async () => {
    const path = file("quote.csv", `text,label\n"a,b\n${"lorem ipsum\n".repeat(7_000_000)}`);
    await expect(openTextSet(path)).rejects.toMatchObject({
      code: "data/bad-row",
      message: expect.stringMatching(/Max Record Size/i),
    });
  }, 60_000);
});

describe("recipes", () => {
  const parsed = async (yaml: string) =>
    parseOptions(tuneOptions, await readRecipe(file("r.yaml", yaml), {}));
  test.each([["constructor"], ["__proto__"], ["toString"]])("%s is no option", async (name) => {
    await expect(parsed(`${name}: {polluted: 1}\n`)).rejects.toMatchObject({
      code: "app/unknown-option",
      message: `There is no option "${name}".`,
    });
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
  test("an alias that holds itself", async () => {
    await expect(parsed("model: &m [*m]\n")).rejects.toMatchObject({ code: "app/bad-option" });
  });
  test.each([
    ["a tag that nobody knows", "model: !env MODEL\n", "Unresolved tag: !env"],
    ["an alias that may be a key", "a: &b: x\nmodel: *b:\n", "ambiguous"],
  ])("what YAML only warns of: %s", async (_, text, said) => {
    await expect(parsed(text)).rejects.toMatchObject({
      code: "app/bad-recipe",
      message: expect.stringContaining(said),
    });
  });
  test("aliases that double", async () => {
    const lines = Array.from(
      "bcdefghij",
      (name, i) => `${name}: &${name} [${new Array(9).fill(`*${"abcdefghij"[i]}`)}]`,
    );
    await expect(parsed(`a: &a [x]\n${lines.join("\n")}\n`)).rejects.toMatchObject({
      code: "app/bad-recipe",
    });
  });
});

test("names do not steer the terminal", () => {
  expect(visible("class \u001b[2J\u009b31m\rcat\tä\n")).toBe("class \\x1b[2J\\x9b31m\\x0dcat\tä\n");
});

test("names are text in a model card", () => {
  expect(cell("<script>alert(1)</script>|\ncat")).toBe("&#60;script&#62;alert(1)&#60;/script&#62;\\| cat");
});
