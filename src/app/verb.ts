import type { z } from "zod";
import type { Outline } from "./outlines.ts";

/** What a verb is given besides its options. */
export interface VerbContext {
  /**
   * Aborted on Ctrl-C. What trains finishes its step, writes a checkpoint, and returns after "run-end" with the reason "stopped";
   * other verbs throw the signal's reason, leaving no half-written file.
   */
  readonly signal?: AbortSignal;
}

/** Something that happened, as plain data: `--json` prints it as it is. */
export interface VerbEvent {
  readonly type: string;
}

/** One thing a user can do. Command line, library and studio are views of it. */
export interface Verb<S extends z.ZodObject = z.ZodObject, E extends VerbEvent = VerbEvent> extends Outline {
  readonly options: S;
  /** Runs with options as given (not yet parsed); yields what happens. */
  run(options: z.input<S>, context?: VerbContext): AsyncGenerator<E, void>;
}
