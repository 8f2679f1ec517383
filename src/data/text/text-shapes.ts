import type { TextRole, TextShapeName } from "./text-dataset.ts";

/** What the value of a column must be. */
export type ValueKind = "text" | "label" | "number" | "strings" | "tags" | "messages" | "text or messages";

interface Column {
  readonly role: TextRole;
  readonly kind: ValueKind;
  readonly optional?: boolean;
}

/**
 * One way in which people write rows: the names its columns go by.
 *
 * `names`: alternatives, each naming the columns in the order of `columns`; compared without case, "_", "-" and spaces.
 */
export interface TextShape {
  readonly shape: TextShapeName;
  /** For the user. */
  readonly format: string;
  readonly columns: readonly Column[];
  /** For each column the names it may have; or, under `together`, names that go together. */
  readonly names: readonly (readonly string[])[];
  /** Read only where a prompt alone is a text: else a completion of an unusual name would be left out in silence. */
  readonly isPrompt?: true;
  readonly together?: readonly (readonly string[])[];
}

const labelNames = [
  "label",
  "labels",
  "class",
  "condition",
  "condition_label",
  "category",
  "sentiment",
  "target",
  "intent",
  "topic",
  "emotion",
  "class_name",
  "label_name",
  "label_text",
  "rating",
  "stars",
  "star_rating",
  "y",
];
const textNames = [
  "text",
  "sentence",
  "review",
  "content",
  "abstract",
  "medical_abstract",
  "document",
  "body",
  "comment",
  "comment_text",
  "tweet",
  "message",
  "review_body",
  "utterance",
  "description",
  "query",
  "title",
];
const scoreNames = ["score", "similarity", "similarity_score", "relatedness_score", "cosine"];

/** Couples of columns that hold two texts. */
const pairNames = [
  ["sentence1", "sentence2"],
  ["sentence_1", "sentence_2"],
  ["sentence_a", "sentence_b"],
  ["premise", "hypothesis"],
  ["question1", "question2"],
  ["question", "sentence"],
  ["question", "answer"],
  ["question", "passage"],
  ["query", "passage"],
  ["query", "document"],
  ["query", "answer"],
  ["text1", "text2"],
  ["text_1", "text_2"],
  ["text_a", "text_b"],
  ["text", "text_pair"],
] as const;

const pair = [
  { role: "text", kind: "text" },
  { role: "pair", kind: "text" },
] as const;

/** Every way of writing rows that is read. The first whose columns are all there is the one: special before general. */
export const textShapes: readonly TextShape[] = [
  {
    shape: "tokens-tags",
    format: "tokens and tags",
    columns: [
      { role: "tokens", kind: "strings" },
      { role: "tags", kind: "tags" },
    ],
    names: [
      ["tokens", "words"],
      ["ner_tags", "tags", "labels", "ner", "pos_tags", "pos", "label"],
    ],
  },
  {
    shape: "preference",
    format: "preferences (chosen, rejected)",
    columns: [
      { role: "chosen", kind: "text or messages" },
      { role: "rejected", kind: "text or messages" },
      { role: "prompt", kind: "text or messages", optional: true },
    ],
    names: [["chosen"], ["rejected"], ["prompt", "question", "instruction", "input"]],
  },
  {
    shape: "messages",
    format: "chat messages",
    columns: [{ role: "messages", kind: "messages" }],
    names: [["messages"]],
  },
  {
    shape: "messages",
    format: "ShareGPT conversations",
    columns: [{ role: "messages", kind: "messages" }],
    names: [["conversations", "conversation"]],
  },
  {
    shape: "prompt-completion",
    format: "Alpaca instructions",
    columns: [
      { role: "instruction", kind: "text" },
      { role: "output", kind: "text" },
      { role: "input", kind: "text", optional: true },
    ],
    names: [["instruction"], ["output", "response"], ["input", "context"]],
  },
  {
    shape: "prompt-completion",
    format: "prompts and completions",
    columns: [
      { role: "prompt", kind: "text or messages" },
      { role: "completion", kind: "text or messages" },
    ],
    names: [["prompt"], ["completion", "response"]],
  },
  {
    shape: "triplet",
    format: "anchors and positives",
    columns: [
      { role: "anchor", kind: "text" },
      { role: "positive", kind: "text" },
      { role: "negative", kind: "text", optional: true },
    ],
    names: [
      ["anchor", "query"],
      ["positive", "pos"],
      ["negative", "neg"],
    ],
  },
  {
    shape: "pair-score",
    format: "pairs with a score",
    columns: [...pair, { role: "score", kind: "number" }],
    names: [[], [], scoreNames],
    together: pairNames,
  },
  {
    shape: "pair-label",
    format: "pairs with a label",
    columns: [...pair, { role: "label", kind: "label" }],
    names: [[], [], labelNames],
    together: pairNames,
  },
  {
    shape: "text-label",
    format: "text and label",
    columns: [
      { role: "text", kind: "text" },
      { role: "label", kind: "label" },
    ],
    names: [textNames, labelNames],
  },
  { shape: "pair", format: "pairs", columns: pair, names: [[], []], together: pairNames },
  { shape: "text", format: "text", columns: [{ role: "text", kind: "text" }], names: [textNames] },
  {
    shape: "prompt",
    format: "Alpaca instructions without answers",
    columns: [
      { role: "instruction", kind: "text" },
      { role: "input", kind: "text", optional: true },
    ],
    names: [["instruction"], ["input", "context"]],
    isPrompt: true,
  },
  {
    shape: "prompt",
    format: "prompts",
    columns: [{ role: "prompt", kind: "text or messages" }],
    names: [["prompt", "question", "input"]],
    isPrompt: true,
  },
];
