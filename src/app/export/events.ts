import type { Metrics } from "../../tune/events.ts";
import type { VerbEvent } from "../verb.ts";

/** A file that was written of a model. */
export interface Exported extends VerbEvent {
  readonly type: "exported";
  readonly format: string;
  readonly path: string;
  /** Of the file, and of the one beside it that holds large weights. */
  readonly bytes: number;
  /** transformers.js' `dtype` that loads it; absent for what it does not load. */
  readonly dtype?: string;
  /** How the model does in float32 and in this form, where data were given. */
  readonly quality?: Quality;
}

export interface Quality {
  readonly data: string;
  readonly split: string;
  readonly before: Metrics;
  readonly after: Metrics;
}
