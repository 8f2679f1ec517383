import type { VerbEvent } from "./verb.ts";

/** How far a long part of a verb is. */
export interface Progress extends VerbEvent {
  readonly type: "progress";
  readonly what: string;
  readonly done: number;
  readonly total: number;
}

/** Something the user should know; nothing is wrong. */
export interface Note extends VerbEvent {
  readonly type: "note";
  readonly message: string;
}

export const noteOf = (message: string): Note => ({ type: "note", message });

/** A callback that reports progress, and throws the signal's reason once it is aborted. */
export const progressTo =
  (emit: (event: Progress) => void, what: string, signal?: AbortSignal) =>
  (done: number, total: number): void => {
    signal?.throwIfAborted();
    emit({ type: "progress", what, done, total });
  };
