import { z } from "zod";
import type { GraphBuilder } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";

const tanhGelu = (g: GraphBuilder, x: Value): Value => g.op("Gelu", [x], { approximate: "tanh" });
const gelu = (g: GraphBuilder, x: Value): Value => g.op("Gelu", [x]);
const swish = (g: GraphBuilder, x: Value): Value => g.op("com.microsoft.QuickGelu", [x], { alpha: 1 });
const clipped = (g: GraphBuilder, x: Value, from: number, to: number): Value =>
  g.op("Clip", [x, g.scalar(from, x), g.scalar(to, x)]);

/** Activations by transformers' names for them (ACT2FN). */
const activations = {
  gelu,
  gelu_python: gelu,
  gelu_new: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
  gelu_python_tanh: tanhGelu,
  gelu_fast: tanhGelu,
  gelu_accurate: tanhGelu,
  gelu_10: (g, x) => clipped(g, gelu(g, x), -10, 10),
  quick_gelu: (g, x) => g.op("com.microsoft.QuickGelu", [x], { alpha: 1.702 }),
  relu: (g, x) => g.op("Relu", [x]),
  relu2: (g, x) => g.square(g.op("Relu", [x])),
  relu6: (g, x) => clipped(g, x, 0, 6),
  leaky_relu: (g, x) => g.op("LeakyRelu", [x], { alpha: 0.01 }),
  silu: swish,
  swish,
  mish: (g, x) => g.op("Mish", [x]),
  hardswish: (g, x) => g.op("HardSwish", [x]),
  tanh: (g, x) => g.op("Tanh", [x]),
  sigmoid: (g, x) => g.op("Sigmoid", [x]),
  linear: (_, x) => x,
} as const satisfies Readonly<Record<string, (g: GraphBuilder, x: Value) => Value>>;

export type ActivationName = keyof typeof activations;

/** A field of a config that names an activation. */
export const activationName = z.enum(Object.keys(activations) as [ActivationName, ...ActivationName[]]);

export const activate = (g: GraphBuilder, name: ActivationName, x: Value): Value => activations[name](g, x);
