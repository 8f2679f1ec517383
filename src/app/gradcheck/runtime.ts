import { DiapasonError } from "../../base/errors.ts";
import { fromFloat16, toFloat16 } from "../../base/half.ts";
import type { Graph } from "../../graph/ir.ts";
import type { NdArray } from "../../graph/kernels/interpret.ts";
import type { DataType } from "../../graph/tensor.ts";
import type { Executable, HostTensor, Runtime } from "../../runtime/runtime.ts";

/** Computes graphs on a runtime for a gradient check; each graph is compiled once. */
export function runtimeEvaluator(runtime: Runtime) {
  const compiled = new Map<Graph, Promise<Executable>>();
  const compile = (graph: Graph): Promise<Executable> => {
    const executable = compiled.get(graph) ?? runtime.compile(graph, { purpose: "training" });
    compiled.set(graph, executable);
    return executable;
  };
  return {
    async evaluate(graph: Graph, feeds: ReadonlyMap<string, NdArray>): Promise<ReadonlyMap<string, NdArray>> {
      const read = graph.inputs.filter((input) => feeds.has(input.name));
      const given = Object.fromEntries(read.map(({ name }) => [name, toHost(feeds.get(name)!)]));
      const outputs = await (await compile(graph)).run(given);
      return new Map(Object.entries(outputs).map(([name, tensor]) => [name, fromHost(tensor)]));
    },
    async dispose(): Promise<void> {
      for (const executable of compiled.values()) await (await executable).dispose();
    },
  };
}

/** Numbers as a runtime takes them of a type; float16 as bit patterns. */
const arrays: { readonly [D in DataType]?: (numbers: Float64Array) => HostTensor["data"] } = {
  float32: (numbers) => Float32Array.from(numbers),
  float64: (numbers) => numbers,
  float16: (numbers) => Uint16Array.from(numbers, toFloat16),
  int64: (numbers) => BigInt64Array.from(numbers, (value) => BigInt(value)),
  int32: (numbers) => Int32Array.from(numbers),
  int16: (numbers) => Int16Array.from(numbers),
  int8: (numbers) => Int8Array.from(numbers),
  uint64: (numbers) => BigUint64Array.from(numbers, (value) => BigInt(value)),
  uint32: (numbers) => Uint32Array.from(numbers),
  uint16: (numbers) => Uint16Array.from(numbers),
  uint8: (numbers) => Uint8Array.from(numbers),
  bool: (numbers) => Uint8Array.from(numbers),
};

/** @throws app/nothing-to-check for a type for which a runtime takes no arrays. */
export function toHost({ dtype, dims, data }: NdArray): HostTensor {
  const make = arrays[dtype];
  if (make) return { dtype, dims, data: make(data) };
  throw new DiapasonError(
    "app/nothing-to-check",
    `An input is ${dtype} [${dims.join(", ")}], for which no example can be made up.`,
    "Cut the part that reads it off the graph, and check the rest.",
  );
}

function fromHost({ dtype, dims, data }: HostTensor): NdArray {
  const toNumber = dtype === "float16" ? (value: number | bigint) => fromFloat16(Number(value)) : Number;
  return { dtype, dims, data: Float64Array.from(data as ArrayLike<number>, toNumber) };
}
