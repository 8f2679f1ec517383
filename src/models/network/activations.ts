import { z } from "zod";
import type { GraphBuilder } from "../../graph/builder.ts";
import type { Value } from "../../graph/ir.ts";

const tanhGelu = (g: GraphBuilder, x: Value): Value => g.op("Gelu", [x], { approximate: "tanh" });
const swish = (g: GraphBuilder, x: Value): Value => g.op("com.microsoft.QuickGelu", [x], { alpha: 1 });

/** Activations by transformers' names for them (ACT2FN). */
const activations = {
  gelu: (g, x) => g.op("Gelu", [x]),
  gelu_new: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
  gelu_fast: tanhGelu,
  quick_gelu: (g, x) => g.op("com.microsoft.QuickGelu", [x], { alpha: 1.702 }),
  relu: (g, x) => g.op("Relu", [x]),
  relu6: (g, x) => g.op("Clip", [x, g.scalar(0, x), g.scalar(6, x)]),
  silu: swish,
  swish,
  tanh: (g, x) => g.op("Tanh", [x]),
  sigmoid: (g, x) => g.op("Sigmoid", [x]),
  linear: (_, x) => x,
} as const satisfies Readonly<Record<string, (g: GraphBuilder, x: Value) => Value>>;

export type ActivationName = keyof typeof activations;

/** A field of a config that names an activation. */
export const activationName = z.enum(Object.keys(activations) as [ActivationName, ...ActivationName[]]);

export const activate = (g: GraphBuilder, name: ActivationName, x: Value): Value => activations[name](g, x);
