import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { DiapasonError } from "../../src/base/errors.ts";
import type { HubSettings } from "../../src/models/hub/settings.node.ts";
import { newFolder } from "../new-folder.ts";
import { type HubServer, startHub } from "./server.ts";

/** The Hub of the test that runs: each has a new one, which goes with it. */
export let hub: HubServer;
beforeEach(async () => {
  hub = await startHub();
});
afterEach(() => hub.close());

/** A client of that Hub with an empty cache. */
export function settingsFor(more: Partial<HubSettings> = {}): HubSettings {
  const cache = join(newFolder(), "hub");
  mkdirSync(cache);
  const patience = { timeoutMs: 2000, backoffMs: 1 };
  return { endpoint: hub.url, cache, token: undefined, isOffline: false, ...patience, ...more };
}

/** Makes that Hub, with an empty cache, the one that commands speak to: in every test of the file. */
export function speakToHub(): void {
  const environment = { ...process.env };
  beforeEach(() => {
    for (const name of Object.keys(process.env))
      if (/^(HF_|HUGGING|TRANSFORMERS_)/.test(name)) delete process.env[name];
    Object.assign(process.env, { HF_ENDPOINT: hub.url, HF_HOME: newFolder() });
  });
  afterEach(() => {
    process.env = { ...environment };
  });
}

/** A file of a data set that Python's `datasets` wrote. */
export const fixture = (file: string): Buffer =>
  readFileSync(join(import.meta.dirname, "../fixtures/repositories", file));

/** What went wrong; that nothing did is an error. */
export const mistakeOf = (work: Promise<unknown>): Promise<DiapasonError> =>
  work.then(
    () => {
      throw new Error("it went well");
    },
    (error) => {
      if (error instanceof DiapasonError) return error;
      throw error;
    },
  );
