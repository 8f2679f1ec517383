import { range, rankOf } from "../../graph/builder.ts";
import type { Backward, GradRules } from "../rule.ts";
import { swishSlope } from "./elementwise.ts";
import { throughInverse } from "./normalization.ts";

/** x / √(mean(x²) + ε), from the deviation's inverse that the operator gives. */
function simplyStandardized(b: Backward<"SimplifiedLayerNormalization">) {
  const { g, x } = b;
  const inverse = g.cast(b.output(1), x[0]);
  return { standardized: g.mul(x[0], inverse), inverse };
}

/** dx = inverse ⊙ (d − x̂ ⊙ mean(d ⊙ x̂)), with d = dy ⊙ scale; and through the inverse where that is read. */
function throughSimplyStandardized(b: Backward<"SimplifiedLayerNormalization">) {
  const { g, dy, x, attrs, dys } = b;
  const { standardized, inverse } = simplyStandardized(b);
  const axes = range(attrs.axis, rankOf(x[0]));
  const d = g.mul(dy, x[1]);
  const along = g.mean(g.mul(d, standardized), axes, true);
  const direct = g.mul(g.sub(d, g.mul(standardized, along)), inverse);
  return dys[1] ? g.add(direct, throughInverse(g, dys[1], standardized, inverse, axes)) : direct;
}

export const fused = {
  // a rule beside the expansion: the operator itself runs in one pass and gives what its gradient needs
  SimplifiedLayerNormalization: {
    inputs: [throughSimplyStandardized, (b) => b.g.mul(b.dy, simplyStandardized(b).standardized)],
    outputs: "all",
  },
  "ai.onnx.ml.ArrayFeatureExtractor": "expansion",
  "ai.onnx.ml.Binarizer": [null],
  "ai.onnx.ml.Normalizer": "expansion",
  "ai.onnx.ml.Scaler": "expansion",
  "com.microsoft.SkipLayerNormalization": "expansion",
  "com.microsoft.SkipSimplifiedLayerNormalization": "expansion",
  "com.microsoft.EmbedLayerNormalization": "expansion",
  "com.microsoft.BiasGelu": "expansion",
  "com.microsoft.FastGelu": "expansion",
  "com.microsoft.QuickGelu": [({ g, dy, x: [x], attrs: { alpha } }) => g.mul(dy, swishSlope(g, x, alpha))],
  "com.microsoft.BiasSplitGelu": "expansion",
  "com.microsoft.BiasAdd": "expansion",
  "com.microsoft.BiasSoftmax": "expansion",
  "com.microsoft.FusedGemm": "expansion",
  "com.microsoft.FusedConv": "expansion",
  "com.microsoft.MoE": "expansion",
  "com.microsoft.NhwcConv": "expansion",
  "com.microsoft.GroupNorm": "expansion",
  "com.microsoft.SkipGroupNorm": "expansion",
  "com.microsoft.ExpandDims": "expansion",
  "com.microsoft.GatherND": "expansion",
  "com.microsoft.GemmFastGelu": "expansion",
  "com.microsoft.Pad": "expansion",
  "com.microsoft.TransposeMatMul": "expansion",
  "com.microsoft.Trilu": "expansion",
} satisfies Partial<GradRules>;
