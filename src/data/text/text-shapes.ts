import { DiapasonError, nearest } from "../../base/errors.ts";
import { listNames } from "../code-points.ts";
import type { TextColumns, TextOptions, TextRole, TextShapeName } from "./text-dataset.ts";

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
interface TextShape {
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

/** Which option names the column of a role. */
const optionOf: { readonly [R in TextRole]?: "textColumn" | "pairColumn" | "labelColumn" } = {
  text: "textColumn",
  tokens: "textColumn",
  anchor: "textColumn",
  messages: "textColumn",
  pair: "pairColumn",
  positive: "pairColumn",
  label: "labelColumn",
  tags: "labelColumn",
  score: "labelColumn",
};

/** A shape found in a file, with its columns. */
export interface FoundShape {
  readonly shape: TextShapeName;
  readonly format: string;
  readonly columns: TextColumns;
  /** Where several columns of 0 and 1 are the label: one class each. */
  readonly labelColumns?: readonly string[];
}

/** What the kinds of values in a file's first row allow. */
type FirstRow = Readonly<Record<string, unknown>>;

/**
 * The shape of rows that have these columns.
 *
 * `first`: a row, which tells lists from texts under the same name.
 * @throws data/unknown-column for a column that an option names and the file lacks, data/unknown-shape
 */
export function findShape(
  columns: readonly string[],
  first: FirstRow,
  options: TextOptions,
  where: string,
): FoundShape {
  const given = overrides(columns, options, where);
  for (const shape of textShapes) {
    if (options.shape !== undefined && options.shape !== shape.shape) continue;
    if (shape.isPrompt && !options.prompts) continue;
    const found = match(shape, columns, first, given);
    if (!found) continue;
    const several = given.labelColumns !== undefined && found["label"] !== undefined;
    return {
      shape: shape.shape,
      format: shape.format,
      columns: found,
      ...(several && { labelColumns: given.labelColumns! }),
    };
  }
  throw new DiapasonError(
    "data/unknown-shape",
    `${where} has the columns ${listNames(columns, 20)}, which are no known shape${options.shape ? ` of "${options.shape}"` : ""}.`,
    `Name the columns, such as textColumn and labelColumn, or rename them to "text" and "label"; docs/text-data.md lists every shape.`,
  );
}

interface Overrides {
  readonly textColumn?: string;
  readonly pairColumn?: string;
  readonly labelColumn?: string;
  readonly labelColumns?: readonly string[];
}

function overrides(columns: readonly string[], options: TextOptions, where: string): Overrides {
  const { textColumn, pairColumn, labelColumn } = options;
  const labels =
    labelColumn === undefined ? [] : typeof labelColumn === "string" ? [labelColumn] : labelColumn;
  for (const name of [textColumn, pairColumn, ...labels]) {
    if (name === undefined || columns.includes(name)) continue;
    const near = nearest(name, columns);
    throw new DiapasonError(
      "data/unknown-column",
      `${where} has no column "${name}"; its columns are ${listNames(columns, 20)}.`,
      near ? `Did you mean "${near}"?` : "Name one of them.",
    );
  }
  return {
    ...(textColumn !== undefined && { textColumn }),
    ...(pairColumn !== undefined && { pairColumn }),
    ...(labels[0] !== undefined && { labelColumn: labels[0] }),
    ...(labels.length > 1 && { labelColumns: labels }),
  };
}

const plain = (name: string): string => name.toLowerCase().replace(/[_\-\s]/g, "");

/** The columns of a shape, or undefined where one is missing or an option names a column the shape has no use for. */
function match(
  { columns: wanted, names, together }: TextShape,
  columns: readonly string[],
  first: FirstRow,
  given: Overrides,
): TextColumns | undefined {
  const used = new Set(wanted.map(({ role }) => optionOf[role]));
  for (const option of ["textColumn", "pairColumn", "labelColumn"] as const)
    if (given[option] !== undefined && !used.has(option)) return undefined;
  // A first text that the caller names has no known second one.
  if (together && given.textColumn !== undefined && given.pairColumn === undefined) return undefined;
  const byName = new Map([...columns].reverse().map((column) => [plain(column), column]));
  const couples = together ?? [[]];
  for (const couple of couples) {
    const found: { [R in TextRole]?: string } = {};
    const isComplete = wanted.every(({ role, kind, optional }, i) => {
      const option = optionOf[role];
      const override = option && given[option];
      const known = couple[i] === undefined ? names[i]! : [couple[i]];
      const taken = Object.values(found);
      const candidates =
        override === undefined
          ? known.map((name) => byName.get(plain(name))).filter((name) => name !== undefined)
          : [override];
      const column = candidates.find((name) => !taken.includes(name) && mayHold(first[name], kind));
      if (column !== undefined) found[role] = column;
      return column !== undefined || optional === true;
    });
    if (isComplete) return found;
  }
  return undefined;
}

/** Whether a first value allows the kind; what is missing or empty there is judged row by row. */
function mayHold(value: unknown, kind: ValueKind): boolean {
  const isMissing = value === undefined || value === null || value === "";
  switch (kind) {
    case "strings":
    case "tags":
    case "messages":
      // CSV files hold lists as text that is JSON.
      return Array.isArray(value) || (typeof value === "string" && value.trimStart().startsWith("["));
    case "number":
      return isMissing || Number.isFinite(Number(value));
    case "text":
      return isMissing || typeof value === "string" || typeof value === "number";
    case "label":
      return isMissing || typeof value !== "object" || Array.isArray(value);
    case "text or messages":
      return isMissing || typeof value === "string" || Array.isArray(value);
  }
}
