import type { DiapasonError } from "../base/errors.ts";
import type { RowGradient } from "./row-gradients.ts";
import type { ArrayPlace, HostTensor, UpdateOptions } from "./runtime.ts";

/** How the worker is started. `shared`: whether sessions take memory that threads share. */
export interface WorkerOptions {
  readonly device: "cpu" | "webgpu" | "cuda";
  readonly threads: number | undefined;
  readonly shared: boolean;
}

/** What the main thread asks of the worker, and what it answers. */
export interface Requests {
  open: { request: Record<string, never>; reply: undefined };
  /** Whether the device runs each of these models without the CPU's help. */
  takes: { request: { readonly models: readonly Uint8Array[] }; reply: boolean[] };
  /** Room for the arrays; their values are written after it. */
  store: { request: { readonly arrays: readonly ArrayPlace[] }; reply: number };
  compile: { request: CompileRequest; reply: number };
  run: { request: RunRequest; reply: Record<string, HostTensor> };
  update: {
    request: { readonly store: number; readonly options: UpdateOptions };
    reply: { gradientNorm: number; applied: boolean };
  };
  read: {
    request: {
      readonly store: number;
      readonly name: string;
      readonly slot: "value" | "gradient" | "first" | "second";
    };
    reply: Float32Array;
  };
  write: {
    request: {
      readonly store: number;
      readonly name: string;
      readonly slot: "value" | "first" | "second";
      readonly data: Float32Array;
      /** Element of the array where the data begin; those of an array come in order. */
      readonly from: number;
    };
    /** The data's memory again, for the next ones. */
    reply: Float32Array;
  };
  steps: { request: { readonly store: number }; reply: Record<string, number> };
  setSteps: {
    request: { readonly store: number; readonly steps: Readonly<Record<string, number>> };
    reply: undefined;
  };
  disposeStore: { request: { readonly store: number }; reply: undefined };
  disposeExecutable: { request: { readonly executable: number }; reply: undefined };
}
export type RequestKind = keyof Requests;

export interface CompileRequest {
  /** An ONNX file's bytes, or its path. */
  readonly model: Uint8Array | string;
  /** Weights that are neither in the bytes nor in a file beside the path, by the location the model names. */
  readonly weights: readonly { readonly path: string; readonly data: Uint8Array }[];
  readonly store: number | undefined;
  /** Graph outputs by the array whose gradient or new value they hold. */
  readonly gradients: readonly (readonly [name: string, output: string])[];
  /** Added to the gradients in the host's memory. */
  readonly rowGradients: readonly RowGradient[];
  readonly bufferUpdates: readonly (readonly [name: string, output: string])[];
  readonly isTraining: boolean;
}

export interface RunRequest {
  readonly executable: number;
  readonly feeds: Readonly<Record<string, HostTensor>>;
  readonly accumulate: boolean;
  /** Outputs to return. */
  readonly outputs: readonly string[];
}

export interface RequestMessage<K extends RequestKind = RequestKind> {
  readonly id: number;
  readonly kind: K;
  readonly body: Requests[K]["request"];
}

export interface ReplyMessage {
  readonly id: number;
  readonly reply?: unknown;
  readonly error?: Pick<DiapasonError, "code" | "message" | "fix">;
}
