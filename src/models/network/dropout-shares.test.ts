import { describe, expect, test } from "vitest";
import { dropoutShare } from "../../graph/dropout-input.ts";
import type { HeadKind } from "../architecture.ts";
import { type BuildOptions, buildNetwork } from "./build-network.ts";
import { sharesInWords } from "./dropout-shares.ts";

const sizes = {
  vocab_size: 8,
  hidden_size: 4,
  embedding_size: 4,
  num_hidden_layers: 2,
  num_attention_heads: 1,
  intermediate_size: 8,
  max_position_embeddings: 8,
  dim: 4,
  n_layers: 2,
  n_heads: 1,
  hidden_dim: 8,
  relative_attention: true,
};

const built = (config: object, head: HeadKind, dropout: BuildOptions["dropout"] = "config") =>
  buildNetwork({ config: { ...sizes, ...config }, tensors: undefined, source: "x", seed: 0, head, dropout });

/** Shares of the masks of a network, in the order in which they are used. */
const masksOf = (...args: Parameters<typeof built>): readonly number[] =>
  built(...args).graph.inputs.flatMap(({ name }) => dropoutShare(name) ?? []);

const tenths = (count: number): readonly number[] => Array.from({ length: count }, () => 0.1);

describe("an encoder drops what its config says, where transformers does", () => {
  const own = { hidden_dropout_prob: 0.3, classifier_dropout: 0.4 };
  test.each([
    ["bert", {}, [...tenths(5), 0.1]],
    ["bert", own, [0.3, 0.3, 0.3, 0.3, 0.3, 0.4]],
    ["roberta", { ...own, classifier_dropout: null }, [0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]],
    ["electra", own, [0.3, 0.3, 0.3, 0.3, 0.3, 0.4, 0.4]],
    // its config has no number for the classifier
    ["mpnet", own, [0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]],
    ["distilbert", {}, [...tenths(5), 0.2]],
    ["distilbert", { dropout: 0, seq_classif_dropout: 0 }, []],
    ["albert", {}, [0.1]],
    ["albert", { hidden_dropout_prob: 0.3 }, [0.3, 0.3, 0.3, 0.1]],
    ["deberta-v2", { cls_dropout: 0.4 }, [...tenths(5), 0.4]],
    ["deberta-v2", { conv_kernel_size: 3 }, tenths(7)],
    ["modernbert", {}, []],
    [
      "modernbert",
      { embedding_dropout: 0.1, attention_dropout: 0.2, mlp_dropout: 0.3, classifier_dropout: 0.4 },
      [0.1, 0.2, 0.3, 0.2, 0.3, 0.4],
    ],
  ])("%s %o", (model_type, fields, shares) => {
    expect(masksOf({ model_type, ...fields }, "sequence-classification")).toEqual(shares);
  });

  test("decoders", () => {
    const shares = { n_layer: 2, n_embd: 4, n_head: 1 };
    const gpt2 = { model_type: "gpt2", ...shares };
    expect(masksOf({ ...gpt2, embd_pdrop: 0.2 }, "causal-lm")).toEqual([0.2, ...tenths(4)]);
    expect(masksOf({ ...gpt2, embd_pdrop: 0, resid_pdrop: 0 }, "token-classification")).toEqual([0.1]);
    const neox = { model_type: "gpt_neox", hidden_size: 8 };
    expect(masksOf(neox, "causal-lm")).toEqual([]);
    expect(masksOf({ ...neox, hidden_dropout: 0.1 }, "causal-lm")).toEqual(tenths(5));
    expect(masksOf({ ...neox, classifier_dropout: 0.3 }, "token-classification")).toEqual([0.3]);
    expect(masksOf(neox, "sequence-classification")).toEqual([]);
  });

  test("the classifier of tokens", () => {
    expect(masksOf({ model_type: "distilbert" }, "token-classification")).toEqual(tenths(6));
    expect(masksOf({ model_type: "bert", ...own }, "token-classification").at(-1)).toBe(0.4);
  });

  test("one share asked for is that of every place; 0 and nothing are none", () => {
    const config = { model_type: "modernbert", mlp_dropout: 0.3 };
    expect(masksOf(config, "sequence-classification", 0.1)).toEqual(tenths(6));
    expect(masksOf(config, "sequence-classification", 0)).toEqual([]);
    const options = { config: { ...sizes, ...config }, tensors: undefined, source: "x", seed: 0 };
    expect(buildNetwork(options).network?.dropout.size).toBe(0);
  });

  test("a share is refused where nothing is dropped, and one that leaves nothing", () => {
    const llama = { model_type: "llama" };
    expect(masksOf(llama, "causal-lm")).toEqual([]);
    expect(() => built(llama, "causal-lm", 0.1)).toThrow('networks of type "llama" (x) are built without it');
    const all = { model_type: "bert", hidden_dropout_prob: 1 };
    expect(() => built(all, "features")).toThrow("hidden_dropout_prob = 1");
  });
});

test("shares are told in words", () => {
  const told = (config: object, head: HeadKind) => sharesInWords(built(config, head).network!.dropout);
  expect(told({ model_type: "bert" }, "masked-lm")).toBe("10 % of hidden states");
  expect(told({ model_type: "distilbert" }, "sequence-classification")).toBe(
    "10 % of hidden states and 20 % of what the classifier reads",
  );
  expect(told({ model_type: "albert" }, "sequence-classification")).toBe("10 % of what the classifier reads");
  expect(
    told(
      { model_type: "modernbert", embedding_dropout: 0.05, mlp_dropout: 0.125 },
      "sequence-classification",
    ),
  ).toBe("5 % of the embeddings and 12.5 % of what feed-forward parts give");
});
