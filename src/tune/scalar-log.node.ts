import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { asWriteError } from "../base/atomic-file.node.ts";
import { fileVersion, type Scalar, scalarsRecord } from "../formats/tensorboard.ts";
import type { TuneEvent } from "./events.ts";

/**
 * What of a run is a curve, for TensorBoard: `events.out.tfevents.…` beside metrics.jsonl. It holds nothing that is not in
 * there, so a run that goes on writes it anew.
 */
export class ScalarLog {
  readonly #path: string;
  readonly #file: number;
  /** Seconds since 1970 at which the run began. */
  readonly #start: number;

  /** `events`: the file of the events so far. @throws base/disk-full, base/not-writable, as does `append` */
  constructor(folder: string, events: string) {
    for (const name of readdirSync(folder)) if (name.includes(".tfevents.")) rmSync(join(folder, name));
    const past = readFileSync(events, "utf8").split("\n").filter(Boolean);
    const told = past.map((line) => JSON.parse(line) as TuneEvent);
    this.#start = Date.now() / 1000 - told.reduce((latest, event) => Math.max(latest, secondsOf(event)), 0);
    this.#path = join(folder, `events.out.tfevents.${Math.floor(this.#start)}.diapason`);
    try {
      this.#file = openSync(this.#path, "a");
    } catch (error) {
      throw asWriteError(error, this.#path);
    }
    this.#write(Buffer.concat([fileVersion(this.#start), ...told.flatMap((event) => this.#recordOf(event))]));
  }

  append(event: TuneEvent): void {
    for (const record of this.#recordOf(event)) this.#write(record);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** Nothing for an event that is no curve. */
  #recordOf(event: TuneEvent): Uint8Array[] {
    const scalars = scalarsOf(event);
    if (scalars.length === 0 || !("step" in event)) return [];
    return [scalarsRecord(this.#start + secondsOf(event), event.step, scalars)];
  }

  #write(records: Uint8Array): void {
    try {
      for (let at = 0; at < records.length; ) at += writeSync(this.#file, records, at);
    } catch (error) {
      throw asWriteError(error, this.#path);
    }
  }
}

const secondsOf = (event: TuneEvent): number => ("seconds" in event ? event.seconds : 0);

function scalarsOf(event: TuneEvent): Scalar[] {
  const under = (group: string, values: Readonly<Record<string, number>>): Scalar[] =>
    Object.entries(values).map(([name, value]) => ({ tag: `${group}/${name}`, value }));
  if (event.type === "step") {
    const { loss, gradientNorm, examplesPerSecond, rates } = event;
    return [...under("train", { loss, gradientNorm, examplesPerSecond }), ...under("rate", rates)];
  }
  return event.type === "evaluation" ? under("validation", event.metrics) : [];
}
