import { existsSync } from "node:fs";
import { DiapasonError } from "../base/errors.ts";

/** @throws app/file-exists when there is something at the path. */
export function refuseExisting(path: string): void {
  if (!existsSync(path)) return;
  throw new DiapasonError(
    "app/file-exists",
    `"${path}" exists.`,
    "Name another file, or give --force to replace it.",
  );
}
