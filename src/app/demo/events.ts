import type { ClassScores, Scores, TuneVerbEvent } from "../tune/events.ts";
import type { VerbEvent } from "../verb.ts";
import type { DemoArm } from "./plan.ts";

/** One of the two trainings begins; its own events follow. */
export interface DemoArmStart extends VerbEvent {
  readonly type: "demo-arm";
  readonly arm: DemoArm;
  readonly message: string;
}

/** The validation accuracy at one point of a training. */
export interface CurvePoint {
  /** In the training loop, evaluations included. */
  readonly seconds: number;
  /** Training images seen so far, repetitions included. */
  readonly examples: number;
  readonly accuracy: number;
}

/** What came of one training. */
export interface DemoResult {
  readonly seconds: number;
  readonly steps: number;
  /** On test images that neither training nor the choice of a checkpoint saw. */
  readonly test: ClassScores;
  readonly curve: readonly CurvePoint[];
}

/** Both trainings side by side. */
export interface DemoDone extends VerbEvent {
  readonly type: "demo";
  /** What was found, in a sentence or two. */
  readonly lead: string;
  readonly out: string;
  readonly report: string;
  /** Folder of the tuned model. */
  readonly model: string;
  /** Labelled images of a class. */
  readonly perClass: number;
  readonly results: { readonly [A in DemoArm]: DemoResult };
  /** Of the whole demo. */
  readonly seconds: number;
}

export type DemoEvent = DemoArmStart | TuneVerbEvent | DemoDone;

/** Gathers from a training's events what the demo shows of it. */
export class DemoRecord {
  readonly #curve: CurvePoint[] = [];
  #batchSize = 0;
  #perEpoch = 0;
  #end: { readonly seconds: number; readonly steps: number } | undefined;
  #test: ClassScores | undefined;

  take(event: DemoEvent): void {
    if (event.type === "run-start") {
      this.#batchSize = event.batchSize;
      this.#perEpoch = event.examples;
    } else if (event.type === "evaluation") {
      const { step, seconds, metrics } = event;
      this.#curve.push({ seconds, examples: this.#examplesAt(step), accuracy: metrics["accuracy"]! });
    } else if (event.type === "run-end") this.#end = { seconds: event.seconds, steps: event.step };
    else if (event.type === "saved" && hasClasses(event.after)) this.#test = event.after;
  }

  /** Undefined when the training did not come to its end. */
  get result(): DemoResult | undefined {
    return this.#end && this.#test && { ...this.#end, test: this.#test, curve: this.#curve };
  }

  /** Steps are of full batches but the last of an epoch. */
  #examplesAt(step: number): number {
    const perEpoch = Math.ceil(this.#perEpoch / this.#batchSize);
    return Math.floor(step / perEpoch) * this.#perEpoch + (step % perEpoch) * this.#batchSize;
  }
}

const hasClasses = (scores: Scores): scores is Scores & ClassScores => scores.accuracy !== undefined;
