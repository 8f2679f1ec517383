import { InferenceSession, Tensor } from "onnxruntime-node";
import { DiapasonError, nearest } from "../base/errors.ts";
import { openFileBytes } from "../formats/file-bytes.node.ts";
import type { DataType } from "../graph/tensor.ts";
import type { CompileRequest, RunRequest, Weight } from "./messages.ts";
import type { ParameterMemory } from "./parameter-memory.ts";
import type { HostTensor } from "./runtime.ts";
import { asRuntimeError } from "./runtime-error.ts";

const float16Types: ReadonlySet<DataType> = new Set(["float16"]);

/** One compiled graph with the tensors over stored memory that it reads and writes in place. */
export class CpuSession {
  readonly #session: InferenceSession;
  readonly #store: ParameterMemory | undefined;
  /** Inputs taken from the store. */
  readonly #bound: Record<string, Tensor> = {};
  readonly #gradients: readonly { readonly name: string; readonly output: string; readonly tensor: Tensor }[];
  readonly #bufferUpdates: readonly (readonly [name: string, output: string])[];
  readonly #fed: readonly InferenceSession.ValueMetadata[];

  private constructor(
    session: InferenceSession,
    request: CompileRequest,
    store: ParameterMemory | undefined,
  ) {
    this.#session = session;
    this.#store = store;
    const over = (name: string, slot: "value" | "gradient") =>
      new Tensor("float32", store!.view(name, slot), store!.dims(name));
    for (const name of session.inputNames) if (store?.has(name)) this.#bound[name] = over(name, "value");
    this.#gradients = request.gradients.map(([name, output]) => ({
      name,
      output,
      tensor: over(name, "gradient"),
    }));
    this.#bufferUpdates = request.bufferUpdates;
    this.#fed = session.inputMetadata.filter(({ name }) => !(name in this.#bound));
  }

  static async create(
    request: CompileRequest,
    store: ParameterMemory | undefined,
    threads: number | undefined,
  ): Promise<CpuSession> {
    try {
      const session = await InferenceSession.create(request.model, {
        executionProviders: ["cpu"],
        graphOptimizationLevel: "all",
        executionMode: "sequential",
        // Patterns are planned for one shape and keep the arena at its largest; they save no time in a training step.
        enableMemPattern: !request.isTraining,
        // What goes wrong is thrown; the log would only repeat it.
        logSeverityLevel: 4,
        ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
        ...(request.weights.length === 0
          ? {}
          : {
              externalData: request.weights.map((weight) => ({ path: weight.path, data: bytesOf(weight) })),
            }),
        // Threads that wait by spinning take the cores from those that decode images: without, a step of ResNet-20 on two
        // busy cores takes 265 ms instead of 438, one of SqueezeNet's head 434 instead of 524.
        extra: { session: { intra_op: { allow_spinning: "0" } } },
      });
      return new CpuSession(session, request, store);
    } catch (error) {
      throw asRuntimeError(error, "compile");
    }
  }

  async run({
    feeds,
    accumulate,
    outputs,
  }: Omit<RunRequest, "executable">): Promise<Record<string, HostTensor>> {
    for (const name of outputs)
      if (!this.#session.outputNames.includes(name))
        throw new DiapasonError(
          "runtime/no-output",
          `The graph has no output "${name}".`,
          nearestOr(name, this.#session.outputNames),
        );
    const inputs = { ...this.#bound, ...this.#tensorsOf(feeds) };
    const fetches: Record<string, Tensor | null> = {};
    for (const name of outputs) fetches[name] = null;
    for (const { output, tensor } of this.#gradients) fetches[output] = accumulate ? null : tensor;
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
    for (const [name, output] of this.#bufferUpdates)
      this.#store!.view(name, "value").set(results[output]!.data as Float32Array);
    return Object.fromEntries(outputs.map((name) => [name, hostTensor(results[name]!)]));
  }

  async release(): Promise<void> {
    await this.#session.release();
  }

  /** The fed inputs as tensors. @throws runtime/bad-feed when one is missing, unknown, or of another type or rank. */
  #tensorsOf(feeds: RunRequest["feeds"]): Record<string, Tensor> {
    const wanted = new Map(this.#fed.map((input) => [input.name, input]));
    for (const name of Object.keys(feeds)) {
      if (!wanted.has(name))
        throw badFeed(`The graph has no input "${name}" to feed`, nearestOr(name, [...wanted.keys()]));
    }
    const tensors: Record<string, Tensor> = {};
    for (const [name, input] of wanted) {
      const fed = feeds[name];
      if (!fed)
        throw badFeed(`The input "${name}" is not fed`, "Feed every input that the store does not hold.");
      if (input.isTensor) check(name, fed, input);
      tensors[name] = tensorOf(fed);
    }
    return tensors;
  }
}

const bytesOf = (weight: Weight): Uint8Array =>
  "data" in weight
    ? weight.data
    : openFileBytes(weight.file.path).range(weight.file.offset, weight.file.length).read();

const badFeed = (found: string, fix: string): DiapasonError =>
  new DiapasonError("runtime/bad-feed", `${found}.`, fix);

function nearestOr(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  return near ? `Did you mean "${near}"?` : `There is ${names.map((n) => `"${n}"`).join(", ") || "none"}.`;
}

function check(name: string, fed: HostTensor, input: InferenceSession.TensorValueMetadata): void {
  const wanted = `${input.type} [${input.shape.join(", ")}]`;
  const found = `${fed.dtype} [${fed.dims.join(", ")}]`;
  const size = fed.dims.reduce((n, d) => n * d, 1);
  const fits =
    fed.dims.length === input.shape.length &&
    input.shape.every((d, i) => typeof d !== "number" || d < 0 || d === fed.dims[i]);
  if (fed.dtype !== input.type || !fits)
    throw badFeed(
      `The input "${name}" is fed ${found}; the graph wants ${wanted}`,
      "Feed an array of that type and shape.",
    );
  if (size !== fed.data.length)
    throw badFeed(
      `The input "${name}" is fed ${fed.data.length} numbers for ${found}`,
      "Make the array as long as its shape says.",
    );
}

function tensorOf({ dtype, dims, data }: HostTensor): Tensor {
  // Crossing threads turns 16-bit floats into plain 16-bit words, which is how the binding takes them.
  const array = float16Types.has(dtype) ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data;
  return new Tensor(dtype as "float32", array as Float32Array, dims);
}

function hostTensor(tensor: Tensor): HostTensor {
  return { dtype: tensor.type as DataType, dims: tensor.dims, data: tensor.data as HostTensor["data"] };
}

function add(sum: Float32Array, term: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += term[i]!;
}
