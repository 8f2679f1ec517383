/** One line of a chart: x ascending. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
  /** Drawn as steps instead of straight lines. */
  readonly steps?: boolean;
  readonly dashed?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly note?: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  readonly log?: "x" | "y" | "both";
  /** The y axis shows shares as percent. */
  readonly percent?: boolean;
}

/** A stage as the report shows it: the learning rate of each block, 0 where it was frozen. */
export interface StageRow {
  readonly name: string;
  readonly epochs: number;
  readonly rates: Readonly<Record<string, number>>;
}

export interface Mistake {
  readonly id: string;
  readonly label: string;
  readonly predicted: string;
  /** Probability the model gave its prediction, 0…1. */
  readonly probability: number;
  /** The picture as a data URI, of an image. */
  readonly picture?: string;
  /** Of a text, as much of it as fits. */
  readonly text?: string;
}

export interface ClassRow {
  readonly name: string;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly count: number;
}

/** Rows of text under a title. */
export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly note?: string;
}

/** Everything a report page shows, already measured; making the page adds nothing to it. */
export interface Report {
  readonly title: string;
  readonly lead: string;
  /** The numbers at the top: a label, the value, and what it was before. */
  readonly headline: readonly { readonly label: string; readonly value: string; readonly before?: string }[];
  readonly charts: readonly Chart[];
  readonly blocks: readonly string[];
  readonly stages: readonly StageRow[];
  readonly classes: readonly string[];
  /** Rows: true class; columns: predicted class; counts. */
  readonly confusion: readonly (readonly number[])[];
  readonly confusionOf: string;
  readonly perClass: readonly ClassRow[];
  readonly mistakes: readonly Mistake[];
  readonly tables: readonly Table[];
  readonly settings: readonly (readonly [string, string])[];
  readonly versions: readonly (readonly [string, string])[];
  readonly notes: readonly string[];
}
