import { optionalInt, type Schema, unary } from "./schema.ts";

const running = { inputs: ["x", "axis"], outputs: ["y"], attributes: { exclusive: 0, reverse: 0 } } as const;

/** Operators that choose, order and accumulate elements along an axis. */
export const indexing = {
  Compress: { inputs: ["input", "condition"], outputs: ["output"], attributes: { axis: optionalInt } },
  CumProd: running,
  CumSum: running,
  Hardmax: { ...unary, attributes: { axis: -1 } },
  NonMaxSuppression: {
    inputs: ["boxes", "scores", "max_output_boxes_per_class?", "iou_threshold?", "score_threshold?"],
    outputs: ["selected_indices"],
    attributes: { center_point_box: 0 },
  },
  ReverseSequence: {
    inputs: ["input", "sequence_lens"],
    outputs: ["Y"],
    attributes: { batch_axis: 1, time_axis: 0 },
  },
  TensorScatter: {
    inputs: ["past_cache", "update", "write_indices?"],
    outputs: ["present_cache"],
    attributes: { axis: -2, mode: "linear" },
  },
  TopK: {
    inputs: ["X", "K"],
    outputs: ["Values", "Indices"],
    attributes: { axis: -1, largest: 1, sorted: 1 },
  },
  Unique: {
    inputs: ["X"],
    outputs: ["Y", "indices?", "inverse_indices?", "counts?"],
    attributes: { axis: optionalInt, sorted: 1 },
  },
} as const satisfies { readonly [op: string]: Schema };
