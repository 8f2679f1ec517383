import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readLines } from "./read-lines.node.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-lines-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function linesOf(content: string | Uint8Array): Promise<string[]> {
  const path = join(folder, "file");
  writeFileSync(path, content);
  const lines: string[] = [];
  for await (const line of readLines(path)) lines.push(line);
  return lines;
}

test.each([
  ["", []],
  ["a", ["a"]],
  ["a\n", ["a"]],
  ["a\r\nb\n\nc", ["a", "b", "", "c"]],
  ["a\rb\r", ["a", "b\r"]],
  ["\uFEFFa\nb", ["a", "b"]],
  ["a\u2028b\u2029c\u0085d\ne", ["a\u2028b\u2029c\u0085d", "e"]],
])("%j", async (content, lines) => expect(await linesOf(content)).toEqual(lines));

test("line ends and letters that lie across what is read at once", async () => {
  const long = "x".repeat(2 ** 20 - 1);
  expect(await linesOf(`${long}\r\nend`)).toEqual([long, "end"]);
  expect(await linesOf(`${long}é\nend`)).toEqual([`${long}é`, "end"]);
});

test("a file that is not there is an error of the loop", async () => {
  await expect(readLines(join(folder, "none")).next()).rejects.toMatchObject({ code: "ENOENT" });
});
