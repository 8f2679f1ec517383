import { readFileSync, writeFileSync } from "node:fs";

/** Writes a generated page, its path from the repository's root; with --check it only compares and exits with 1 where they differ. */
export function writePage(path, text) {
  const url = new URL(`../${path}`, import.meta.url);
  if (!process.argv.includes("--check")) writeFileSync(url, text);
  else if (readFileSync(url, "utf8") !== text) {
    console.error(`${path} is out of date.\n  fix: Run npm run docs.`);
    process.exitCode = 1;
  }
}
