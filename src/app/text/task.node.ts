import type { Task } from "../task.ts";
import { evaluateTexts } from "./evaluate.node.ts";
import type { EncodedText } from "./job.ts";
import { predictTexts } from "./predict.node.ts";
import { prepareTexts } from "./prepare.node.ts";
import type { TextTaskKind } from "./task-kind.ts";

const shared = ["maxTokens", "textColumn", "pairColumn"];

/** A text task as the verbs take it. */
export const textTask = <E extends EncodedText, V>(kind: TextTaskKind<E, V>): Task => ({
  name: kind.name,
  options: {
    tune: [...shared, "limit", "dropout", ...kind.options.tune],
    evaluate: [...shared, ...kind.options.evaluate],
    predict: [...shared, ...kind.options.predict],
  },
  prepare: (options, runtime, startOf) => prepareTexts(kind, options, runtime, startOf),
  evaluate: (options, runtime, context) => evaluateTexts(kind, options, runtime, context),
  predict: (options, runtime, context) =>
    kind.predict?.(options, runtime, context) ?? predictTexts(kind, options, runtime, context),
  report: (record) => kind.report(record),
  card: (facts) => kind.card(facts),
});
