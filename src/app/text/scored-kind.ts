import type { RunRecord } from "../report/run-report.ts";
import { type ScoredKind, scoredCard } from "../scored/card.ts";
import { scoredReport } from "../scored/report.ts";
import type { ScoredResult } from "../scored/result.ts";
import type { EncodedText } from "./job.ts";
import type { TextTaskKind } from "./task-kind.ts";

/** Report and card of a text task that is judged by a loss and metrics. `pipeline`: the Hub's name for it. */
export const scoredText = (pipeline: string): Pick<TextTaskKind<EncodedText, unknown>, "report" | "card"> => {
  const kind: ScoredKind = {
    library: "transformers",
    pipeline,
    dataset: "text",
    files:
      "`onnx/model.onnx` runs in ONNX Runtime and transformers.js; `model.safetensors` holds the same weights as transformers names them; the tokenizer's files lie beside them.",
  };
  return {
    report: (record) => scoredReport(record as RunRecord<ScoredResult>),
    card: (facts) => scoredCard({ ...facts, result: facts.result as ScoredResult }, kind),
  };
};
