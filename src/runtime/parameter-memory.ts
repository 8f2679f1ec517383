import { bug, DiapasonError } from "../base/errors.ts";
import { openModule } from "../base/web-assembly.ts";
import { sizeOf } from "../graph/tensor.ts";
import type { Slot } from "./engine.ts";
import { plainModule, sharedModule } from "./optimizer.generated.ts";
import { adamScalars, sgdScalars } from "./optimizer-scalars.ts";
import type { ArrayPlace, OptimizerKind, UpdateOptions } from "./runtime.ts";

const pageBytes = 65536;
/** The largest memory that is asked for; WebAssembly allows 4 GB, allocators somewhat less. */
const memoryBytes = 3.75 * 2 ** 30;
const alignment = 64;

interface Kernels {
  sumOfSquares(x: number, bytes: number): number;
  adam(
    value: number,
    gradient: number,
    first: number,
    second: number,
    bytes: number,
    rest1: number,
    beta2: number,
    rest2: number,
    epsilon: number,
    scale: number,
    coupled: number,
    keep: number,
    stepSize: number,
  ): void;
  sgd(
    value: number,
    gradient: number,
    buffer: number,
    bytes: number,
    rate: number,
    scale: number,
    decay: number,
    momentum: number,
    kept: number,
    added: number,
    nesterov: number,
  ): void;
}

const parameterSlots: readonly Slot[] = ["value", "gradient", "first", "second"];

interface Place {
  readonly array: ArrayPlace;
  /** Length in memory, padding included, which the kernels run over as well. */
  readonly bytes: number;
  readonly kernels: Kernels;
  /** Byte offsets in the memory of the kernels. */
  readonly at: { readonly [S in Slot]?: number };
  readonly views: { readonly [S in Slot]?: Float32Array };
  /** Rows of the gradient that may be other than zeros, where not all may. */
  rows: Set<number> | "all";
  steps: number;
}

/**
 * Parameters with gradients and optimizer state in WebAssembly memory, zeros at first: 16 bytes an element, allocated up
 * front, since growing a memory would detach the views that sessions hold. Several memories where one is too small.
 */
export class ParameterMemory {
  readonly #places = new Map<string, Place>();

  /** `shared`: memory that other threads may view; sessions take it from Node 22 on. */
  constructor(arrays: readonly ArrayPlace[], shared: boolean) {
    for (const group of groupsOf(arrays)) this.#allocate(group, shared);
  }

  get names(): Iterable<string> {
    return this.#places.keys();
  }
  has(name: string): boolean {
    return this.#places.has(name);
  }
  /** The array itself, not a copy. */
  view(name: string, slot: Slot): Float32Array {
    return this.#place(name).views[slot] ?? bug(`buffer "${name}" has no ${slot}`);
  }
  /** The gradient's array, for whom writes all of it. */
  wholeGradient(name: string): Float32Array {
    this.#place(name).rows = "all";
    return this.view(name, "gradient");
  }
  /** Makes a gradient zeros: where it came in rows, those alone, so that the others need no memory. */
  clearGradient(name: string): void {
    const place = this.#place(name);
    const gradient = this.view(name, "gradient");
    if (place.rows === "all") gradient.fill(0);
    else {
      const width = rowLength(place.array.dims);
      for (const row of place.rows) gradient.fill(0, row * width, (row + 1) * width);
      place.rows.clear();
    }
  }
  /** Adds rows, along the first axis, to a gradient; an index below 0 counts from the end. */
  addRows(name: string, indices: BigInt64Array, updates: Float32Array): void {
    const place = this.#place(name);
    const gradient = this.view(name, "gradient");
    const width = rowLength(place.array.dims);
    for (let at = 0; at < indices.length; at++) {
      const index = Number(indices[at]);
      const row = index < 0 ? index + place.array.dims[0]! : index;
      if (place.rows !== "all") place.rows.add(row);
      const [to, from] = [row * width, at * width];
      for (let i = 0; i < width; i++) gradient[to + i]! += updates[from + i]!;
    }
  }
  dims(name: string): readonly number[] {
    return this.#place(name).array.dims;
  }
  steps(): Record<string, number> {
    return Object.fromEntries(
      [...this.#places].filter(([, p]) => p.array.kind === "parameter").map(([name, p]) => [name, p.steps]),
    );
  }
  setSteps(steps: Readonly<Record<string, number>>): void {
    for (const [name, count] of Object.entries(steps)) this.#place(name).steps = count;
  }

  /** One optimizer step; see ParameterStore.update. Order of the sums is fixed, so results repeat bit for bit. */
  update({ optimizer, updates, gradientScale, clipNorm }: UpdateOptions): {
    gradientNorm: number;
    applied: boolean;
  } {
    const moving = updates.map((update) => ({ ...update, place: this.#place(update.name) }));
    let squares = 0;
    for (const { place } of moving) squares += place.kernels.sumOfSquares(place.at.gradient!, place.bytes);
    const gradientNorm = Math.sqrt(squares) * gradientScale;
    if (!Number.isFinite(gradientNorm)) return { gradientNorm, applied: false };
    // torch.nn.utils.clip_grad_norm_: the 1e-6 keeps the quotient finite.
    const clip = clipNorm === undefined ? 1 : Math.min(1, clipNorm / (gradientNorm + 1e-6));
    for (const { place, rate, weightDecay } of moving) {
      place.steps++;
      step(place, optimizer, rate, weightDecay, gradientScale * clip);
    }
    return { gradientNorm, applied: true };
  }

  #place(name: string): Place {
    return this.#places.get(name) ?? bug(`the store has no array "${name}"`);
  }

  #allocate(arrays: readonly ArrayPlace[], shared: boolean): void {
    const memory = memoryFor(arrays, shared);
    const kernels = openModule<Kernels>(shared ? sharedModule : plainModule, memory);
    let next = pageBytes;
    for (const array of arrays) {
      const length = sizeOf(array.dims);
      const bytes = aligned(4 * length);
      const at: { [S in Slot]?: number } = {};
      const views: { [S in Slot]?: Float32Array } = {};
      for (const slot of slotsOf(array)) {
        at[slot] = next;
        views[slot] = new Float32Array(memory.buffer, next, length);
        next += bytes;
      }
      this.#places.set(array.name, { array, bytes, kernels, at, views, rows: new Set(), steps: 0 });
    }
  }
}

/** @throws runtime/out-of-memory where the machine has no room, or one array is more than a memory holds. */
function memoryFor(arrays: readonly ArrayPlace[], shared: boolean): WebAssembly.Memory {
  const total = arrays.reduce((sum, array) => sum + bytesOf(array), pageBytes);
  const pages = Math.ceil(total / pageBytes);
  try {
    // The shared module's import says 65,536 pages at most; a shared memory must say its own maximum.
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
  } catch (cause) {
    const [first] = arrays;
    const what =
      arrays.length === 1 ? `"${first!.name}" [${first!.dims.join(", ")}]` : `${arrays.length} arrays`;
    throw new DiapasonError(
      "runtime/out-of-memory",
      `Training ${what} takes ${(total / 1e9).toFixed(1)} GB for values, gradients and the optimizer; one memory holds at most 4.3 GB, or the machine has less.`,
      "Freeze the block that has it, or tune an adapter.",
      cause,
    );
  }
}

function step(
  place: Place,
  optimizer: OptimizerKind,
  rate: number,
  weightDecay: number,
  scale: number,
): void {
  const { kernels, at, bytes, steps } = place;
  if (optimizer.kind === "sgd") {
    const s = sgdScalars(optimizer, steps, { rate, weightDecay, scale });
    kernels.sgd(
      at.value!,
      at.gradient!,
      at.first!,
      bytes,
      s.rate,
      s.scale,
      s.decay,
      s.momentum,
      s.kept,
      s.added,
      optimizer.nesterov ? 1 : 0,
    );
    return;
  }
  const s = adamScalars(optimizer, steps, { rate, weightDecay, scale });
  kernels.adam(
    at.value!,
    at.gradient!,
    at.first!,
    at.second!,
    bytes,
    s.rest1,
    s.beta2,
    s.rest2,
    s.epsilon,
    s.scale,
    s.coupled,
    s.keep,
    s.stepSize,
  );
}

const slotsOf = (array: ArrayPlace): readonly Slot[] =>
  array.kind === "parameter" ? parameterSlots : ["value"];
const rowLength = (dims: readonly number[]): number => sizeOf(dims.slice(1));
const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;
const bytesOf = (array: ArrayPlace): number => slotsOf(array).length * aligned(4 * sizeOf(array.dims));

/** Arrays in runs that fit one memory each. */
function groupsOf(arrays: readonly ArrayPlace[]): ArrayPlace[][] {
  const groups: ArrayPlace[][] = [];
  let room = 0;
  for (const array of arrays) {
    const bytes = bytesOf(array);
    if (groups.length === 0 || bytes > room) {
      groups.push([]);
      room = memoryBytes - pageBytes;
    }
    groups.at(-1)!.push(array);
    room -= bytes;
  }
  return groups;
}
