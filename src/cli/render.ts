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

/** Seconds as a person says them: "0.8 s", "42 s", "3 min 05 s", "1 h 20 min". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(Math.round(seconds % 60)).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** Bytes in the unit that leaves one to four digits. */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
