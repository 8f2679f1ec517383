import type { Graph } from "../graph/ir.ts";
import type { ByteSource, DataType } from "../graph/tensor.ts";

/** An array that crosses the runtime's border. `data` is copied or handed over, never kept by the caller's view. */
export interface HostTensor {
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly data:
    | Float32Array
    | Float64Array
    | Int8Array
    | Int16Array
    | Int32Array
    | BigInt64Array
    | Uint8Array
    | Uint16Array
    | Uint32Array
    | BigUint64Array;
}

/** Room for one array that training changes: a moving parameter, or a buffer (a running statistic) that graph outputs replace. */
export interface ArrayPlace {
  readonly name: string;
  readonly dims: readonly number[];
  /** Moving parameters have a gradient and optimizer state; buffers have neither. */
  readonly kind: "parameter" | "buffer";
}

/** An array of a store with its numbers, or with the float32 bytes that they are read from, once and piece by piece. */
export interface StoredArray extends ArrayPlace {
  readonly value: Float32Array | ByteSource;
}

/** What an optimizer does to one parameter at one step. Units: `rate` is the learning rate after schedule and multiplier. */
export interface ParameterUpdate {
  readonly name: string;
  readonly rate: number;
  readonly weightDecay: number;
}

export type OptimizerKind =
  | {
      readonly kind: "adamw" | "adam";
      readonly beta1: number;
      readonly beta2: number;
      readonly epsilon: number;
    }
  | {
      readonly kind: "sgd";
      readonly momentum: number;
      readonly dampening: number;
      readonly nesterov: boolean;
    };

export interface UpdateOptions {
  readonly optimizer: OptimizerKind;
  readonly updates: readonly ParameterUpdate[];
  /** Gradients are multiplied by this first (1 / accumulated micro-batches). */
  readonly gradientScale: number;
  /** Global L2 norm above which gradients are scaled down (torch.nn.utils.clip_grad_norm_); undefined: no clipping. */
  readonly clipNorm?: number;
}

/**
 * Moving parameters with their gradients and optimizer state, kept where the runtime computes (WebAssembly memory on the
 * CPU, device buffers on a GPU).
 */
export interface ParameterStore {
  /**
   * One optimizer step over the named parameters; gradients stay until a run replaces them. Each parameter counts its
   * own steps (bias correction), so one that thaws late starts at step 1.
   * Result: the global gradient norm before clipping. When the norm is not finite nothing is changed.
   */
  update(options: UpdateOptions): Promise<{ readonly gradientNorm: number; readonly applied: boolean }>;
  /** The arrays of a parameter; "first" and "second" are optimizer moments (momentum is "first"), zeros before the first step. */
  read(name: string, slot: "value" | "gradient" | "first" | "second"): Promise<Float32Array>;
  write(name: string, slot: "value" | "first" | "second", data: Float32Array): Promise<void>;
  /** Optimizer steps a parameter has made. */
  steps(): Promise<Readonly<Record<string, number>>>;
  setSteps(steps: Readonly<Record<string, number>>): Promise<void>;
  dispose(): Promise<void>;
}

/** A compiled graph. Inputs that have the name of an array in the bound store are taken from there, the rest are fed. */
export interface Executable {
  /**
   * Runs the graph once. Outputs bound at compile time as gradients are added to (`accumulate`) or replace the store's
   * gradients, those bound as buffer updates replace the buffers after the run; neither is returned. All others are.
   */
  run(
    feeds: Readonly<Record<string, HostTensor>>,
    options?: { readonly accumulate?: boolean; readonly outputs?: readonly string[] },
  ): Promise<Record<string, HostTensor>>;
  dispose(): Promise<void>;
}

export interface CompileOptions {
  readonly store?: ParameterStore;
  /** Parameter name to the graph output that holds its gradient. */
  readonly gradients?: ReadonlyMap<string, string>;
  /** Buffer name to the graph output that holds its new value. */
  readonly bufferUpdates?: ReadonlyMap<string, string>;
  /** "training" releases memory early and tolerates varying shapes; "inference" may use every fusion. Default "inference". */
  readonly purpose?: "training" | "inference";
}

/** Where graphs run. One implementation per device; one conformance suite for all (tests/conformance/runtime.ts). */
export interface Runtime {
  readonly device: string;
  /** Versions and the like, for run.json. */
  readonly description: Readonly<Record<string, string>>;
  store(arrays: readonly StoredArray[]): Promise<ParameterStore>;
  compile(graph: Graph, options?: CompileOptions): Promise<Executable>;
  /** Largest resident memory of the process that computes, in bytes. */
  peakMemoryBytes(): Promise<number>;
  dispose(): Promise<void>;
}
