import { extname } from "node:path";
import { writeFileAtomic } from "../../base/atomic-file.node.ts";
import { DiapasonError } from "../../base/errors.ts";
import { fromFloat16 } from "../../base/half.ts";
import { openBatches } from "../../data/array-batches.node.ts";
import { openArraySet } from "../../data/array-files.node.ts";
import { isFedType, makeArray } from "../../data/array-values.ts";
import { saveNpz } from "../../formats/npz.node.ts";
import { saveSafetensors } from "../../formats/safetensors.node.ts";
import { inMemory, sizeOf, type Tensor } from "../../graph/tensor.ts";
import type { HostTensor, Runtime } from "../../runtime/runtime.ts";
import type { Nested, OutputsOf, PredictSettings, Written } from "../judging.ts";
import { type Note, noteOf, type Progress } from "../progress.ts";
import type { VerbContext } from "../verb.ts";
import { inBatchesOf } from "./one-at-a-time.ts";
import { openForOutputs } from "./open.node.ts";

/** What a graph gives for arrays: an event for each example, or one file with all. */
export async function* predictArrays(
  options: PredictSettings,
  runtime: Runtime,
  { signal }: VerbContext,
): AsyncGenerator<Note | Progress | OutputsOf | Written, void> {
  const write = options.out === undefined ? undefined : writerOf(options.out);
  const [source, ...others] = options.inputs;
  if (others.length > 0)
    throw new DiapasonError(
      "app/bad-option",
      `${options.inputs.length} files are given; the arrays of all examples come in one file or folder.`,
      "Name one .npz, .safetensors or .jsonl file, or a folder of .npy files.",
    );
  const set = await openArraySet(source!);
  const { graph, outputs, columns, notes } = await openForOutputs(
    options.model,
    options,
    set,
    runtime,
    options.file,
  );
  yield* notes.map(noteOf);
  const rows = Uint32Array.from({ length: set.examples }, (_, i) => i);
  const batches = openBatches({ set, rows }, columns);
  const executable = await runtime.compile(graph);
  const gathered = new Map(outputs.map((name) => [name, [] as HostTensor[]]));
  let done = 0;
  try {
    for (const { ids, inputs } of batches.batches({ batchSize: options.batchSize })) {
      signal?.throwIfAborted();
      const result = await inBatchesOf(options.batchSize, () => executable.run(inputs, { outputs }));
      if (write) for (const name of outputs) gathered.get(name)!.push(result[name]!);
      else yield* ids.map((id, i) => outputsOf(id, i, result));
      done += ids.length;
      if (write) yield { type: "progress", what: "predicting", done, total: set.examples };
    }
  } finally {
    await executable.dispose();
  }
  if (!write) return;
  const tensors = new Map([...gathered].map(([name, parts]) => [name, joined(parts)]));
  await write(tensors);
  yield {
    type: "written",
    path: options.out!,
    examples: set.examples,
    outputs: [...tensors].map(([name, { dtype, dims }]) => ({ name, dtype, dims })),
  };
}

type Writer = (tensors: ReadonlyMap<string, Tensor>) => Promise<void>;

/** @throws app/bad-file */
function writerOf(path: string): Writer {
  const writers: { readonly [extension: string]: Writer } = {
    ".npz": (tensors) => saveNpz(path, tensors),
    ".safetensors": (tensors) => saveSafetensors(path, tensors),
    ".jsonl": (tensors) => writeFileAtomic(path, linesOf(tensors)),
  };
  const writer = writers[extname(path).toLowerCase()];
  if (writer) return writer;
  throw new DiapasonError(
    "app/bad-file",
    `"${path}" ends in "${extname(path)}"; outputs are written as ${Object.keys(writers).join(", ")}.`,
    "Name a file that ends in one of these.",
  );
}

/** The outputs of one example as nested lists. */
function outputsOf(id: string, i: number, result: Readonly<Record<string, HostTensor>>): OutputsOf {
  const outputs = Object.entries(result).map(([name, tensor]) => [name, nested(tensor, i)] as const);
  return { type: "outputs", id, outputs: Object.fromEntries(outputs) };
}

/** Row `i` of a tensor as nested lists of numbers. */
function nested({ dtype, dims, data }: HostTensor, i: number): Nested {
  const row = dims.slice(1);
  const numberAt = (at: number) => (dtype === "float16" ? fromFloat16(Number(data[at])) : Number(data[at]));
  const build = (axis: number, start: number): Nested => {
    if (axis === row.length) return numberAt(start);
    const step = sizeOf(row.slice(axis + 1));
    return Array.from({ length: row[axis]! }, (_, k) => build(axis + 1, start + k * step));
  };
  return build(0, i * sizeOf(row));
}

function* linesOf(tensors: ReadonlyMap<string, Tensor>): Generator<Uint8Array> {
  const hosts = [...tensors].map(([name, tensor]) => [name, hostOf(tensor)] as const);
  const count = hosts[0]![1].dims[0]!;
  for (let i = 0; i < count; i++) {
    const row = Object.fromEntries(hosts.map(([name, host]) => [name, nested(host, i)]));
    yield Buffer.from(`${JSON.stringify(row)}\n`);
  }
}

function hostOf({ dtype, dims, data }: Tensor): HostTensor {
  const bytes = new Uint8Array(data.read());
  if (!isFedType(dtype)) return { dtype, dims, data: bytes };
  const array = makeArray(dtype, sizeOf(dims));
  new Uint8Array(array.buffer).set(bytes);
  return { dtype, dims, data: array };
}

/** The batches of an output, one after the other. */
function joined(parts: readonly HostTensor[]): Tensor {
  const { dtype, dims } = parts[0]!;
  const views = parts.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const bytes = new Uint8Array(views.reduce((sum, view) => sum + view.length, 0));
  let at = 0;
  for (const view of views) {
    bytes.set(view, at);
    at += view.length;
  }
  const count = parts.reduce((sum, part) => sum + part.dims[0]!, 0);
  return { dtype, dims: [count, ...dims.slice(1)], data: inMemory(bytes) };
}
