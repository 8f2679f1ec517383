import { expect, test } from "vitest";
import { placesOf } from "./places.ts";

test.each([
  [{ model_type: "bert", max_position_embeddings: 512 }, 512],
  [{ model_type: "roberta", max_position_embeddings: 514 }, 512],
  [{ model_type: "camembert", max_position_embeddings: 514, pad_token_id: 0 }, 513],
  [{ model_type: "mpnet", max_position_embeddings: 514, pad_token_id: 0 }, 512],
  [{ model_type: "gpt2", n_positions: 1024 }, 1024],
  [{ model_type: "some other", max_position_embeddings: 64 }, 64],
  [{ model_type: "bert", max_position_embeddings: "64" }, undefined],
  [{}, undefined],
] as const)("%o has places for %s tokens", (config, places) => expect(placesOf(config)).toBe(places));
