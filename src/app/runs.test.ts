import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { report } from "./report.node.ts";
import { runs } from "./runs.node.ts";
import { resume } from "./tune.node.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-runs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function runOf(name: string, files: Readonly<Record<string, string>>): string {
  const path = join(folder, name);
  mkdirSync(path);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

const recipe = "task: image-classification\n";

test("folders that are runs by the names of their files alone end in an error, and hide no others", async () => {
  const foreign = [
    runOf("nothing", { "recipe.yaml": "", "run.json": "{}" }),
    runOf("steps", { "recipe.yaml": recipe, "run.json": "{}", "metrics.jsonl": '{"type":"step"}\n' }),
    runOf("numbers", { "recipe.yaml": recipe, "run.json": "{}", "metrics.jsonl": "7\nnull\n" }),
    runOf("result", { "recipe.yaml": recipe, "run.json": "{}", "result.json": "{}" }),
    runOf("cut", { "recipe.yaml": recipe, "run.json": '{"seed":' }),
  ];
  for (const path of foreign)
    await expect(report.run({ run: path }).next()).rejects.toMatchObject({ code: "app/not-a-run" });
  const begun = runOf("begun", { "recipe.yaml": recipe, "run.json": "{}" });
  expect((await report.run({ run: begun }).next()).value).toMatchObject({ finished: false });
  mkdirSync(join(folder, "folder", "run.json"), { recursive: true });
  const listed: Record<string, string> = {};
  for await (const { path, state } of runs.run({ folder })) listed[path] = state;
  expect(listed).toMatchObject({
    [begun]: "unfinished",
    [join(folder, "cut")]: "unreadable",
    [join(folder, "folder")]: "unreadable",
  });
});

test("a run whose events are damaged is said to be so where it is to go on", async () => {
  const path = runOf("spoilt", {
    "recipe.yaml": `${recipe}model: m\ndata: d\nout: o\n`,
    "run.json": "{}",
    "metrics.jsonl": '{"type":"run-start"}\n{"type":\n',
  });
  await expect(resume.run({ run: path }).next()).rejects.toMatchObject({
    code: "app/not-a-run",
    message: expect.stringContaining("line 2 of metrics.jsonl"),
  });
});
