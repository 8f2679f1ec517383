import type { Best, TuneEvent } from "./events.ts";

/** An optimizer's moment of a parameter: its numbers, or what reads them from where they are kept, until training goes on. */
export type Moment = Float32Array | (() => Promise<Float32Array>);

export const numbersOf = async (moment: Moment): Promise<Float32Array> =>
  typeof moment === "function" ? moment() : moment;

/** The same arrays with their moments read. */
export async function withMoments(arrays: Arrays): Promise<Arrays> {
  const read = new Map<string, ArrayState>();
  for (const [name, { first, second, ...rest }] of arrays)
    read.set(name, {
      ...rest,
      ...(first && { first: await numbersOf(first) }),
      ...(second && { second: await numbersOf(second) }),
    });
  return read;
}

/** An array that training has changed, as it stands, with its optimizer moments where it has any. */
export interface ArrayState {
  readonly kind: "parameter" | "buffer";
  readonly dims: readonly number[];
  readonly value: Float32Array;
  readonly first?: Moment;
  readonly second?: Moment;
  /** Optimizer steps made. */
  readonly steps: number;
}

export type Arrays = ReadonlyMap<string, ArrayState>;

/** Where a run stands between two optimizer steps. All counts are 0 at the start. */
export interface Progress {
  /** Index of the stage. */
  readonly stage: number;
  readonly stepInStage: number;
  /** Whether the stage has ended, early or not. */
  readonly stageOver: boolean;
  readonly step: number;
  /** 0-based, counts on over stages. */
  readonly epoch: number;
  /** Batches of the epoch already trained on. */
  readonly batchInEpoch: number;
  readonly seconds: number;
  /** Losses since the last evaluation. */
  readonly lossSum: number;
  readonly lossCount: number;
  readonly best?: Best;
  /** Evaluations of this stage since the stage's best one. */
  readonly evaluationsSinceBest: number;
  /** The stage's best value, for early stopping. */
  readonly stageBest?: number;
}

export const startOfRun: Progress = {
  stage: 0,
  stepInStage: 0,
  stageOver: false,
  step: 0,
  epoch: 0,
  batchInEpoch: 0,
  seconds: 0,
  lossSum: 0,
  lossCount: 0,
  evaluationsSinceBest: 0,
};

export interface Checkpoint {
  readonly progress: Progress;
  /** Everything that has moved in any stage so far; the rest is as in the base model. */
  readonly arrays: Arrays;
  /** What the run was started with, as `settingsOf` gives it. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Keeps the events and checkpoints of one run. */
export interface RunRecord {
  append(event: TuneEvent): void;
  /**
   * Keeps a checkpoint together with the number of events appended so far. Never leaves a half-written one. Moments are to be
   * read before it is kept: the next step changes them.
   */
  save(checkpoint: Checkpoint): Promise<void>;
  /** The newest checkpoint; events appended after it are forgotten. */
  latest(): Promise<Checkpoint | undefined>;
  /** Values of the arrays in the checkpoint of a step: the newest two and the best one are kept. */
  valuesAt(step: number): Promise<ReadonlyMap<string, Float32Array>>;
  /** Waits until every event is kept. */
  flush(): Promise<void>;
}
