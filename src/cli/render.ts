import { DiapasonError } from "../base/errors.ts";

/** An error as a person reads it: message, then what to do, then the code that docs/errors.md explains. */
export function renderError(error: unknown): string {
  if (error instanceof DiapasonError) {
    const lines = [error.message, `  fix: ${error.fix}`, `  code: ${error.code}`];
    if (error.code === "base/bug" && error.stack) lines.push(error.stack);
    return lines.join("\n");
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** An error as one JSON object. */
export function errorRecord(error: unknown): Record<string, unknown> {
  return error instanceof DiapasonError
    ? { type: "error", code: error.code, message: error.message, fix: error.fix }
    : { type: "error", code: "base/bug", message: error instanceof Error ? error.message : String(error) };
}

/** 2 for what the user can mend, 1 for what is our fault. */
export const exitCodeOf = (error: unknown): 1 | 2 =>
  error instanceof DiapasonError && error.code !== "base/bug" ? 2 : 1;

/** What the system says of a file, where nothing before has said it better, as a mistake that can be mended; else as it is. */
export function systemMistake(error: unknown): unknown {
  const { code, syscall, path } = (error ?? {}) as { code?: unknown; syscall?: unknown; path?: unknown };
  if (error instanceof DiapasonError || typeof syscall !== "string" || typeof path !== "string") return error;
  return new DiapasonError(
    "base/file-refused",
    `The system does not let "${path}" be used as it is to be (${String(code)}, ${syscall}).`,
    "Check that it is what the command takes, a file or a folder, and that you may read and write it.",
    error,
  );
}
