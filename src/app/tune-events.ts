import type { TuneEvent } from "../tune/events.ts";
import type { VerbEvent } from "./verb.ts";

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
    readonly classes: readonly {
      readonly name: string;
      readonly train: number;
      readonly validation: number;
      readonly test: number;
    }[];
  };
  /** The plan as a table of text. */
  readonly plan: string;
  /** Elements of the parameters that move in some stage. */
  readonly movingParameters: number;
  /** Predicted largest resident memory of the process, in bytes: what it holds, the images kept, the dearest step. */
  readonly peakMemory: number;
  /** Floating-point operations of the most expensive training step. */
  readonly stepFlops: number;
  readonly notes: readonly string[];
}

/** The model on the held-out images before training, and what its speed predicts. */
export interface Before extends VerbEvent {
  readonly type: "before";
  readonly split: string;
  readonly accuracy: number;
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
  readonly before: Scores;
  readonly after: Scores;
  /** Two-sided exact McNemar test of before against after. */
  readonly pValue: number;
}

export interface Scores {
  readonly examples: number;
  readonly accuracy: number;
  readonly accuracyInterval: readonly [number, number];
  readonly macroF1: number;
  readonly nll: number;
  readonly ece: number;
}

export type TuneVerbEvent = Found | Before | TuneEvent | Saved;
