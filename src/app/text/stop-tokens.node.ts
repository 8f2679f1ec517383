import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TextTokenizer } from "../../data/text/tokenizer.ts";
import { parseConfig } from "../../models/config.ts";
import { readConfig } from "../../models/open-network.node.ts";

/** Tokens that end a text: the tokenizer's, and those that the model's config and generation_config.json name. */
export async function stopTokens(
  folder: string,
  tokenizer: Pick<TextTokenizer, "special">,
): Promise<ReadonlySet<number>> {
  const path = join(folder, "generation_config.json");
  const text = await readFile(path, "utf8").catch(() => "{}");
  const configs = [await readConfig(folder), parseConfig(text, path)];
  const numbers = [...configs.map(({ eos_token_id: id }) => id), tokenizer.special.eos?.id].flat();
  return new Set(numbers.filter((id): id is number => typeof id === "number"));
}
