import { DiapasonError } from "../base/errors.ts";
import { sizeOf } from "../graph/tensor.ts";
import type { LogitsGuess } from "./declared-loss.ts";

/** Numbers of an output, row by row. */
interface Numbers {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number | bigint>;
}

/**
 * Looks at what a model gives where a loss takes it for logits without being told. Result: a note where all of it lies
 * between 0 and 1, as probabilities do, and logits may.
 *
 * @throws tasks/bad-declaration where the classes of every example sum to 1 as well: those are no logits, and a Softmax over
 * them would leave the loss near that of a guess, in silence.
 */
export function checkGuess(
  { term, output, classAxis }: LogitsGuess,
  { dims, data }: Numbers,
): readonly string[] {
  for (let i = 0; i < data.length; i++) if (!(Number(data[i]) >= 0 && Number(data[i]) <= 1)) return [];
  if (data.length === 0) return [];
  if (classAxis !== undefined && sumsToOne(dims, data, classAxis))
    throw new DiapasonError(
      "tasks/bad-declaration",
      `"${term}" takes "${output}" for logits, and it gives probabilities: its ${dims[classAxis]} classes lie between 0 and 1 and sum to 1.`,
      `Declare it as cross-entropy(from=probabilities):…, or with from=logits if that is meant.`,
    );
  return [
    `"${term}" takes "${output}" for logits; all that it gives lies between 0 and 1, as probabilities do. Say from=probabilities or from=logits.`,
  ];
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
