import { DiapasonError } from "../base/errors.ts";
import { type Arrays, type Progress, startOfRun, withMoments } from "./checkpoint.ts";
import type { TuneEvent } from "./events.ts";
import { settingsOf, type TuneLoopOptions } from "./options.ts";
import type { Program } from "./program.ts";

/** Values by the names of parameters and buffers. */
export type Values = ReadonlyMap<string, Float32Array>;

/** What a run has come to: counts, arrays, the best weights, the clock. Everything a checkpoint holds, and no more. */
export class RunState {
  readonly options: TuneLoopOptions;
  progress: Progress;
  /** Of everything that has moved, as of the last `keep`. */
  arrays: Arrays;
  best: Values | undefined;
  readonly #settings: Readonly<Record<string, unknown>>;
  readonly #clockStart = performance.now();
  readonly #secondsBefore: number;
  #keptAt: number;

  private constructor(
    options: TuneLoopOptions,
    progress: Progress,
    arrays: Arrays,
    best: Values | undefined,
  ) {
    this.options = options;
    this.progress = progress;
    this.arrays = arrays;
    this.best = best;
    this.#settings = settingsOf(options);
    this.#secondsBefore = progress.seconds;
    this.#keptAt = progress.step;
  }

  /**
   * The start of a run, or where its record says it stands.
   * @throws tune/settings-changed when the record was made with other settings.
   */
  static async open(options: TuneLoopOptions): Promise<RunState> {
    const found = await options.record?.latest();
    if (!found) return new RunState(options, startOfRun, new Map(), undefined);
    checkSettings(found.settings, settingsOf(options));
    const { best } = found.progress;
    const values = best && (await options.record!.valuesAt(best.step));
    return new RunState(options, found.progress, found.arrays, values);
  }

  get seconds(): number {
    return this.#secondsBefore + (performance.now() - this.#clockStart) / 1000;
  }

  /** Passes over the data begun. */
  get epochsBegun(): number {
    const { epoch, batchInEpoch } = this.progress;
    return batchInEpoch > 0 ? epoch + 1 : epoch;
  }

  /** Where and when, for an event. */
  get common(): { readonly epoch: number; readonly step: number; readonly seconds: number } {
    return { epoch: this.progress.epoch + 1, step: this.progress.step, seconds: this.seconds };
  }

  /** Appends an event to the record. */
  readonly record = <E extends TuneEvent>(event: E): E => {
    this.options.record?.append(event);
    return event;
  };

  countStep(loss: number, batchInEpoch: number): void {
    const { step, stepInStage, lossSum, lossCount, ...rest } = this.progress;
    this.progress = {
      ...rest,
      step: step + 1,
      stepInStage: stepInStage + 1,
      batchInEpoch,
      lossSum: lossSum + loss,
      lossCount: lossCount + 1,
    };
  }

  /** Closes the epoch or the stage that a step has ended. */
  turn({ isEpochEnd, stageOver }: { readonly isEpochEnd: boolean; readonly stageOver: boolean }): void {
    const epoch = isEpochEnd ? { epoch: this.progress.epoch + 1, batchInEpoch: 0 } : {};
    this.progress = { ...this.progress, ...epoch, stageOver };
  }

  enterNextStage(): void {
    const { stageBest: _forgotten, ...progress } = this.progress;
    this.progress = {
      ...progress,
      stage: progress.stage + 1,
      stepInStage: 0,
      stageOver: false,
      epoch: this.epochsBegun,
      batchInEpoch: 0,
      evaluationsSinceBest: 0,
    };
  }

  /** Takes over what a program has made of its arrays; it keeps the moments until it makes another step. */
  async keep(program: Program): Promise<void> {
    if (this.#keptAt === this.progress.step) return;
    this.#keptAt = this.progress.step;
    // what is replaced goes before its successor comes
    const held = new Set(program.arrays);
    this.arrays = new Map([...this.arrays].filter(([name]) => !held.has(name)));
    this.arrays = new Map([...this.arrays, ...(await program.read())]);
  }

  /** Takes over the moments too, of which the next stage goes on; a run that ends has no use for them. */
  async keepMoments(): Promise<void> {
    this.arrays = await withMoments(this.arrays);
  }

  get values(): Values {
    return new Map([...this.arrays].map(([name, { value }]) => [name, value]));
  }

  /** Writes a checkpoint of what was last kept. */
  async save(): Promise<void> {
    this.progress = { ...this.progress, seconds: this.seconds };
    const { progress, arrays } = this;
    await this.options.record?.save({ progress, arrays, settings: this.#settings });
  }
}

function checkSettings(
  before: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
): void {
  for (const name of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const [old, given] = [JSON.stringify(before[name]), JSON.stringify(now[name])];
    if (old !== given)
      throw new DiapasonError(
        "tune/settings-changed",
        `The run was started with ${name} ${old ?? "absent"}; it is resumed with ${given ?? "absent"}.`,
        "Resume with the recipe that the run's folder holds, or start a new run.",
      );
  }
}
