import type { Metrics, TuneEvent } from "../../tune/events.ts";
import type { Download } from "../opening/located.node.ts";
import type { Note, Progress } from "../progress.ts";
import type { VerbEvent } from "../verb.ts";

/** What was found before the first step. */
export interface Found extends VerbEvent {
  readonly type: "found";
  readonly model: {
    readonly source: string;
    readonly parameters: number;
    readonly input: readonly (number | string)[];
    readonly blocks: readonly { readonly name: string; readonly elements: number }[];
  };
  readonly data: {
    readonly root: string;
    readonly origin: string;
    /** What an example is called: "images" or "examples". */
    readonly unit: string;
    readonly examples: { readonly train: number; readonly validation: number; readonly test: number };
    /** Arrays by name, each with its type and the sizes of one example; empty for images. */
    readonly arrays: readonly string[];
    /** Empty where there are no classes. */
    readonly classes: readonly {
      readonly name: string;
      readonly train: number;
      readonly validation: number;
      readonly test: number;
    }[];
  };
  /** Folder of the run, for `resume`. */
  readonly run: string;
  /** The plan as a table of text. */
  readonly plan: string;
  /** Elements of the parameters that move in some stage. */
  readonly movingParameters: number;
  /** Predicted largest resident memory of the process, in bytes: what it holds, the images kept, the dearest step. */
  readonly peakMemory: number;
  /** Floating-point operations of the most expensive training step. */
  readonly stepFlops: number;
  readonly notes: readonly string[];
  /** What was looked at because it would go wrong in silence. */
  readonly checks: readonly Check[];
}

/** Something looked at before the first step. */
export interface Check {
  /** In a word or two: "truncated". */
  readonly what: string;
  /** What was found, as a sentence. */
  readonly found: string;
  /** Whether it is as it should be. */
  readonly isFine: boolean;
}

/** The model on the held-out examples before training, and what its speed predicts. */
export interface Before extends VerbEvent {
  readonly type: "before";
  readonly split: string;
  /** Name of the metric that chooses the checkpoint. */
  readonly goal: string;
  readonly metrics: Metrics;
  /** Of a classifier. */
  readonly accuracy?: number;
  /** Whether the head told these classes before; a fresh one guesses. */
  readonly isFreshHead: boolean;
  /** Predicted from the measured forward pass, for the stage that moves most. */
  readonly secondsPerEpoch: number;
}

/** The tuned model, written. */
export interface Saved extends VerbEvent {
  readonly type: "saved";
  readonly out: string;
  readonly run: string;
  readonly report: string;
  readonly split: string;
  /** What an example is called: "images" or "examples". */
  readonly unit: string;
  /** Name of the metric that chose the checkpoint. */
  readonly goal: string;
  readonly before: Scores;
  readonly after: Scores;
  /**
   * Two-sided exact test of before against after: McNemar's over right answers, else the sign test over the losses of
   * the examples. Absent where the loss does not tell examples apart.
   */
  readonly pValue?: number;
}

/** How a model did on the held-out examples. What a classifier has beside its metrics is absent for other models. */
export interface Scores extends Partial<ClassScores> {
  readonly examples: number;
  readonly metrics: Metrics;
}

export interface ClassScores {
  readonly examples: number;
  readonly accuracy: number;
  readonly accuracyInterval: readonly [number, number];
  readonly macroF1: number;
  readonly nll: number;
  readonly ece: number;
}

export type TuneVerbEvent = Download | Note | Progress | Found | Before | TuneEvent | Saved;
