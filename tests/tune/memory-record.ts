import { type Checkpoint, type RunRecord, withMoments } from "../../src/tune/checkpoint.ts";
import type { TuneEvent } from "../../src/tune/events.ts";

/** A run's record in memory: every checkpoint stays, so that a test can go on from any of them. */
export class MemoryRecord implements RunRecord {
  readonly checkpoints: { readonly checkpoint: Checkpoint; readonly events: number }[] = [];
  events: TuneEvent[] = [];

  append(event: TuneEvent): void {
    // Through JSON, because that is what a file would keep.
    this.events.push(JSON.parse(JSON.stringify(event)) as TuneEvent);
  }
  async save(checkpoint: Checkpoint): Promise<void> {
    const arrays = await withMoments(checkpoint.arrays);
    this.checkpoints.push({ checkpoint: { ...checkpoint, arrays }, events: this.events.length });
  }
  async latest(): Promise<Checkpoint | undefined> {
    const last = this.checkpoints.at(-1);
    this.events.length = last?.events ?? 0;
    return last?.checkpoint;
  }
  async valuesAt(step: number): Promise<ReadonlyMap<string, Float32Array>> {
    const found = this.checkpoints.find(({ checkpoint }) => checkpoint.progress.step === step)!;
    return new Map([...found.checkpoint.arrays].map(([name, { value }]) => [name, value]));
  }
  async flush(): Promise<void> {}

  /** What a process killed right after checkpoint `index` would have left. */
  cutAfter(index: number): MemoryRecord {
    const copy = new MemoryRecord();
    copy.checkpoints.push(...this.checkpoints.slice(0, index + 1));
    copy.events = this.events.slice();
    return copy;
  }
}
