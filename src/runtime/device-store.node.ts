import type { Tensor } from "onnxruntime-node";
import { bug } from "../base/errors.ts";
import { sizeOf } from "../graph/tensor.ts";
import { type OptimizerGraphName, type Scalars, scalars } from "./device-graphs.ts";
import { type DeviceKernels, owning, reshaped } from "./device-kernels.node.ts";
import type { EngineStore, Slot } from "./engine.ts";
import { adamScalars, sgdScalars } from "./optimizer-scalars.ts";
import type { ArrayPlace, OptimizerKind, UpdateOptions } from "./runtime.ts";

interface Place {
  readonly array: ArrayPlace;
  /** Arrays on the device, flat; a slot that was never written is zeros and takes no room. */
  readonly slots: { [S in Slot]?: Tensor };
  steps: number;
}

/**
 * Parameters with gradients and optimizer state on the device. A session cannot write where it reads, so every new array
 * takes a new buffer and the old one goes back to ONNX Runtime's pool: at most one array more than is kept.
 */
export class DeviceStore implements EngineStore {
  readonly #kernels: DeviceKernels;
  readonly #places: ReadonlyMap<string, Place>;
  /** An array of which pieces are missing. */
  #arriving: Float32Array | undefined;

  constructor(kernels: DeviceKernels, arrays: readonly ArrayPlace[]) {
    this.#kernels = kernels;
    this.#places = new Map(arrays.map((array) => [array.name, { array, slots: {}, steps: 0 }]));
  }

  has(name: string): boolean {
    return this.#places.has(name);
  }
  steps(): Record<string, number> {
    return Object.fromEntries(
      [...this.#places].filter(([, p]) => p.array.kind === "parameter").map(([name, p]) => [name, p.steps]),
    );
  }
  setSteps(steps: Readonly<Record<string, number>>): void {
    for (const [name, count] of Object.entries(steps)) this.#place(name).steps = count;
  }

  /** An array in its own shape, for a session to read before the next one of this name is kept. */
  async bound(name: string, slot: Slot): Promise<Tensor> {
    const place = this.#place(name);
    return reshaped(await this.#at(place, slot), place.array.dims);
  }
  /** Takes over what a session gave. */
  keep(name: string, slot: Slot, tensor: Tensor): void {
    const { slots, array } = this.#place(name);
    slots[slot]?.dispose();
    slots[slot] = owning(tensor, [sizeOf(array.dims)]);
  }
  async accumulate(name: string, tensor: Tensor): Promise<void> {
    const place = this.#place(name);
    const term = reshaped(tensor, [sizeOf(place.array.dims)]);
    const { y } = await this.#kernels.run("add", { a: await this.#at(place, "gradient"), b: term });
    tensor.dispose();
    this.keep(name, "gradient", y!);
  }

  async read(name: string, slot: Slot): Promise<Float32Array> {
    const place = this.#place(name);
    const tensor = place.slots[slot];
    if (!tensor) return zeros(place);
    return Float32Array.from((await this.#kernels.download(tensor)).data as Float32Array);
  }
  async write(name: string, slot: Slot, data: Float32Array, from: number): Promise<void> {
    const whole = this.#gathered(sizeOf(this.#place(name).array.dims), data, from);
    if (whole) this.keep(name, slot, await this.#kernels.upload(whole));
  }

  /** See ParameterStore.update. Squares are summed in float32: a norm above 1.8e19 counts as not finite. */
  async update({ optimizer, updates, gradientScale, clipNorm }: UpdateOptions): Promise<{
    gradientNorm: number;
    applied: boolean;
  }> {
    const moving = updates.map((update) => ({ ...update, place: this.#place(update.name) }));
    const gradientNorm =
      Math.sqrt(await this.#sumOfSquares(moving.map(({ place }) => place))) * gradientScale;
    if (!Number.isFinite(gradientNorm)) return { gradientNorm, applied: false };
    // torch.nn.utils.clip_grad_norm_: the 1e-6 keeps the quotient finite.
    const clip = clipNorm === undefined ? 1 : Math.min(1, clipNorm / (gradientNorm + 1e-6));
    for (const { place, rate, weightDecay } of moving) {
      place.steps++;
      await this.#step(place, optimizer, { rate, weightDecay, scale: gradientScale * clip });
    }
    return { gradientNorm, applied: true };
  }

  dispose(): void {
    for (const { slots } of this.#places.values())
      for (const [slot, tensor] of Object.entries(slots)) {
        tensor.dispose();
        delete slots[slot as Slot];
      }
  }

  /** The whole array once its last piece is there. */
  #gathered(length: number, data: Float32Array, from: number): Float32Array | undefined {
    if (data.length === length) return data;
    if (from === 0) this.#arriving = new Float32Array(length);
    const whole = this.#arriving ?? bug("an array came without its beginning");
    whole.set(data, from);
    if (from + data.length < length) return undefined;
    this.#arriving = undefined;
    return whole;
  }

  #place(name: string): Place {
    return this.#places.get(name) ?? bug(`the store has no array "${name}"`);
  }

  async #at(place: Place, slot: Slot): Promise<Tensor> {
    place.slots[slot] ??= await this.#kernels.upload(zeros(place));
    return place.slots[slot];
  }

  async #sumOfSquares(places: readonly Place[]): Promise<number> {
    let sum = await this.#kernels.upload(new Float32Array(1));
    for (const place of places) {
      const columns = place.array.dims.at(-1) ?? 1;
      const rows = columns === 0 ? 0 : sizeOf(place.array.dims) / columns;
      const x = reshaped(await this.#at(place, "gradient"), [rows, columns]);
      const { y } = await this.#kernels.run("squares", { sum, x });
      sum.dispose();
      sum = y!;
    }
    const total = (await this.#kernels.download(sum)).data[0] as number;
    sum.dispose();
    return total;
  }

  #step(
    place: Place,
    optimizer: OptimizerKind,
    options: { readonly rate: number; readonly weightDecay: number; readonly scale: number },
  ): Promise<void> {
    if (optimizer.kind !== "sgd")
      return this.#apply(place, "adam", ["first", "second"], adamScalars(optimizer, place.steps, options));
    const { momentum, nesterov } = optimizer;
    const numbers = sgdScalars(optimizer, place.steps, options);
    return momentum === 0
      ? this.#apply(place, "sgd", [], numbers)
      : this.#apply(place, nesterov ? "nesterov" : "momentum", ["first"], numbers);
  }

  async #apply<N extends OptimizerGraphName>(
    place: Place,
    graph: N,
    moments: readonly ("first" | "second")[],
    numbers: Scalars<N>,
  ): Promise<void> {
    const order: readonly (keyof Scalars<N>)[] = scalars[graph];
    const inputs: Record<string, Tensor> = {
      scalars: this.#kernels.host(Float32Array.from(order, (name) => numbers[name])),
    };
    for (const slot of ["value", "gradient", ...moments] as const) inputs[slot] = await this.#at(place, slot);
    const made = await this.#kernels.run(graph, inputs);
    for (const slot of ["value", ...moments] as const)
      this.keep(place.array.name, slot, made[`new ${slot}`]!);
  }
}

/** What a slot holds before anything was written there. */
const zeros = ({ array }: Place): Float32Array => new Float32Array(sizeOf(array.dims));
