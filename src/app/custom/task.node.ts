import { declaredOptions } from "../options/common.ts";
import { type ScoredKind, scoredCard } from "../scored/card.ts";
import { scoredReport } from "../scored/report.ts";
import type { ScoredResult } from "../scored/result.ts";
import type { Task } from "../task.ts";
import { evaluateArrays } from "./evaluate.node.ts";
import { predictArrays } from "./predict.node.ts";
import { prepareCustom } from "./prepare.node.ts";

const declared = Object.keys(declaredOptions);

const kind: ScoredKind = {
  library: "onnx",
  dataset: "arrays",
  files:
    "`onnx/model.onnx` has the inputs and outputs that the base model had and runs in ONNX Runtime; `model.safetensors` holds the same weights under the base model's names; `config.json` says what it was tuned for, so that `diapason evaluate` and `diapason predict` need no more than the folder and arrays.",
};

/** Any graph, by a loss that the user declares over its outputs and arrays of their own. */
export const customTask: Task<ScoredResult> = {
  name: "custom",
  options: { tune: declared, evaluate: declared, predict: ["out", "outputs", "fix", "force"] },
  prepare: prepareCustom,
  evaluate: evaluateArrays,
  predict: predictArrays,
  report: scoredReport,
  card: (facts) => scoredCard(facts, kind),
};
