import type { z } from "zod";

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

/** A positional argument of the command line, and the option it fills. */
export interface Positional {
  readonly option: string;
  readonly required: boolean;
  /** Takes all remaining arguments. */
  readonly many?: boolean;
}

/** One thing a user can do. Command line, library and studio are views of it. */
export interface Verb<S extends z.ZodObject = z.ZodObject, E extends VerbEvent = VerbEvent> {
  readonly name: string;
  readonly summary: string;
  readonly options: S;
  readonly positionals: readonly Positional[];
  /** What the command line says where nothing came. */
  readonly nothing?: string;
  /** Runs with options as given (not yet parsed); yields what happens. */
  run(options: z.input<S>, context?: VerbContext): AsyncGenerator<E, void>;
}
