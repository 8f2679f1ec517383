import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { lettersModel, unpackDigits } from "../src/app/demo/data.node.ts";
import { parseOptions } from "../src/app/options/parse.ts";
import { tuneOptions } from "../src/app/options/tune.ts";
import { version } from "../src/app/version.ts";
import { saveNpz } from "../src/formats/npz.node.ts";
import { saveOnnx } from "../src/formats/onnx/file.node.ts";
import { policyExamples, tinyPolicy } from "./custom/tiny-policy.ts";
import { opinions, writeRows, writeTinyDecoder, writeTinyEncoder } from "./text/tiny-text.ts";

const root = resolve(import.meta.dirname, "..");
const run = promisify(execFile);
const pages = [
  "README.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** Fenced blocks of a page in a language. */
const blocksIn = (page: string, language: string): string[] =>
  [
    ...readFileSync(join(root, page), "utf8").matchAll(
      new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm"),
    ),
  ].map((match) => match[1]!);

let folder = "";

/** Tiny text models, and rows for each of their tasks. */
async function writeTexts(folder: string): Promise<void> {
  await writeTinyEncoder(join(folder, "my-encoder"));
  await writeTinyDecoder(join(folder, "my-decoder"));
  const rows = opinions(60);
  const label = (isGood: boolean) => (isGood ? "good" : "bad");
  const csv = rows.map(({ text, isGood }) => `${text},${label(isGood)}`).join("\n");
  writeFileSync(join(folder, "reviews.csv"), `text,label\n${csv}\n`);
  writeFileSync(join(folder, "new.csv"), "text\nthe film was good\nthe book was poor\n");
  writeFileSync(join(folder, "stories.txt"), rows.map(({ text }) => text).join("\n"));
  const place = (isBook: boolean) => (isBook ? "paris" : "a");
  writeRows(
    folder,
    "names.jsonl",
    rows.map(({ isBook }) => ({
      tokens: ["anna", "lives", "in", place(isBook)],
      ner_tags: ["B-PER", "O", "O", isBook ? "B-LOC" : "O"],
    })),
  );
  writeRows(
    folder,
    "pairs.jsonl",
    rows.map(({ text, isBook }) => ({ anchor: text, positive: `a ${isBook ? "book" : "film"}` })),
  );
  writeRows(
    folder,
    "choices.jsonl",
    rows.map(({ isBook }) => ({
      prompt: `the ${isBook ? "book" : "film"} was `,
      chosen: "good .",
      rejected: "bad .",
    })),
  );
}

/** A folder with what the examples name: models, images, arrays, the package. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "diapason-docs-"));
  cpSync(lettersModel, join(folder, "my-model"), { recursive: true });
  await unpackDigits(join(folder, "digits"), { perClass: 10, validationPerClass: 2, seed: 0 });
  const classes = readdirSync(join(folder, "digits/train"));
  for (const name of classes) {
    mkdirSync(join(folder, "my-images", name), { recursive: true });
    for (const [i, file] of readdirSync(join(folder, "digits/train", name)).entries())
      cpSync(join(folder, "digits/train", name, file), join(folder, "my-images", name, `${i}.png`));
  }
  rmSync(join(folder, "digits"), { recursive: true });
  await saveOnnx(tinyPolicy(), join(folder, "policy.onnx"));
  await saveNpz(join(folder, "demonstrations.npz"), policyExamples(120));
  await saveNpz(join(folder, "new.npz"), policyExamples(20, "new"));
  await writeTexts(folder);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules/diapason"));
  symlinkSync(join(root, "node_modules/@types"), join(folder, "node_modules/@types"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
}, 30_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("commands in the docs run", () => {
  for (const page of pages) {
    for (const [i, block] of blocksIn(page, "sh").entries()) {
      const lines = block.split("\n").filter((line) => line.startsWith("npx diapason "));
      test.skipIf(lines.length === 0)(
        `${page}, block ${i + 1}: ${lines[0]}`,
        { timeout: 120_000 },
        async () => {
          for (const line of lines) {
            const words = line.trim().split(/\s+/).slice(2);
            const force = words[0] === "tune" ? ["--force"] : [];
            await run(process.execPath, [join(root, "dist/cli/main.node.js"), ...words, ...force], {
              cwd: folder,
            });
          }
        },
      );
    }
  }
});

describe("recipes in the docs are understood", () => {
  for (const page of pages)
    for (const block of blocksIn(page, "yaml"))
      test(`${page}: ${block.split("\n")[0]}`, () => {
        expect(parseOptions(tuneOptions, parse(block)).model).toMatch(/^(my-model|policy\.onnx)$/);
      });
});

test("code in the docs compiles and runs", { timeout: 180_000 }, async () => {
  const blocks = pages.flatMap((page) => blocksIn(page, "ts").map((code) => ({ page, code })));
  expect(blocks.length).toBeGreaterThan(3);
  const files = blocks.map(({ page, code }, i) => {
    const name = `${page.replace(/\W/g, "-")}-${i}.ts`;
    writeFileSync(join(folder, name), code);
    return name;
  });
  const compilerOptions = {
    target: "es2023",
    module: "nodenext",
    strict: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    outDir: "js",
    types: ["node"],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder]).catch(
    (error) => {
      throw new Error(error.stdout);
    },
  );
  for (const file of files)
    await run(process.execPath, [join("js", file.replace(/ts$/, "js"))], { cwd: folder });
});

test("links between the pages lead somewhere", () => {
  const broken = pages.flatMap((page) => {
    const text = readFileSync(join(root, page), "utf8");
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map((match) => match[1]!);
    return targets
      .filter((target) => !pages.concat("CONTRIBUTING.md").includes(join(page, "..", target)))
      .map((target) => `${page}: ${target}`);
  });
  expect(broken).toEqual([]);
});

test("anchors of links between the pages are headings", () => {
  const anchorsOf = (page: string) =>
    [...readFileSync(join(root, page), "utf8").matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    );
  const broken = pages
    .concat("CONTRIBUTING.md")
    .flatMap((page) =>
      [...readFileSync(join(root, page), "utf8").matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)]
        .filter(
          ([, target, anchor]) => !anchorsOf(target ? join(page, "..", target) : page).includes(anchor!),
        )
        .map(([link]) => `${page}: ${link}`),
    );
  expect(broken).toEqual([]);
});

test("every dependency has its reason on the page", () => {
  const page = readFileSync(join(root, "docs/dependencies.md"), "utf8");
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const named = (part: string) =>
    [...part.matchAll(/^\| (`.+?) \|/gm)].flatMap(([, cell]) => cell!.match(/[^`, ]+/g)!);
  const [, atRunTime, developing] = page.split(/^## .*\n/m);
  expect(named(atRunTime!).sort()).toEqual(Object.keys(manifest.dependencies).sort());
  expect(named(developing!).sort()).toEqual(Object.keys(manifest.devDependencies).sort());
});

test.each(["errors-page.mjs", "options-page.mjs"])(
  "the page that tools/%s writes is up to date",
  async (tool) => {
    await run(process.execPath, [join(root, "tools", tool), "--check"], { cwd: root });
  },
);

test("the package and the code agree on the version", () => {
  expect(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version).toBe(version);
});
