import { generateTexts } from "./generate.node.ts";
import { languageJob } from "./language-job.ts";
import { maskJob } from "./mask-job.ts";
import { keepPrefixSpace } from "./open.node.ts";
import { type Preference, type PreferenceEvaluation, preferenceJob } from "./preference-job.ts";
import { scoredText } from "./scored-kind.ts";
import { readSentenceModules } from "./sentence-modules.node.ts";
import { type SimilarTexts, similarityJob } from "./similarity-job.node.ts";
import { stopTokens } from "./stop-tokens.node.ts";
import { type TagEvaluation, type TaggedText, tagsJob } from "./tags-job.ts";
import type { TextTaskKind } from "./task-kind.ts";
import type { TokenLabelled, TokenLosses } from "./token-loss-job.ts";
import type { TextScores } from "./told-by-scores.ts";

/** What comes next in a text. */
export const languageKind: TextTaskKind<TokenLabelled, TokenLosses> = {
  name: "causal-lm",
  reading: {},
  shapes: ["text", "text-label", "messages", "prompt-completion"],
  readsPieces: true,
  options: {
    tune: ["labelSmoothing", "turns"],
    evaluate: ["turns"],
    predict: ["maxNewTokens", "stop", "temperature", "topK", "topP", "repetitionPenalty", "chat", "seed"],
  },
  job: async (context) => languageJob(context, await stopTokens(context.folder, context.tokenizer)),
  predict: generateTexts,
  ...scoredText("text-generation"),
};

/** What is hidden in a text. */
export const maskKind: TextTaskKind<TokenLabelled, TokenLosses> = {
  name: "fill-mask",
  reading: {},
  shapes: ["text", "text-label"],
  readsPieces: true,
  options: { tune: ["labelSmoothing"], evaluate: [], predict: ["top"] },
  job: maskJob,
  ...scoredText("fill-mask"),
};

/** A tag for each word of a text. */
export const tagsKind: TextTaskKind<TaggedText, TagEvaluation> = {
  name: "token-classification",
  reading: { shape: "tokens-tags" },
  shapes: ["tokens-tags"],
  options: { tune: ["labelSmoothing", "labelColumn"], evaluate: ["labelColumn"], predict: [] },
  job: (context) => ({ ...tagsJob(context), more: keepPrefixSpace }),
  ...scoredText("token-classification"),
};

/** How near texts are to each other: their vectors. */
export const similarityKind: TextTaskKind<SimilarTexts, TextScores> = {
  name: "sentence-similarity",
  reading: {},
  shapes: ["triplet", "pair", "pair-score"],
  options: { tune: ["labelColumn"], evaluate: ["labelColumn"], predict: ["pair"] },
  usualTokens: async (folder) => (await readSentenceModules(folder)).maxTokens,
  job: similarityJob,
  ...scoredText("sentence-similarity"),
};

/** Which of two answers is better. */
export const preferenceKind: TextTaskKind<Preference, PreferenceEvaluation> = {
  name: "preference",
  reading: { shape: "preference" },
  shapes: ["preference"],
  options: { tune: [], evaluate: [], predict: languageKind.options.predict },
  job: preferenceJob,
  predict: generateTexts,
  ...scoredText("text-generation"),
};
