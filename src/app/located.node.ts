import { type LocatedModel, type LocateOptions, locateModel } from "../models/hub/locate.node.ts";
import { emitting } from "./emit.ts";
import { type Note, noteOf } from "./progress.ts";
import type { VerbContext, VerbEvent } from "./verb.ts";

/** A file of a model that is being fetched from the Hub. */
export interface Download extends VerbEvent {
  readonly type: "download";
  /** "org/name" */
  readonly model: string;
  readonly file: string;
  /** Of the file, there so far; `total` when it is whole. */
  readonly bytes: number;
  readonly total: number;
}

/** Milliseconds between two events of a file, apart from its last one. */
const everyMs = 250;

/**
 * Finds the model that an option names: a path, or an id of the Hub, which is fetched; what is told meanwhile is yielded.
 *
 * `isApart`: of an adapter the base is located alone.
 * @throws what locateModel throws
 */
export async function* located(
  model: string,
  { signal }: VerbContext,
  { isApart = false }: Pick<LocateOptions, "isApart"> = {},
): AsyncGenerator<Download | Note, LocatedModel> {
  let file = "";
  let told = 0;
  const found = yield* emitting<Download, LocatedModel>((emit) =>
    locateModel(model, {
      signal,
      isApart,
      onProgress(progress) {
        const now = performance.now();
        if (progress.file !== file) told = now;
        file = progress.file;
        if (progress.bytes < progress.total && now - told < everyMs) return;
        told = now;
        emit({ type: "download", ...progress });
      },
    }),
  );
  yield* found.notes.map(noteOf);
  return found;
}
