import { expect, test } from "vitest";
import { DiapasonError } from "../../src/base/errors.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { expandNode } from "../../src/graph/expansions/expand.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import { gaps } from "./attention-rows.ts";

const own = "com.microsoft.Attention";
const multi = "com.microsoft.MultiHeadAttention";
const group = "com.microsoft.GroupQueryAttention";
const i32 = (g: GraphBuilder, values: readonly number[], dims?: readonly number[]) =>
  g.constant(values, "int32", dims);
const weights = (g: GraphBuilder) => g.constant(new Array<number>(96).fill(0.1), "float32", [4, 24]);
const shared = { num_heads: 4, kv_num_heads: 2 };
const grouped = (
  g: GraphBuilder,
  qkv: Value,
  attributes: object,
  more: readonly Value[] = [],
  outputs = ["y"],
) => {
  const inputs = [qkv, ...gaps(4), i32(g, [2, 2]), i32(g, [3], []), ...gaps(7), ...more];
  return g
    .node(group, inputs, { ...shared, ...attributes }, outputs)
    .outputs.filter((output) => output) as Value[];
};

const refused: readonly (readonly [
  title: string,
  shape: string,
  build: (g: GraphBuilder, x: Value) => Value | readonly Value[],
  why: RegExp,
])[] = [
  [
    "fused weights that rotate",
    "2x3x4",
    (g, x) => g.op(own, [x, weights(g)], { num_heads: 2, do_rotary: 1 }),
    /it rotates/,
  ],
  [
    "a shared buffer of what came before",
    "2x3x4",
    (g, x) => g.op(own, [x, weights(g)], { num_heads: 2, past_present_share_buffer: 1 }),
    /buffer of another length/,
  ],
  [
    "a mask of four axes",
    "2x3x4",
    (g, x) => {
      const mask = i32(g, new Array<number>(18).fill(1), [2, 1, 3, 3]);
      return g.op(own, [x, weights(g), undefined, mask], { num_heads: 2 });
    },
    /mask has four axes/,
  ],
  [
    "a mask of lengths of packed examples",
    "2x3x4",
    (g, x) => g.op(own, [x, weights(g), undefined, i32(g, [2, 3, 0, 2, 5, 0, 3, 6])], { num_heads: 2 }),
    /8 numbers for 2 examples/,
  ],
  [
    "causal attention across lengths",
    "2x3x8",
    (g, x) => {
      const keys = g.concat([x, x], 1);
      return g.op(multi, [x, keys, keys], { num_heads: 2, unidirectional: 1 });
    },
    /causal between sequences of different lengths/,
  ],
  [
    "a quantised cache",
    "2x3x64",
    (g, x) => grouped(g, x, { k_quant_type: "PER_TENSOR" }),
    /its cache is quantised/,
  ],
  [
    "a cache that is a window",
    "2x3x64",
    (g, x) => grouped(g, x, { sliding_window_cache: 1 }),
    /cache is a window/,
  ],
  [
    "a buffer for tokens to come",
    "2x3x64",
    (g, x) => {
      const past = g.constant(new Array<number>(320).fill(0.1), "float32", [2, 2, 10, 8]);
      const inputs = [x, undefined, undefined, past, past, i32(g, [4, 4]), i32(g, [5], [])];
      return g.op(group, inputs, shared);
    },
    /buffer of another length/,
  ],
  [
    "normalised heads",
    "2x3x64",
    (g, x) =>
      grouped(g, x, {}, [g.constant(new Array<number>(8).fill(1)), g.constant(new Array<number>(8).fill(1))]),
    /normalises queries and keys/,
  ],
  [
    "scores of shared keys",
    "2x3x64",
    (g, x) => grouped(g, x, { qk_output: 1 }, [], ["y", "", "", "s"]),
    /its scores are read/,
  ],
  [
    "statistics that no kernel writes",
    "2x3x4",
    (g, x) => {
      const ones = g.constant([1, 1, 1, 1]);
      const made = g.node("com.microsoft.SkipLayerNormalization", [x, x, ones], {}, ["y", "mean"]).outputs;
      return made as readonly Value[];
    },
    /its output 1, "mean", is read/,
  ],
  [
    "an unknown activation",
    "2x4",
    (g, x) => g.op("com.microsoft.FusedGemm", [x, weights(g)], { activation: "Snake" }),
    /activation "Snake" is not known/,
  ],
];

test("the shape of an attention that is refused is known all the same", () => {
  const graph = new Graph("case", [["", 21]]);
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", ["batch", "tokens", 64]);
  const y = grouped(g, x, { k_quant_type: "PER_TENSOR" })[0]!;
  expect([y.dtype, y.shape]).toEqual(["float32", ["batch", "tokens", 32]]);
});

test.each(refused)("%s is refused with its reason", (_title, shape, build, why) => {
  const graph = new Graph("case", [["", 21]]);
  const x = graph.addInput("x", "float32", shape.split("x").map(Number));
  build(new GraphBuilder(graph), x);
  const node = graph.nodes.at(-1)!;
  for (const output of node.outputs) if (output) graph.addOutput(output);
  let thrown: unknown;
  try {
    expandNode(graph, node);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(DiapasonError);
  expect((thrown as DiapasonError).code).toBe("graph/no-expansion");
  expect((thrown as DiapasonError).message).toMatch(why);
});
