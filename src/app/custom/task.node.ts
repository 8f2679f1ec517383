import { declaredOptions } from "../options.ts";
import type { Task } from "../task.ts";
import { customCard } from "./card.ts";
import { evaluateArrays } from "./evaluate.node.ts";
import { predictArrays } from "./predict.node.ts";
import { prepareCustom } from "./prepare.node.ts";
import { customReport } from "./report.ts";
import type { CustomResult } from "./result.ts";

const declared = Object.keys(declaredOptions);

/** Any graph, by a loss that the user declares over its outputs and arrays of their own. */
export const customTask: Task<CustomResult> = {
  name: "custom",
  options: { tune: declared, evaluate: declared, predict: ["out", "outputs", "fix", "force"] },
  prepare: prepareCustom,
  evaluate: evaluateArrays,
  predict: predictArrays,
  report: customReport,
  card: customCard,
};
