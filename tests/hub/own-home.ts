import { afterAll, beforeAll } from "vitest";
import { newFolder } from "../new-folder.ts";

/** Gives the tests of a file a home of the Hub of their own, an empty one, where its cache and what is derived from it lie. */
export function useOwnHome(): void {
  const before = process.env["HF_HOME"];
  beforeAll(() => {
    process.env["HF_HOME"] = newFolder();
  });
  afterAll(() => {
    if (before === undefined) delete process.env["HF_HOME"];
    else process.env["HF_HOME"] = before;
  });
}
