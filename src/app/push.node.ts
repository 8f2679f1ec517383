import { basename, resolve } from "node:path";
import { z } from "zod";
import { hubSettings } from "../models/hub/settings.node.ts";
import { type Uploaded, uploadFolder } from "../models/hub/upload.node.ts";
import { emitting } from "./emit.ts";
import { parseOptions } from "./options/parse.ts";
import { outlines } from "./outlines.ts";
import type { Verb, VerbEvent } from "./verb.ts";
import { version } from "./version.ts";

const options = z.strictObject({
  folder: z.string().describe("folder of a tuned model"),
  to: z
    .string()
    .describe("org/name of the model on the Hugging Face Hub; it is made where it does not exist"),
  revision: z.string().default("main").describe("branch to commit to; it is made where it does not exist"),
  message: z.string().optional().describe("what the commit says; default: what was uploaded with what"),
  private: z.boolean().default(false).describe("make a new repository that only you may see"),
});
export type PushOptions = z.input<typeof options>;

/** A file on its way. */
export interface Upload extends VerbEvent {
  readonly type: "upload";
  readonly file: string;
  /** 0…1 */
  readonly share: number;
}

/** A model, uploaded. */
export interface Pushed extends VerbEvent, Uploaded {
  readonly type: "pushed";
}

/** Uploads a tuned model to the Hugging Face Hub. */
export const push: Verb<typeof options, Upload | Pushed> = {
  ...outlines.push,
  options,
  async *run(input, { signal } = {}) {
    const { folder, to, revision, message, private: isPrivate } = parseOptions(options, input);
    const uploaded = yield* emitting<Upload, Uploaded>((emit) =>
      uploadFolder(folder, to, {
        settings: hubSettings(),
        revision,
        message: message ?? `Upload ${basename(resolve(folder))} with Diapason ${version}`,
        isPrivate,
        signal,
        onProgress: (file, share) => emit({ type: "upload", file, share }),
      }),
    );
    yield { type: "pushed", ...uploaded };
  },
};
