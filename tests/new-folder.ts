import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

const root = mkdtempSync(join(tmpdir(), "diapason-test-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

/** An empty folder for tests, which goes when those of their file have run. */
export function newFolder(): string {
  const folder = join(root, String(count++));
  mkdirSync(folder);
  return folder;
}
