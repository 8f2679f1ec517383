import type { DataFinding, SplitName } from "../dataset.ts";

/** One turn of a conversation, in the words of chat templates. */
export interface ChatMessage {
  /** "system", "user", "assistant", "tool", or what else a template knows. */
  readonly role: string;
  /** "" of a turn that says nothing, such as one that calls a tool. */
  readonly content: string;
  /** The turn as its row has it, where that is more than a role and a text: calls of tools, thoughts, a name. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** What a row is, whatever its columns are called: the name of a row of `textShapes`. */
export type TextShapeName =
  | "text"
  | "text-label"
  | "pair"
  | "pair-label"
  | "pair-score"
  | "triplet"
  | "tokens-tags"
  | "messages"
  | "prompt"
  | "prompt-completion"
  | "preference";

/** What a column can be to a row. */
export type TextRole =
  | "text"
  | "pair"
  | "label"
  | "score"
  | "anchor"
  | "positive"
  | "negative"
  | "tokens"
  | "tags"
  | "messages"
  | "prompt"
  | "completion"
  | "chosen"
  | "rejected"
  | "instruction"
  | "input"
  | "output";

/** Plain text, or the turns of a conversation. */
export type TextOrMessages = string | readonly ChatMessage[];

/**
 * A row's values by what they are; which of them are there is decided by the dataset's `shape`.
 *
 * "text": text. "text-label": text, label. "pair": text, pair. "pair-label": text, pair, label. "pair-score": text, pair,
 * score. "triplet": anchor, positive, and negative where there is one. "tokens-tags": tokens, tags. "messages": messages.
 * "prompt": prompt; "prompt-completion": prompt, completion; from Alpaca's columns messages too. "preference": prompt, chosen, rejected.
 */
export interface TextValues {
  readonly text?: string;
  readonly pair?: string;
  /** A class by its name, several classes (possibly none) by theirs, or a number; the dataset's `labels` says which. */
  readonly label?: string | readonly string[] | number;
  readonly score?: number;
  readonly anchor?: string;
  readonly positive?: string;
  readonly negative?: string;
  /** Words, and the name of each one's tag; equally many. */
  readonly tokens?: readonly string[];
  readonly tags?: readonly string[];
  readonly messages?: readonly ChatMessage[];
  readonly prompt?: TextOrMessages;
  readonly completion?: TextOrMessages;
  readonly chosen?: TextOrMessages;
  readonly rejected?: TextOrMessages;
  /** What a chat template reads beside the turns: tools, and what `chat_template_kwargs` says. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** A row of a file. */
export interface TextRow {
  /** Stable across machines: the file's path relative to the root, ":", the line. How messages name the row. */
  readonly id: string;
  /** Relative to the dataset's root, "/" as separator. */
  readonly file: string;
  /** Where the row starts, counted from 1: a line of a text file, a row of a Parquet file. */
  readonly line: number;
  /** Everything the file has of this row, by its own column names. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly values: TextValues;
}

/** What labels are: one class a row, several, or a number to be predicted. */
export type LabelKind = "class" | "classes" | "number";

/** Columns of a file by what they are to a row, as detected or as the caller said. */
export type TextColumns = { readonly [R in TextRole]?: string };

/** Rows of which every one counts: of one split, or of what is to be predicted. */
export interface TextSet {
  /** Absolute path of what was opened. */
  readonly root: string;
  readonly shape: TextShapeName;
  /** How the file says it, for the user: "CSV with text and label", "ShareGPT". */
  readonly format: string;
  readonly columns: TextColumns;
  readonly rows: readonly TextRow[];
  readonly findings: readonly DataFinding[];
}

/** Rows in splits, all of one shape. */
export interface TextDataset extends Omit<TextSet, "rows"> {
  readonly splits: { readonly [S in SplitName]: readonly TextRow[] };
  /** Absent where the shape has neither label nor tags. */
  readonly labels?: LabelKind;
  /** Names of the classes (or tags) in the order of their numbers; empty for `labels` "number" or none. */
  readonly classes: readonly string[];
  /** How the splits came about, for the user. */
  readonly origin: string;
}

export interface TextOptions {
  /** The column of the text (or of the tokens, or of an anchor), where detection is to be overruled. */
  readonly textColumn?: string;
  /** The column of the second text of a pair. */
  readonly pairColumn?: string;
  /** The column of the label, the tags or the score; several columns of 0 and 1 are one class each. */
  readonly labelColumn?: string | readonly string[];
  /** The shape to read rows as, where several would do. */
  readonly shape?: TextShapeName;
  /** What labels are; absent: lists are "classes", numbers with fractions "number", all else "class". */
  readonly labels?: LabelKind;
  /** What stands between several classes in one field; absent: "|" or "," where `labels` is "classes". */
  readonly labelSeparator?: string;
  /** Names of the classes in the order of their numbers, such as those of the model; absent: all there are, sorted. */
  readonly classes?: readonly string[];
  /** Whether a prompt alone is a text, as of rows that are to be gone on with; absent: false. */
  readonly prompts?: boolean;
  /** What a row of a plain text file is; absent: "document", the whole file. */
  readonly sampleBy?: "document" | "paragraph" | "line";
}

export interface TextSplitOptions extends TextOptions {
  /** Decides which rows are held out, and which are used with a `limit`. */
  readonly seed: number;
  /** Share of the training rows held out where there is no validation split, 0 ≤ share < 1; 0: none. */
  readonly validationShare: number;
  /** Use at most this many training rows, chosen by the seed; a higher limit adds rows and keeps the others. */
  readonly limit?: number;
  /** Whether rows for validation and testing alone will do, as where nothing is trained; absent: false. */
  readonly mayLackTraining?: boolean;
}
