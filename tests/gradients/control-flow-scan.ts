import { scan } from "../../src/graph/builder/scan.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import { type GradCase, grad } from "./grad-case.ts";

/** A body in the graph of a builder; `make` gives its outputs. */
export function body(
  g: GraphBuilder,
  inputs: readonly (readonly [name: string, like: Value])[],
  make: (b: GraphBuilder, ...values: Value[]) => readonly Value[],
): Graph {
  const graph = new Graph("body", undefined, g.graph);
  const values = inputs.map(([name, like]) => graph.addInput(graph.freshName(name), like.dtype, like.shape));
  for (const output of make(new GraphBuilder(graph), ...values)) graph.addOutput(output);
  return graph;
}

/** A Scan as a node, to say axes and directions. */
function scanned(
  g: GraphBuilder,
  inputs: readonly Value[],
  step: Graph,
  attributes: { readonly [key: string]: number | readonly number[] },
  outputs: readonly string[],
): readonly Value[] {
  return g.node("Scan", inputs, { body: step, ...attributes }, outputs).outputs as Value[];
}

/** next = state · tanh(slice); gives next² as a row. */
const products = (g: GraphBuilder, state: Value, slice: Value) =>
  body(
    g,
    [
      ["state", state],
      ["slice", slice],
    ],
    (b, s, x) => {
      const next = b.mul(s, b.op("Tanh", [x]));
      return [next, b.square(next)];
    },
  );

export const scans: { readonly [title: string]: GradCase } = {
  "Scan, a state and rows": grad("3, 4x3", (g, s, x) => {
    const { states, outputs } = scan(g, [s], [x], (b, [state], [row]) => {
      const next = b.mul(state!, b.op("Tanh", [row!]));
      return { states: [next], outputs: [b.square(next)] };
    });
    return [...states, ...outputs];
  }),
  "Scan backwards": grad("3, 4x3", (g, s, x) => {
    const step = products(g, s, g.slice(x, [0], [0], [1]));
    step.inputs[1]!.shape = [3];
    return scanned(g, [s, x], step, { num_scan_inputs: 1, scan_input_directions: [1] }, ["last", "rows"]);
  }),
  "Scan over columns, rows put in front of each other": grad("3, 3x4", (g, s, x) => {
    const step = products(g, s, s);
    const attributes = {
      num_scan_inputs: 1,
      scan_input_axes: [1],
      scan_output_axes: [-1],
      scan_output_directions: [1],
    };
    return scanned(g, [s, x], step, attributes, ["last", "rows"]);
  }),
  "Scan, the rows alone": grad("3, 4x3", (g, s, x) => {
    const step = products(g, s, s);
    return scanned(g, [s, x], step, { num_scan_inputs: 1 }, ["last", "rows"])[1]!;
  }),
  "Scan, values from around it": grad("2x3, 4x2x3, 3x3, 3, 2x3", (g, s, x, w, bias, outer) => {
    const { states, outputs } = scan(g, [s], [x], (b, [state], [row]) => {
      const product = b.add(b.matmul(b.add(state!, row!), b.transpose(w, [1, 0])), bias);
      const next = b.op("Tanh", [b.add(product, b.mul(outer, outer))]);
      return { states: [next], outputs: [b.matmul(next, w)] };
    });
    return [...states, ...outputs];
  }),
  "Scan, a matrix from the left": grad("3x2, 4x3x2, 3x3", (g, s, x, w) => {
    const { states } = scan(g, [s], [x], (b, [state], [row]) => ({
      states: [b.op("Tanh", [b.add(b.matmul(w, state!), row!)])],
      outputs: [],
    }));
    return states;
  }),
  "Scan, the matrix alone moves": {
    ...grad("2x3, 4x2x3, 3x3", (g, s, x, w) => {
      const { states } = scan(g, [s], [x], (b, [state], [row]) => ({
        states: [b.op("Sigmoid", [b.add(b.matmul(state!, w), row!)])],
        outputs: [],
      }));
      return states;
    }),
    of: [2],
  },
  "Scan, rows of a table chosen by number": {
    ...grad("5x3, 3", (g, table, s) => {
      const numbers = g.ints([4, 0, 4, 2]);
      const { states } = scan(g, [s], [numbers], (b, [state], [number]) => ({
        states: [b.op("Tanh", [b.mul(state!, b.op("Gather", [table, number]))])],
        outputs: [],
      }));
      return states;
    }),
  },
  "Scan, a state that passes through and one that is replaced": grad("3, 3, 4x3", (g, s, t, x) => {
    const step = body(
      g,
      [
        ["kept", s],
        ["replaced", t],
        ["slice", s],
      ],
      (b, kept, replaced, row) => {
        const y = b.mul(b.add(kept, replaced), row);
        return [kept, b.op("Exp", [row]), y];
      },
    );
    return scanned(g, [s, t, x], step, { num_scan_inputs: 1 }, ["a", "b", "c"]);
  }),
  "Scan, sizes unknown": {
    ...grad("2x3, 4x2x3, 3", (g, s, x, w) => {
      const { states, outputs } = scan(g, [s], [x], (b, [state], [row]) => {
        const next = b.op("Tanh", [b.add(b.mul(state!, w), row!)]);
        return { states: [next], outputs: [b.op("ReduceSum", [next], { keepdims: 0 })] };
      });
      return [...states, ...outputs];
    }),
    symbolic: true,
  },
  "Scan in a Scan": grad("2, 3x4x2, 2", (g, s, x, w) => {
    const { states, outputs } = scan(g, [s], [x], (b, [state], [rows]) => {
      const inner = scan(b, [state!], [rows!], (c, [innerState], [row]) => {
        const next = c.op("Tanh", [c.add(c.mul(innerState!, w), c.mul(row!, state!))]);
        return { states: [next], outputs: [c.square(next)] };
      });
      return { states: inner.states, outputs: inner.outputs };
    });
    return [...states, ...outputs];
  }),
  "Scan of which a step holds a layer": grad("2, 3x2x2x3, 1x2x3, 1x2x2", (g, s, x, w, r) => {
    const { outputs } = scan(g, [s], [x], (b, [state], [tokens]) => {
      const [, last] = b.node("RNN", [tokens, w, r], { hidden_size: 2 }, ["all", "end"]).outputs;
      const next = b.add(state!, b.op("ReduceMean", [last!, b.ints([0, 1])], { keepdims: 0 }));
      return { states: [next], outputs: [next] };
    });
    return outputs;
  }),
};
