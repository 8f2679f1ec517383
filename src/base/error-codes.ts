/**
 * Every error code with the explanation that docs/errors.md prints.
 *
 * A row is `"layer/slug": "what it means and how one usually gets there"`. Codes are stable: they are never reused.
 */
export const errorCodes = {
  "base/bug": "Diapason reached a state it holds to be impossible. This is a defect of ours.",
  "graph/shape-mismatch": "Two tensors meet in an operator that cannot combine their shapes.",
  "graph/old-operator": "An operator of an old ONNX opset means something that the present operators cannot say.",
  "models/not-found": "No ONNX model lies at the given path, or the folder holds none.",
  "models/no-image-input": "The model has no float input of rank 4 with 1 or 3 channels, so it does not take images.",
  "models/no-parameters": "No float weight of the model reaches its output, so there is nothing to tune.",
  "models/no-features": "The model's output has a shape from which no classifier can be built.",
  "models/no-classifier": "The operation needs a classifier, and the model does not end in one.",
  "models/bad-config": "A model folder's config.json cannot be read or contradicts the model.",
  "models/extra-inputs": "The model must be fed more than an image, which image classification does not have.",
  "models/labels-mismatch": "The number of class names differs from the width of the model's output.",
  "models/output-exists": "The folder to write to exists and is not empty, and overwriting was not asked for.",
  "evaluate/unpaired-predictions": "Two lists of predictions that should be compared are not about the same examples.",
  "evaluate/not-finite": "A model gave NaN or infinite logits for an example.",
  "evaluate/no-examples": "There is nothing to evaluate on: the list of examples is empty.",
  "tune/unknown-block": "A plan or a recipe names blocks that the model does not have.",
  "tune/unknown-plan": "A freeze plan is asked for by a name that does not exist.",
  "tune/bad-plan": "A freeze plan has an impossible number: no stage, no epochs, a rate that is not above 0.",
  "tune/bad-option": "An option of the training loop has a value that cannot work.",
  "tune/bad-batch": "The training data gave a batch that does not fit the training graph.",
  "tune/loss-not-finite": "The loss or a gradient became NaN or infinite; the last good checkpoint is kept.",
  "tune/no-run": "A run is to be resumed from a folder that does not hold one.",
  "tune/bad-checkpoint": "A checkpoint cannot be read: a file is missing, damaged or does not belong to this model.",
  "tune/base-changed": "A run is resumed on another base model than it was started with.",
  "tune/settings-changed": "A run is resumed with other settings than it was started with.",
  "tune/run-exists": "The folder of a new run already holds a run.",
  "app/bad-option": "An option has a value of the wrong kind or outside its range.",
  "app/unknown-option": "A flag, recipe key or option name that does not exist; the nearest known one is named.",
  "app/unknown-command": "A command that does not exist; the nearest known one is named.",
  "app/bad-recipe": "A recipe file that cannot be read as YAML, or is not a mapping of options.",
  "base/disk-full": "There was no room to write a file; what was there before is untouched.",
  "base/not-writable": "A file or folder cannot be written: permissions, a read-only place, or a file where a folder is wanted.",
  "formats/onnx-bad-graph": "The graph of an ONNX file does not hold together: a value that nothing makes, a name used twice, a function that calls itself.",
  "formats/onnx-bad-tensor": "A tensor of an ONNX file has a shape, type or size that do not fit each other.",
  "formats/onnx-damaged": "A file is not ONNX, or not a whole one.",
  "formats/onnx-external-missing": "Weights that lie beside a model file cannot be found or read.",
  "formats/onnx-external-outside": "Weights that lie beside a model file are said to be outside its folder; such a path is never followed.",
  "formats/onnx-opset": "A model uses operators of a version that is too old.",
  "formats/safetensors-damaged": "A file is not safetensors, or not a whole one.",
} as const satisfies Record<`${string}/${string}`, string>;

export type ErrorCode = keyof typeof errorCodes;
