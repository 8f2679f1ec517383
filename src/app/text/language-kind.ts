import type { RunRecord } from "../report/run-report.ts";
import { type ScoredKind, scoredCard } from "../scored/card.ts";
import { scoredReport } from "../scored/report.ts";
import type { ScoredResult } from "../scored/result.ts";
import { type LanguageEvaluation, type LanguageExample, languageJob } from "./language-job.ts";
import type { TextTaskKind } from "./task-kind.ts";

const scores: ScoredKind = {
  library: "transformers",
  pipeline: "text-generation",
  dataset: "text",
  files:
    "`onnx/model.onnx` runs in ONNX Runtime and transformers.js; `model.safetensors` holds the same weights as transformers names them; the tokenizer's files lie beside them.",
};

/** What comes next in a text. */
export const languageKind: TextTaskKind<LanguageExample, LanguageEvaluation> = {
  name: "causal-lm",
  reading: {},
  options: { tune: ["labelSmoothing"], evaluate: [], predict: [] },
  job: languageJob,
  report: (record) => scoredReport(record as RunRecord<ScoredResult>),
  card: (facts) => scoredCard({ ...facts, result: facts.result as ScoredResult }, scores),
};
