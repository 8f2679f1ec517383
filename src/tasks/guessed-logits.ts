import { DiapasonError } from "../base/errors.ts";
import { sizeOf } from "../graph/tensor.ts";
import type { LogitsGuess } from "./declared-loss.ts";

/** Numbers of an output, row by row. */
interface Numbers {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number | bigint>;
}

/** So many logits, which are as often below 0 as above, do not all lie between 0 and 1 by chance. */
const enough = 16;

/**
 * Looks at what a model gives where a loss takes it for logits without being told. Result: a note where all of it lies
 * between 0 and 1, as probabilities do, and a few logits may.
 *
 * @throws tasks/bad-declaration where it can hardly be logits: those are many numbers, or classes that sum to 1. A loss over
 * such a mistake stays near that of a guess, in silence.
 */
export function checkGuess(
  { term, output, classAxis }: LogitsGuess,
  { dims, data }: Numbers,
): readonly string[] {
  for (let i = 0; i < data.length; i++) if (!(Number(data[i]) >= 0 && Number(data[i]) <= 1)) return [];
  if (data.length === 0) return [];
  const isSure = classAxis === undefined ? data.length >= enough : sumsToOne(dims, data, classAxis);
  const found = `"${term}" takes "${output}" for logits, and `;
  const fix =
    "Write from=probabilities into the parentheses after its kind, or from=logits if that is meant.";
  const classes = classAxis === undefined ? "" : `${dims[classAxis]} classes `;
  if (!isSure) return [`${found}all that it gives lies between 0 and 1, as probabilities do. ${fix}`];
  const what = classAxis === undefined ? "lie between 0 and 1" : "lie between 0 and 1 and sum to 1";
  throw new DiapasonError(
    "tasks/bad-declaration",
    `${found}it gives probabilities: its ${classes}${classes ? "" : "numbers "}${what}.`,
    fix,
  );
}

function sumsToOne(dims: readonly number[], data: Numbers["data"], axis: number): boolean {
  const classes = dims[axis]!;
  const inner = sizeOf(dims.slice(axis + 1));
  const rows = data.length / classes;
  for (let row = 0; row < rows; row++) {
    const start = Math.floor(row / inner) * classes * inner + (row % inner);
    let sum = 0;
    for (let c = 0; c < classes; c++) sum += Number(data[start + c * inner]);
    if (Math.abs(sum - 1) > 1e-3) return false;
  }
  return true;
}
