import { expect, test } from "vitest";
import { Graph, type Value } from "../graph/ir.ts";
import type { DataType } from "../graph/tensor.ts";
import { purposeOf } from "./purpose.ts";

type Port = readonly [name: string, dtype: DataType, ...shape: (number | string)[]];

/** What is said of a graph of such inputs and outputs, each output made by an Identity of something. */
function said(
  inputs: readonly Port[],
  outputs: readonly Port[],
  operators: readonly string[] = [],
  weights = 100,
): string {
  const graph = new Graph("ports");
  for (const [name, dtype, ...shape] of inputs) graph.addInput(name, dtype, shape);
  for (const [name, dtype, ...shape] of outputs) {
    const made = graph.addNode("Identity", [graph.inputs[0]], { outputs: [name] }).outputs[0]!;
    graph.addOutput(Object.assign(made, { dtype, shape }));
  }
  return purposeOf(graph, weights, new Set(operators));
}

const ids: Port = ["input_ids", "int64", "batch", "sequence"];
const pixels: Port = ["pixels", "float32", "batch", 3, 64, 64];
const numbers: Port = ["x", "float32", "batch", 4];
const scores: Port = ["scores", "float32", "batch", 3];

test.each<readonly [string, string]>([
  [
    said([ids], [["logits", "float32", "batch", "sequence", 32000]]),
    'a language model, from token ids ("input_ids") to a score of each of 32000 tokens',
  ],
  [
    said([ids], [scores]),
    'a text classifier, from token ids ("input_ids") to 3 classes or numbers in "scores"',
  ],
  [
    said([ids], [["hidden", "float32", "batch", "sequence", 8]]),
    'a text encoder, from token ids ("input_ids")',
  ],
  [
    said([ids, pixels], [scores]),
    'a network over images ("pixels") and texts ("input_ids"), such as one that compares them',
  ],
  [
    said([pixels], [scores]),
    'an image classifier, from "pixels" [batch, 3, 64, 64] to 3 classes or numbers in "scores"',
  ],
  [
    said([pixels], [["map", "float32", "batch", 5, 16, 16]]),
    'a network from images "pixels" [batch, 3, 64, 64] to maps "map", such as a detector\'s or a segmentation\'s',
  ],
  [
    said([pixels], [["boxes", "float32", "batch", 84, 100]]),
    'a network from images "pixels" [batch, 3, 64, 64] to rows of numbers ("boxes"), such as a detector\'s boxes',
  ],
  [
    said([pixels], [["boxes", "float32", "n", 4]], ["NonMaxSuppression"]),
    'a detector with its boxes chosen, on images "pixels" [batch, 3, 64, 64]',
  ],
  [
    said([["waveform", "float32", "batch", "samples"]], [scores]),
    'a network for sound, from "waveform" to "scores"',
  ],
  [said([["x", "float32", "batch", "samples"]], [scores]), 'a network for sound, from "x" to "scores"'],
  [said([numbers], [scores], ["STFT"]), 'a network for sound, from "x" to "scores" (STFT)'],
  [
    said(
      [
        ["input", "float32", "batch", "sequence"],
        ["state", "float32", 2, "batch", 128],
        ["sr", "int64"],
      ],
      [
        ["output", "float32", "batch", 1],
        ["stateN", "float32", 2, "batch", 128],
      ],
    ),
    'a network for sound, from "input" to "output" ("sr" is a sampling rate), with a state that goes on ("state" to "stateN")',
  ],
  [
    said(
      [
        ["obs_0", "float32", "batch", 8],
        ["obs_1", "float32", "batch", 3],
        ["action_masks", "float32", "batch", 5],
        ["recurrent_in", "float32", "batch", 1, 128],
      ],
      [
        ["continuous_actions", "float32", "batch", 2],
        ["discrete_actions", "int64", "batch", 2],
        ["discrete_action_output_shape", "float32", 1, 2],
        ["recurrent_out", "float32", "batch", 1, 128],
      ],
    ),
    'a policy, from observations ("obs_0" and "obs_1") to actions ("continuous_actions" and "discrete_actions"), of which "action_masks" rules some out, with a state that goes on ("recurrent_in" to "recurrent_out")',
  ],
  [
    said([pixels], [scores], ["Conv", "ConstantOfShape"], 0),
    'an image classifier, from "pixels" [batch, 3, 64, 64] to 3 classes or numbers in "scores"; its weights are not in the file: ConstantOfShape makes them',
  ],
  [said([["x", "float32", 1]], [["y", "float32", 1]]), 'a network from numbers "x" [1] to "y" [1]'],
  [
    said([["obs", "float32", "batch", 4]], [["actions", "float32", "batch", 2]]),
    'a policy, from observations ("obs") to actions ("actions")',
  ],
  [said([numbers], [scores], ["LSTM"]), 'a network over sequences (LSTM), from "x" to "scores"'],
  [
    said([["bytes", "int32", "batch", 16]], [scores]),
    'a classifier of sequences of whole numbers ("bytes": tokens, bytes, items), to 3 classes or numbers in "scores"',
  ],
  [said([numbers], [scores]), 'a network from numbers "x" [batch, 4] to "scores" [batch, 3]'],
  ...(["lengths", "position_ids", "attention_mask"] as const).map(
    (name) =>
      [
        said([numbers, [name, "int64", "batch", 6]], [scores]),
        'a network from numbers "x" [batch, 4] to "scores" [batch, 3]',
      ] as const,
  ),
  [
    said([["image", "uint8", "batch", 64, 64, 3]], [scores]),
    'an image classifier, from "image" [batch, 64, 64, 3] to 3 classes or numbers in "scores"',
  ],
  [said([numbers], [scores], [], 0), "a computation without weights, such as preprocessing: nothing to tune"],
  [
    said([numbers], [scores], ["ai.onnx.ml.SVMClassifier"]),
    "a support vector machine (ai.onnx.ml.SVMClassifier), whose numbers lie in attributes and cannot be tuned by gradients",
  ],
  [
    said([numbers], [scores], ["ai.onnx.ml.TreeEnsembleClassifier"], 0),
    "decision trees (ai.onnx.ml.TreeEnsembleClassifier), whose numbers lie in attributes and cannot be tuned by gradients",
  ],
  [
    said([pixels], [scores], ["QLinearConv"], 0),
    'an image classifier, from "pixels" [batch, 3, 64, 64] to 3 classes or numbers in "scores"; its weights are quantised, tune the float32 file it was made of',
  ],
  [
    said([ids], [["last_hidden_state", "float32", "batch", "sequence", 768]]),
    'a text encoder, from token ids ("input_ids")',
  ],
  [
    said(
      [ids, ["past_key_values.0.key", "float32", "batch", 2, "past", 4]],
      [["logits", "float32", "batch", "sequence", 20]],
    ),
    'a language model, from token ids ("input_ids"), given the keys and values of those before to a score of each of 20 tokens',
  ],
  [
    said([ids], [["logits", "float32", "batch", "sequence", 9]]),
    'a network that gives each token 9 scores ("logits"), from token ids ("input_ids")',
  ],
  [
    said([pixels], [["sr", "float32", "batch", 3, 128, 128]]),
    'a network from images "pixels" [batch, 3, 64, 64] to images "sr", such as one that enlarges or restyles them',
  ],
  [
    said([pixels], [["log_probs", "float32", 16, "batch", 37]], ["LSTM"]),
    'a network from images "pixels" [batch, 3, 64, 64] to a sequence (LSTM) in "log_probs", such as a reader\'s of text',
  ],
  [
    said(
      [
        ["x", "float32", "nodes", 4],
        ["edge_index", "int64", 2, "edges"],
      ],
      [["y", "float32", "nodes", 3]],
    ),
    'a network over graphs, of nodes "x" and edges "edge_index"',
  ],
  [
    said(
      [
        ["sample", "float32", "batch", 8, 2],
        ["timestep", "int64", "batch"],
      ],
      [["noise", "float32", "batch", 8, 2]],
    ),
    'a step of a diffusion model, from "sample" at "timestep" to "noise"',
  ],
  [
    said([["past", "float32", "batch", 12]], [["y", "float32", "batch", 4]], ["DFT"]),
    'a forecaster, from "past" to "y"',
  ],
  [
    said(
      [
        ["user", "int64", "batch"],
        ["item", "int64", "batch"],
      ],
      [["score", "float32", "batch"]],
    ),
    'a network from ids ("user" and "item") to "score", such as a recommender',
  ],
  [
    said(
      [
        ["dense", "float32", "batch", 3],
        ["sparse", "int64", "batch", 2],
      ],
      [["click", "float32", "batch", 1]],
      ["Loop"],
    ),
    'a network from ids ("sparse") and numbers ("dense") to "click", such as a recommender',
  ],
  [
    said([numbers], [scores, ["value", "float32", "batch", 1], ["tags", "float32", "batch", 5]]),
    'a network from numbers "x" [batch, 4] to "scores" [batch, 3], and to "value" and "tags"',
  ],
  [
    said(
      [["observation", "float32", "batch", 4]],
      [
        ["24", "int64", "batch"],
        ["value", "float32", "batch", 1],
      ],
    ),
    'a policy, from observations ("observation") to "24" and "value"',
  ],
  [
    said(
      [ids, ["decoder_input_ids", "int64", "batch", "written"]],
      [["logits", "float32", "batch", "written", 64]],
    ),
    'a network from texts to texts, such as a translator: token ids ("input_ids") and those written so far ("decoder_input_ids"), to a score of each of 64 tokens',
  ],
  [
    said([pixels], [["logits", "float32", "batch", 3, 16, 16]]),
    'a network from images "pixels" [batch, 3, 64, 64] to maps "logits", such as a detector\'s or a segmentation\'s',
  ],
  [
    said([["x", "float32", "batch", 8, 8, 3]], [["y", "float32", "batch", 8, 8, 2]]),
    'a network from images "x" [batch, 8, 8, 3] to maps "y", such as a detector\'s or a segmentation\'s',
  ],
  [
    said([["x", "int32", "batch", 7]], [["y", "float32", "batch", 1]]),
    'a network from ids ("x") to "y", such as a reader of tokens or items',
  ],
  [said([["n", "int64"]], [["m", "int64"]]), "a network whose inputs and outputs tell nothing of its use"],
])("%s", (found, expected) => {
  expect(found).toBe(expected);
});

test("scores that ZipMap gives by the names of their classes are outputs like others", () => {
  const graph = new Graph("zip");
  const x = graph.addInput("x", "float32", ["batch", 4]);
  const made = graph.addNode("Softmax", [x], { outputs: ["probabilities"] }).outputs[0]!;
  Object.assign(made, { dtype: "float32", shape: ["batch", 4] } satisfies Partial<Value>);
  const zip = graph.addNode("ZipMap", [made], { domain: "ai.onnx.ml", outputs: ["zip"] }).outputs[0]!;
  zip.opaqueType = Uint8Array.of(0x22, 0);
  graph.addOutput(zip);
  expect(purposeOf(graph, 10, new Set())).toBe(
    'a network from numbers "x" [batch, 4] to "probabilities" [batch, 4]',
  );
});
