import { ints, type Schema, unary } from "./schema.ts";

/** Operators of ai.onnx.ml through which numbers pass on their way to or from weights. */
export const classical = {
  "ai.onnx.ml.ArrayFeatureExtractor": { inputs: ["X", "Y"], outputs: ["Z"], attributes: {} },
  "ai.onnx.ml.Binarizer": { ...unary, attributes: { threshold: 0 } },
  "ai.onnx.ml.Normalizer": { ...unary, attributes: { norm: "MAX" } },
  "ai.onnx.ml.Scaler": { ...unary, attributes: { offset: ints, scale: ints } },
} as const satisfies { readonly [op: string]: Schema };
