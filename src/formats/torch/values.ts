import type { ByteSource, DataType } from "../../graph/tensor.ts";

/** A value of a pickle, as far as files of weights have any. Lists and tuples are arrays, dictionaries are maps. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly PickleValue[]
  | PickleMap
  | PickleSet
  | KnownGlobal
  | Storage
  | View;

export interface PickleMap extends Map<PickleValue, PickleValue> {}
export interface PickleSet extends Set<PickleValue> {}

/** A name of a Python module that a file of weights may use: what it stands for here. Nothing of Python is ever run. */
export interface KnownGlobal {
  readonly kind: "global";
  readonly name: string;
  /** The value of calling it. @throws formats/torch-damaged for arguments that it never has. */
  readonly call?: (args: readonly PickleValue[], name: string) => PickleValue;
  /** The element type that a storage class or a torch.dtype stands for; "bytes" for a storage without one. */
  readonly dtype?: DataType | "bytes";
}

/** Numbers that one or several tensors look into. */
export interface Storage {
  readonly kind: "storage";
  readonly dtype: DataType | "bytes";
  readonly sizeBytes: number;
  /** `length` bytes from `offset`, both in bytes and inside the storage. */
  range(offset: number, length: number): ByteSource;
}

/** A tensor as PyTorch has it: a way to walk through a storage. `offset`, `strides`: in elements. */
export interface View {
  readonly kind: "view";
  readonly storage: Storage;
  readonly dtype: DataType;
  readonly offset: number;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
}

export const isView = (value: PickleValue | undefined): value is View =>
  typeof value === "object" && value !== null && "kind" in value && value.kind === "view";

export const isStorage = (value: PickleValue | undefined): value is Storage =>
  typeof value === "object" && value !== null && "kind" in value && value.kind === "storage";

export const isGlobal = (value: PickleValue | undefined): value is KnownGlobal =>
  typeof value === "object" && value !== null && "kind" in value && value.kind === "global";

/** A whole number of 0 or more. */
export const isCount = (value: PickleValue | undefined): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;
