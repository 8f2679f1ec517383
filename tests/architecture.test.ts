import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const src = resolve(import.meta.dirname, "../src");

/** What each layer may import besides itself; docs/architecture.md explains the table. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  base: [],
  graph: ["base"],
  data: ["base", "graph", "formats"],
  formats: ["base", "graph"],
  autodiff: ["base", "graph"],
  runtime: ["base", "graph", "formats"],
  models: ["base", "graph", "formats"],
  tasks: ["base", "graph"],
  tune: ["base", "graph", "data", "formats", "autodiff", "runtime", "models", "tasks"],
  evaluate: ["base", "graph", "data", "formats", "runtime", "models", "tasks"],
  app: ["base", "graph", "data", "formats", "autodiff", "runtime", "models", "tasks", "tune", "evaluate"],
  cli: ["base", "app"],
};

const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replaceAll("\\", "/"));

/** What a file imports; without `types` only what is still there when types are erased. */
function importsOf(file: string, { types }: { readonly types: boolean }): string[] {
  const text = readFileSync(join(src, file), "utf8");
  const code = types ? text : text.replace(/(?:^|\n)(?:import|export) type\b[^;]*;/g, "");
  return [
    ...code.matchAll(
      /(?:^|\n)\s*(?:import|export)\b[^;]*?from\s+"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)|(?:^|\n)import\s+"([^"]+)"/g,
    ),
  ].map((match) => (match[1] ?? match[2] ?? match[3])!);
}

describe("layers", () => {
  test("the sources were found, in every layer", () => {
    expect(files.length).toBeGreaterThan(80);
    const found = new Set(files.filter((f) => f.includes("/")).map((f) => f.split("/")[0]!));
    expect([...found].sort()).toEqual(Object.keys(allowed).sort());
  });

  test("imports point down", () => {
    const wrong: string[] = [];
    let seen = 0;
    for (const file of files.filter((f) => f.includes("/") && !f.endsWith(".test.ts"))) {
      const layer = file.split("/")[0]!;
      for (const specifier of importsOf(file, { types: true }).filter((s) => s.startsWith("."))) {
        const target = relative(src, resolve(src, dirname(file), specifier))
          .replaceAll("\\", "/")
          .split("/")[0]!;
        seen++;
        if (target !== layer && !allowed[layer]?.includes(target)) wrong.push(`${file} imports ${specifier}`);
      }
    }
    expect(seen).toBeGreaterThan(200);
    expect(wrong).toEqual([]);
  });

  test("only *.node.ts files import the platform", () => {
    const platform = (specifier: string) =>
      specifier.startsWith("node:") ||
      ["onnxruntime-node", "sharp"].includes(specifier) ||
      specifier.endsWith(".node.ts");
    const wrong = files
      .filter((f) => f.includes("/") && !f.endsWith(".node.ts") && !f.endsWith(".test.ts"))
      .flatMap((file) =>
        importsOf(file, { types: false })
          .filter(platform)
          .map((s) => `${file} imports ${s}`),
      );
    expect(wrong).toEqual([]);
  });

  test("only runtime/ speaks to ONNX Runtime", () => {
    const wrong = files
      .filter((f) => !f.startsWith("runtime/") && !f.endsWith(".test.ts"))
      .flatMap((file) =>
        importsOf(file, { types: true })
          .filter((s) => s.startsWith("onnxruntime"))
          .map((s) => `${file} imports ${s}`),
      );
    expect(wrong).toEqual([]);
  });
});
