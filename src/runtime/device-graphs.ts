import { GraphBuilder } from "../graph/builder.ts";
import { Graph, type Value } from "../graph/ir.ts";
import { int64 } from "../graph/tensor.ts";

/**
 * What a device does with stored arrays, as graphs: a GPU of ONNX Runtime computes nothing but sessions. Arrays are flat,
 * [n]; numbers that change from step to step come as one array, in the order of `scalars`.
 */
export type DeviceGraphName = "copy" | "add" | "squares" | "adam" | "sgd" | "momentum" | "nesterov";

/** Numbers that a step of each optimizer takes, in their order; what they mean is said in tools/web-assembly/optimizer.ts. */
export const scalars = {
  adam: ["rest1", "beta2", "rest2", "epsilon", "scale", "coupled", "keep", "stepSize"],
  sgd: ["scale", "decay", "rate"],
  momentum: ["scale", "decay", "rate", "kept", "added"],
  nesterov: ["scale", "decay", "rate", "kept", "added", "momentum"],
} as const satisfies { readonly [N in DeviceGraphName]?: readonly string[] };
export type OptimizerGraphName = keyof typeof scalars;
export type Scalars<N extends OptimizerGraphName> = { readonly [S in (typeof scalars)[N][number]]: number };

export const deviceGraph = (name: DeviceGraphName): Graph => makers[name]();

const flat = (graph: Graph, name: string): Value => graph.addInput(name, "float32", ["n"]);

/** Gives a value, under a name, as an output. */
function give(graph: Graph, name: string, value: Value): void {
  graph.rename(value, name);
  graph.addOutput(value);
}

function copy(): Graph {
  const graph = new Graph("copy");
  // of any rank
  const x = graph.addInput("x", "float32");
  give(graph, "y", graph.addNode("Identity", [x]).outputs[0]!);
  return graph;
}

function add(): Graph {
  const graph = new Graph("add");
  const g = new GraphBuilder(graph);
  give(graph, "y", g.add(flat(graph, "a"), flat(graph, "b")));
  return graph;
}

/** sum + Σ x² over x [rows, columns]; two sums, because a GPU shares out rows. */
function squares(): Graph {
  const graph = new Graph("squares");
  const sum = graph.addInput("sum", "float32", [1]);
  const x = graph.addInput("x", "float32", ["rows", "columns"]);
  const last = graph.addInitializer("last", int64([1], [1]));
  const first = graph.addInitializer("first", int64([1], [0]));
  const drop = [["keepdims", { type: "int", value: 0 }]] as const;
  const rows = graph.addNode("ReduceSumSquare", [x, last], { attributes: drop }).outputs[0]!;
  const all = graph.addNode("ReduceSum", [rows, first]).outputs[0]!;
  give(graph, "y", new GraphBuilder(graph).add(sum, all));
  return graph;
}

/** The numbers of a step, each [1]. */
function numbers<N extends OptimizerGraphName>(
  graph: Graph,
  name: N,
): { readonly [S in keyof Scalars<N>]: Value } {
  const names: readonly string[] = scalars[name];
  const all = graph.addInput("scalars", "float32", [names.length]);
  const split = graph.addNode("Split", [all], {
    attributes: [["num_outputs", { type: "int", value: names.length }]],
    outputs: names.map((one) => `${one} of the step`),
  });
  return Object.fromEntries(names.map((one, i) => [one, split.outputs[i]!])) as {
    [S in keyof Scalars<N>]: Value;
  };
}

function adam(): Graph {
  const graph = new Graph("adam");
  const g = new GraphBuilder(graph);
  const [w, dw, m, v] = ["value", "gradient", "first", "second"].map((name) => flat(graph, name)) as [
    Value,
    Value,
    Value,
    Value,
  ];
  const s = numbers(graph, "adam");
  const gradient = g.add(g.mul(dw, s.scale), g.mul(w, s.coupled));
  const first = g.add(m, g.mul(g.sub(gradient, m), s.rest1));
  const second = g.add(g.mul(v, s.beta2), g.mul(g.mul(gradient, gradient), s.rest2));
  const move = g.div(g.mul(first, s.stepSize), g.add(g.op("Sqrt", [second]), s.epsilon));
  give(graph, "new value", g.sub(g.mul(w, s.keep), move));
  give(graph, "new first", first);
  give(graph, "new second", second);
  return graph;
}

function sgd(): Graph {
  const graph = new Graph("sgd");
  const g = new GraphBuilder(graph);
  const [w, dw] = [flat(graph, "value"), flat(graph, "gradient")];
  const s = numbers(graph, "sgd");
  const gradient = g.add(g.mul(dw, s.scale), g.mul(w, s.decay));
  give(graph, "new value", g.sub(w, g.mul(gradient, s.rate)));
  return graph;
}

function withBuffer(name: "momentum" | "nesterov"): Graph {
  const graph = new Graph(name);
  const g = new GraphBuilder(graph);
  const [w, dw, buffer] = [flat(graph, "value"), flat(graph, "gradient"), flat(graph, "first")];
  const s = numbers(graph, name);
  const gradient = g.add(g.mul(dw, s.scale), g.mul(w, s.decay));
  const first = g.add(g.mul(buffer, s.kept), g.mul(gradient, s.added));
  const ahead = "momentum" in s ? g.add(gradient, g.mul(first, s.momentum as Value)) : first;
  give(graph, "new value", g.sub(w, g.mul(ahead, s.rate)));
  give(graph, "new first", first);
  return graph;
}

const makers: { readonly [N in DeviceGraphName]: () => Graph } = {
  copy,
  add,
  squares,
  adam,
  sgd,
  momentum: () => withBuffer("momentum"),
  nesterov: () => withBuffer("nesterov"),
};
