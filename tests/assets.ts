import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const root = process.env["DIAPASON_ASSETS"] ?? resolve(import.meta.dirname, "..", "..", "shared", "assets");

/** Whether the real models and data sets are there; tests that need them skip otherwise. */
export const haveAssets = existsSync(root);

/** Path of a file or folder among the real models and data sets. */
export const assets = (path: string): string => join(root, path);
