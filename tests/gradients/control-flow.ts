import { scan } from "../../src/graph/builder/scan.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import { type GradCase, grad } from "./grad-case.ts";

/** A body in the graph of a builder; `make` gives its outputs. */
function body(
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

const scans: { readonly [title: string]: GradCase } = {
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

type Turn = (b: GraphBuilder, turn: Value, states: readonly Value[]) => readonly Value[];

/** A Loop of so many turns, or one that ends when `goes`, made of the values after a turn, is false. */
function looped(
  g: GraphBuilder,
  limit: Value | undefined,
  states: readonly Value[],
  turn: Turn,
  { outputs, goes }: { outputs: number; goes?: (b: GraphBuilder, made: readonly Value[]) => Value },
): readonly Value[] {
  const graph = new Graph("turn", undefined, g.graph);
  const number = graph.addInput(graph.freshName("turn"), "int64", []);
  const condition = graph.addInput(graph.freshName("goes"), "bool", []);
  const before = states.map((state) => graph.addInput(graph.freshName("state"), state.dtype, state.shape));
  const b = new GraphBuilder(graph);
  const made = turn(b, number, before);
  graph.addOutput(goes ? goes(b, made) : b.op("Identity", [condition]));
  for (const value of made) graph.addOutput(value);
  const names = Array.from({ length: states.length + outputs }, (_, i) => g.graph.freshName(`loop${i}`));
  const on = g.constant([1], "bool", []);
  return g.node("Loop", [limit, on, ...states], { body: graph }, names).outputs as Value[];
}

const turns = (g: GraphBuilder, count: number) => g.constant([count], "int64", []);

const loops: { readonly [title: string]: GradCase } = {
  "Loop, a state and rows": grad("3, 3", (g, s, w) =>
    looped(
      g,
      turns(g, 4),
      [s],
      (b, _, [state]) => {
        const next = b.op("Tanh", [b.mul(state!, w)]);
        return [next, b.square(next)];
      },
      { outputs: 1 },
    ),
  ),
  "Loop that counts its turns": grad("3", (g, s) =>
    looped(g, turns(g, 3), [s], (b, turn, [state]) => [b.mul(state!, b.cast(turn, state!))], { outputs: 0 }),
  ),
  "Loop that reads a row of an array a turn": grad("2, 3x2", (g, s, rows) =>
    looped(
      g,
      turns(g, 3),
      [s],
      (b, turn, [state]) => [b.op("Sin", [b.mul(state!, b.op("Gather", [rows, turn]))])],
      { outputs: 0 },
    ),
  ),
  "Loop whose steps read nothing": grad("3", (g, s) =>
    looped(g, turns(g, 3), [s], (b, _, [state]) => [b.mul(state!, 1.5)], { outputs: 0 }),
  ),
  "Loop until a condition fails": {
    ...grad("2, scalar", (g, s, w) =>
      looped(g, undefined, [s], (b, _, [state]) => [b.add(b.mul(state!, w), 0.5)], {
        outputs: 0,
        goes: (b, [state]) => b.less(b.op("ReduceMax", [state!], { keepdims: 0 }), 9),
      }),
    ),
    at: [[1.25, 0.5], [1.5]],
  },
  "Loop that makes no turn": {
    ...grad("2, 2, 3x2", (g, s, w, rows) => {
      const no = g.cast(g.op("ReduceMax", [g.mul(w, 0)], { keepdims: 0 }), "int64");
      return looped(
        g,
        no,
        [s],
        (b, turn, [state]) => {
          const next = b.add(b.mul(state!, w), b.op("Gather", [rows, turn]));
          return [next, b.square(next)];
        },
        { outputs: 1 },
      );
    }),
  },
  "Loop, sizes unknown": {
    ...grad("2x3, 3x3", (g, s, w) =>
      looped(
        g,
        turns(g, 3),
        [s],
        (b, _, [state]) => {
          const next = b.op("Tanh", [b.matmul(state!, w)]);
          return [next, next].map((value, i) => (i === 0 ? value : b.op("Exp", [value])));
        },
        { outputs: 1 },
      ),
    ),
    symbolic: true,
  },
};

/** An If whose condition is that the sum of a value is above 0. */
function chosen(
  g: GraphBuilder,
  by: Value,
  then: (b: GraphBuilder) => readonly Value[],
  otherwise: (b: GraphBuilder) => readonly Value[],
): readonly Value[] {
  const condition = g.greater(g.op("ReduceSum", [by], { keepdims: 0 }), 0);
  const [then_branch, else_branch] = [then, otherwise].map((make) => body(g, [], make));
  const name = g.graph.freshName("chosen");
  const outputs = then_branch!.outputs.map((_, i) => `${name}_${i}`);
  return g.node("If", [condition], { then_branch, else_branch }, outputs).outputs as Value[];
}

const branches = Object.fromEntries(
  [1, -1].flatMap((sign): [string, GradCase][] => {
    const which = sign > 0 ? "then" : "else";
    const condition = [Math.min(sign, 2 * sign), Math.max(sign, 2 * sign)] as const;
    const around = [[-2, 2], [-2, 2], condition] as const;
    return [
      [
        `If, ${which}: each branch reads something else`,
        {
          ...grad("2x3, 3x3, 2", (g, x, w, by) =>
            chosen(
              g,
              by,
              (b) => [b.op("Tanh", [b.matmul(x, w)]), b.mul(x, 2)],
              (b) => [b.square(x), b.op("Sin", [x])],
            ),
          ),
          within: around,
          of: sign > 0 ? [0, 1] : [0],
        },
      ],
      [
        `If, ${which}, in a Scan`,
        grad("2, 3x2, 2", (g, s, x, w) => {
          const { states, outputs } = scan(g, [s], [x], (b, [state], [row]) => {
            const [next] = chosen(
              b,
              b.mul(row!, sign),
              (c) => [c.op("Tanh", [c.mul(c.mul(state!, w), row!)])],
              (c) => [c.add(state!, c.mul(w, 0.5))],
            );
            return { states: [next!], outputs: [b.square(next!)] };
          });
          return [...states, ...outputs];
        }),
      ],
      [
        `If, ${which}: a Scan in a branch, a layer in the other`,
        {
          ...grad("4x1x2, 1x2x2, 2, 1x2x2", (g, x, w, by, r) =>
            chosen(
              g,
              by,
              (b) => {
                const start = b.mul(b.squeeze(b.slice(r, [1], [0], [1]), [0]), 0.5);
                const { outputs } = scan(b, [start], [x], (c, [state], [row]) => {
                  const next = c.op("Tanh", [c.matmul(c.add(row!, state!), c.squeeze(w, [0]))]);
                  return { states: [next], outputs: [next] };
                });
                return [b.unsqueeze(outputs[0]!, [1])];
              },
              (b) => [b.node("RNN", [x, w, r], { hidden_size: 2 }, ["all"]).outputs[0]!],
            ),
          ),
          within: [[-2, 2], [-1, 1], condition, [-1, 1]],
          of: [0, 1, 3],
        },
      ],
      [
        `If, ${which}: of two outputs one is read`,
        {
          ...grad("3, 3, 2", (g, x, y, by) => {
            const [first] = chosen(
              g,
              by,
              (b) => [b.op("Exp", [x]), b.mul(y, 2)],
              (b) => [b.mul(x, y), b.op("Sin", [y])],
            );
            return first!;
          }),
          within: around,
          of: [0],
        },
      ],
    ];
  }),
);

export const controlFlow: { readonly [title: string]: GradCase } = { ...scans, ...loops, ...branches };
