import { architectureOf } from "./architectures/table.ts";
import type { ModelConfig } from "./config.ts";

/** How many tokens of a text a model has places for, as its config says; undefined where it says nothing. */
export function placesOf(config: ModelConfig): number | undefined {
  const found = config["n_positions"] ?? config["max_position_embeddings"];
  if (typeof found !== "number" || !Number.isInteger(found) || found < 1) return undefined;
  const architecture = architectureOf(String(config["model_type"]));
  const parsed = architecture?.config.safeParse(config);
  return Math.max(1, found - (parsed?.success ? (architecture?.unusedPlaces?.(parsed.data) ?? 0) : 0));
}
