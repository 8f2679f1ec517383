import { bitsOf, type DataType } from "../../graph/tensor.ts";
import { damaged, refused } from "./mistakes.ts";
import {
  isCount,
  isGlobal,
  isStorage,
  isView,
  type KnownGlobal,
  type PickleValue,
  type View,
} from "./values.ts";

/** Storage classes of torch, by the type of their elements. */
const storages: { readonly [name: string]: DataType } = {
  DoubleStorage: "float64",
  FloatStorage: "float32",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
  ComplexFloatStorage: "complex64",
  ComplexDoubleStorage: "complex128",
};

/** torch.dtype by its names. */
const dtypes: { readonly [name: string]: DataType } = {
  float64: "float64",
  double: "float64",
  float32: "float32",
  float: "float32",
  float16: "float16",
  half: "float16",
  bfloat16: "bfloat16",
  float8_e4m3fn: "float8e4m3fn",
  float8_e4m3fnuz: "float8e4m3fnuz",
  float8_e5m2: "float8e5m2",
  float8_e5m2fnuz: "float8e5m2fnuz",
  float8_e8m0fnu: "float8e8m0",
  int64: "int64",
  long: "int64",
  int32: "int32",
  int: "int32",
  int16: "int16",
  short: "int16",
  int8: "int8",
  uint64: "uint64",
  uint32: "uint32",
  uint16: "uint16",
  uint8: "uint8",
  bool: "bool",
  complex64: "complex64",
  complex128: "complex128",
};

type Call = NonNullable<KnownGlobal["call"]>;

/** _rebuild_tensor(storage, offset, size, stride), and _v2, which has more that does not concern the numbers. */
const rebuildTensor: Call = ([storage, offset, size, stride, _grad, _hooks, metadata], name) => {
  if (!isStorage(storage)) throw damaged(`${name} is given no storage`);
  if (storage.dtype === "bytes") throw damaged(`${name} is given a storage without a type`);
  if (metadata instanceof Map && metadata.size > 0)
    throw refused(`a tensor that is ${[...metadata.keys()].map(String).join(", ")} of what is stored`);
  return viewOf(storage, storage.dtype, offset, size, stride, name);
};

/** _rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, metadata): over plain bytes. */
const rebuildTyped: Call = ([storage, offset, size, stride, _grad, _hooks, dtype], name) => {
  if (!isStorage(storage)) throw damaged(`${name} is given no storage`);
  if (!isGlobal(dtype) || !dtype.dtype || dtype.dtype === "bytes") throw damaged(`${name} is given no dtype`);
  return viewOf(storage, dtype.dtype, offset, size, stride, name);
};

/** _rebuild_parameter(tensor, requires_grad, hooks), with or without a state that follows. */
const rebuildParameter: Call = ([tensor], name) => {
  if (!isView(tensor)) throw damaged(`${name} is given no tensor`);
  return tensor;
};

const items: Call = (args, name) => {
  const [list = []] = args;
  if (args.length > 1 || !Array.isArray(list)) throw damaged(`${name} is given no list`);
  return list;
};

const orderedDict: Call = (args, name) => {
  const pairs = items(args, name) as readonly PickleValue[];
  return new Map(
    pairs.map((pair) => {
      if (!Array.isArray(pair) || pair.length !== 2) throw damaged(`${name} is given no pairs`);
      return pair as [PickleValue, PickleValue];
    }),
  );
};

/** Bytes, as protocol 2 spells them: a text of one letter a byte. */
const encode: Call = ([text, encoding], name) => {
  if (typeof text !== "string" || encoding !== "latin1") throw damaged(`${name} is given no text in latin1`);
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
};

const calls: { readonly [name: string]: Call } = {
  "collections.OrderedDict": orderedDict,
  "torch._utils._rebuild_tensor": rebuildTensor,
  "torch._utils._rebuild_tensor_v2": rebuildTensor,
  "torch._utils._rebuild_tensor_v3": rebuildTyped,
  "torch._utils._rebuild_parameter": rebuildParameter,
  "torch._utils._rebuild_parameter_with_state": rebuildParameter,
  "torch.Size": items,
  // A device or a memory layout is of no consequence here: it is kept as what names it.
  "torch.device": ([name = null]) => name,
  "torch.serialization._get_layout": ([name = null]) => name,
  "_codecs.encode": encode,
  "builtins.set": (args, name) => new Set(items(args, name) as readonly PickleValue[]),
  "__builtin__.set": (args, name) => new Set(items(args, name) as readonly PickleValue[]),
};

const known: ReadonlyMap<string, KnownGlobal> = new Map(
  [
    ...Object.entries(calls).map(([name, call]) => ({ name, call })),
    ...Object.entries(storages).map(([name, dtype]) => ({ name: `torch.${name}`, dtype })),
    ...Object.entries(dtypes).map(([name, dtype]) => ({ name: `torch.${name}`, dtype })),
    { name: "torch.storage.UntypedStorage", dtype: "bytes" as const },
  ].map((row) => [row.name, { kind: "global", ...row }]),
);

/** What a file of weights may name, or undefined. */
export const knownGlobal = (name: string): KnownGlobal | undefined => known.get(name);

/** @throws formats/torch-damaged unless every element lies in the storage. */
function viewOf(
  storage: View["storage"],
  dtype: DataType,
  offset: PickleValue | undefined,
  dims: PickleValue | undefined,
  strides: PickleValue | undefined,
  name: string,
): View {
  if (!isCount(offset) || !areCounts(dims) || !areCounts(strides) || dims.length !== strides.length)
    throw damaged(`${name} is given an offset, sizes and strides that are none`);
  const isEmpty = dims.includes(0);
  const last = dims.reduce((at, size, axis) => at + (size - 1) * strides[axis]!, offset);
  const sizeBytes = bitsOf[dtype] / 8;
  if (!isEmpty && (last + 1) * sizeBytes > storage.sizeBytes)
    throw damaged(
      `a tensor [${dims.join(", ")}] of ${dtype} reaches to byte ${(last + 1) * sizeBytes} of a storage of ${storage.sizeBytes}`,
    );
  return { kind: "view", storage, dtype, offset, dims, strides };
}

const areCounts = (value: PickleValue | undefined): value is readonly number[] =>
  Array.isArray(value) && value.every(isCount);
