/**
 * Every error code with the explanation that docs/errors.md prints.
 *
 * A row is `"layer/slug": "what it means and how one usually gets there"`. Codes are stable: they are never reused.
 */
export const errorCodes = {
  "base/bug": "Diapason reached a state it holds to be impossible. This is a defect of ours.",
  "graph/shape-mismatch": "Two tensors meet in an operator that cannot combine their shapes.",
  "models/not-found": "No ONNX model lies at the given path, or the folder holds none.",
  "models/no-image-input": "The model has no float input of rank 4 with 1 or 3 channels, so it does not take images.",
  "models/no-parameters": "No float weight of the model reaches its output, so there is nothing to tune.",
  "models/no-features": "The model's output has a shape from which no classifier can be built.",
  "models/no-classifier": "The operation needs a classifier, and the model does not end in one.",
  "models/bad-config": "A model folder's config.json cannot be read or contradicts the model.",
  "models/labels-mismatch": "The number of class names differs from the width of the model's output.",
  "models/output-exists": "The folder to write to exists and is not empty, and overwriting was not asked for.",
  "evaluate/unpaired-predictions": "Two lists of predictions that should be compared are not about the same examples.",
  "evaluate/no-examples": "There is nothing to evaluate on: the list of examples is empty.",
} as const satisfies Record<`${string}/${string}`, string>;

export type ErrorCode = keyof typeof errorCodes;
