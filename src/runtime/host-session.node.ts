import { type InferenceSession, Tensor } from "onnxruntime-node";
import type { EngineSession } from "./engine.ts";
import { checkOutputs, hostTensor, tensorsOf } from "./feed-tensors.node.ts";
import type { CompileRequest, RunRequest } from "./messages.ts";
import type { ParameterMemory } from "./parameter-memory.ts";
import type { HostTensor } from "./runtime.ts";
import { asRuntimeError } from "./runtime-error.ts";
import { openSession } from "./session-options.node.ts";

/** One compiled graph with the tensors over stored memory that it reads and writes in place. */
export class HostSession implements EngineSession {
  readonly #session: InferenceSession;
  readonly #store: ParameterMemory | undefined;
  /** Inputs taken from the store. */
  readonly #bound: Record<string, Tensor> = {};
  readonly #gradients: readonly { readonly name: string; readonly output: string; readonly tensor: Tensor }[];
  readonly #rows: CompileRequest["rowGradients"];
  /** Gradients that are rows alone. */
  readonly #onlyRows: ReadonlySet<string>;
  readonly #bufferUpdates: readonly (readonly [name: string, output: string])[];
  readonly #fed: readonly InferenceSession.ValueMetadata[];

  private constructor(
    session: InferenceSession,
    request: CompileRequest,
    store: ParameterMemory | undefined,
  ) {
    this.#session = session;
    this.#store = store;
    const over = (name: string, array: Float32Array) => new Tensor("float32", array, store!.dims(name));
    for (const name of session.inputNames)
      if (store?.has(name)) this.#bound[name] = over(name, store.view(name, "value"));
    this.#gradients = request.gradients.map(([name, output]) => ({
      name,
      output,
      tensor: over(name, store!.wholeGradient(name)),
    }));
    this.#rows = request.rowGradients;
    const whole = new Map(request.gradients);
    this.#onlyRows = new Set(this.#rows.map(({ name }) => name).filter((name) => !whole.has(name)));
    this.#bufferUpdates = request.bufferUpdates;
    this.#fed = session.inputMetadata.filter(({ name }) => !Object.hasOwn(this.#bound, name));
  }

  static async create(
    request: CompileRequest,
    store: ParameterMemory | undefined,
    { threads, provider }: { readonly threads: number | undefined; readonly provider: "cpu" | "cuda" },
  ): Promise<HostSession> {
    try {
      return new HostSession(await openSession(request, provider, threads), request, store);
    } catch (error) {
      throw asRuntimeError(error, "compile");
    }
  }

  async run({
    feeds,
    accumulate,
    outputs,
  }: Omit<RunRequest, "executable">): Promise<Record<string, HostTensor>> {
    checkOutputs(this.#session, outputs);
    const inputs = { ...this.#bound, ...tensorsOf(this.#fed, feeds) };
    const fetches: Record<string, Tensor | null> = {};
    for (const name of outputs) fetches[name] = null;
    for (const { output, tensor } of this.#gradients) fetches[output] = accumulate ? null : tensor;
    for (const { indices, updates } of this.#rows)
      for (const name of [indices, updates]) fetches[name] = null;
    for (const [, output] of this.#bufferUpdates) fetches[output] = null;
    let results: InferenceSession.ReturnType;
    try {
      results = await this.#session.run(inputs, fetches);
    } catch (error) {
      throw asRuntimeError(error, "run");
    }
    if (accumulate)
      for (const { name, output } of this.#gradients)
        add(this.#store!.view(name, "gradient"), results[output]!.data as Float32Array);
    if (!accumulate) for (const name of this.#onlyRows) this.#store!.clearGradient(name);
    for (const { name, indices, updates } of this.#rows)
      this.#store!.addRows(
        name,
        results[indices]!.data as BigInt64Array,
        results[updates]!.data as Float32Array,
      );
    for (const [name, output] of this.#bufferUpdates)
      this.#store!.view(name, "value").set(results[output]!.data as Float32Array);
    return Object.fromEntries(outputs.map((name) => [name, hostTensor(results[name]!)]));
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

function add(sum: Float32Array, term: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += term[i]!;
}
