import { scan } from "../../src/graph/builder/scan.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import { body, scans } from "./control-flow-scan.ts";
import { type GradCase, grad } from "./grad-case.ts";

type Turn = (b: GraphBuilder, turn: Value, states: readonly Value[]) => readonly Value[];

/** A Loop of so many turns, or one that ends when `goes`, made of the values after a turn, is false. */
function looped(
  g: GraphBuilder,
  limit: Value | undefined,
  states: readonly Value[],
  turn: Turn,
  {
    outputs,
    goes,
    counter = [],
  }: {
    outputs: number;
    goes?: (b: GraphBuilder, made: readonly Value[]) => Value;
    counter?: readonly number[];
  },
): readonly Value[] {
  const graph = new Graph("turn", undefined, g.graph);
  const number = graph.addInput(graph.freshName("turn"), "int64", counter);
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
  "Loop whose turn is a list of one, at which it cuts": grad("2, 3x2", (g, s, rows) =>
    looped(
      g,
      turns(g, 3),
      [s],
      (b, turn, [state]) => {
        const row = b.op("Slice", [rows, turn, b.add(turn, b.ints([1])), b.ints([0])]);
        return [b.op("Sin", [b.mul(state!, b.op("Squeeze", [row, b.ints([0])]))])];
      },
      { outputs: 0, counter: [1] },
    ),
  ),
  "Loop over bags of unequal length, one of them empty": grad("4x2, 5", (g, table, scales) =>
    looped(
      g,
      turns(g, 3),
      [],
      (b, turn) => {
        const [starts, items] = [g.ints([0, 3, 3, 5]), g.ints([2, 0, 3, 1, 2])];
        const bounds = [turn, b.add(turn, b.constant([1], "int64", []))];
        const [from, to] = bounds.map((at) => b.reshape(b.op("Gather", [starts, at]), [1]));
        const cut = (list: Value) => b.op("Slice", [list, from!, to!, b.ints([0])]);
        const rows = b.op("Tanh", [b.op("Gather", [table, cut(items)])]);
        return [b.sum(b.mul(rows, b.unsqueeze(cut(scales), [1])), [0])];
      },
      { outputs: 1 },
    ),
  ),
  "Loop over matrices of unequal height": grad("6x2, 2x3", (g, x, w) =>
    looped(
      g,
      turns(g, 3),
      [],
      (b, turn) => {
        const from = b.reshape(turn, [1]);
        const to = b.add(b.mul(from, 2), b.ints([1]));
        return [b.sum(b.op("Sin", [b.matmul(b.op("Slice", [x, from, to, b.ints([0])]), w)]), [0])];
      },
      { outputs: 1 },
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
        `If, ${which}: branches give other sizes, and other ranks`,
        {
          ...grad("2x3, 2x3, 2", (g, x, y, by) => {
            const [wide, flat] = chosen(
              g,
              by,
              (b) => [b.op("Tanh", [x]), b.op("Sin", [b.sum(x, [0])])],
              (b) => [b.concat([b.square(y), y], 0), b.op("Identity", [x])],
            );
            return [g.square(wide!), g.op("Exp", [flat!])];
          }),
          within: around,
          of: sign > 0 ? [0] : [0, 1],
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
