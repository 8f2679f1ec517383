import type { ErrorCode } from "./error-codes.ts";

/**
 * A mistake that the reader can mend: what was found, what was expected, what to do.
 *
 * `message`: what was found against what was expected, with names, shapes and values.
 * `fix`: one imperative sentence. `code`: stable, `layer/slug`, explained in docs/errors.md.
 */
export class DiapasonError extends Error {
  readonly code: ErrorCode;
  readonly fix: string;

  constructor(code: ErrorCode, message: string, fix: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "DiapasonError";
    this.code = code;
    this.fix = fix;
  }

  /** The same mistake, with the file or thing it was found in named first. */
  about(where: string): DiapasonError {
    return new DiapasonError(this.code, `${where}: ${this.message}`, this.fix, this.cause);
  }
}

/** An impossible state: our fault, not the user's. */
export function bug(message: string, cause?: unknown): never {
  throw new DiapasonError(
    "base/bug",
    `Diapason reached a state it holds to be impossible: ${message}`,
    "Report this with the command and the model you used; it is a defect of ours.",
    cause,
  );
}

/** The candidate nearest to `word` by edit distance, or undefined when none is near enough to be what was meant. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    const isAlike = distance < Math.max(word.length, candidate.length);
    if (isAlike && distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein distance: insertions, deletions and substitutions that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, substitution));
    }
    row = next;
  }
  return row[b.length]!;
}
