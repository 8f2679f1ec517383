/**
 * Every error code with the explanation that docs/errors.md prints.
 *
 * A row is `"layer/slug": "what it means and how one usually gets there"`. Codes are stable: they are never reused.
 */
export const errorCodes = {
  "base/bug": "Diapason reached a state it holds to be impossible. This is a defect of ours.",
  "graph/shape-mismatch": "Two tensors meet in an operator that cannot combine their shapes.",
} as const satisfies Record<`${string}/${string}`, string>;

export type ErrorCode = keyof typeof errorCodes;
