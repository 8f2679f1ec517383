import type { Graph } from "../graph/ir.ts";
import type { NdArray } from "../graph/kernels/interpret.ts";
import type { Executable, HostTensor, Runtime } from "../runtime/runtime.ts";

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

export function toHost({ dtype, dims, data }: NdArray): HostTensor {
  if (dtype === "int64") return { dtype, dims, data: BigInt64Array.from(data, (value) => BigInt(value)) };
  if (dtype === "int32") return { dtype, dims, data: Int32Array.from(data) };
  if (dtype === "bool" || dtype === "uint8") return { dtype, dims, data: Uint8Array.from(data) };
  if (dtype === "float64") return { dtype, dims, data };
  return { dtype: "float32", dims, data: Float32Array.from(data) };
}

const fromHost = ({ dtype, dims, data }: HostTensor): NdArray => ({
  dtype,
  dims,
  data: Float64Array.from(data as ArrayLike<number>, Number),
});
