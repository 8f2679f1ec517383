/** Seconds as a person says them: "0.8 s", "42 s", "3 min 05 s", "1 h 20 min". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** Bytes in the decimal unit that leaves one to three digits. */
export const bytes = (n: number): string => scaled(n, ["B", "kB", "MB", "GB", "TB"], " ");

/** A large count in short: 11.2 M, 340 k; small ones as they are. */
export const count = (n: number): string =>
  n < 10_000 ? String(n) : scaled(n, ["", "k", "M", "G", "T"], " ");

function scaled(n: number, units: readonly string[], gap: string): string {
  let value = n;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)}${gap}${units[unit]}`;
}

/** A share as percent with one decimal. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** A p-value: two digits, or an exponent where it is small. */
export const probability = (p: number): string => (p >= 0.001 ? p.toFixed(3) : p.toExponential(1));

const shares =
  /^(accuracy|macroF1|macro F1|micro F1|F1|precision|recall|word accuracy|exact match|recall@\d+|ece|top5)(:|$)/;

/** A metric as a person reads it: shares as percent, everything else to four digits. */
export const measured = (metric: string, value: number): string =>
  shares.test(metric) ? percent(value) : String(Number(value.toPrecision(4)));
