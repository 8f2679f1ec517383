import type { TextRow } from "../../data/text/text-dataset.ts";
import type { ThreadedTokenizer } from "../../data/text/tokenizer.ts";
import type { EncodedText } from "./job.ts";

/** Rows with a text, or with a pair of them, as numbers. */
export async function encodeTexts(
  tokenizer: ThreadedTokenizer,
  rows: readonly TextRow[],
  maxTokens: number,
): Promise<EncodedText[]> {
  const inputs = rows.map(({ values: { text = "", pair } }) => (pair === undefined ? text : { text, pair }));
  const encodings = await tokenizer.encodeMany(inputs, { maxLength: maxTokens });
  return encodings.map((encoding, i) => ({ id: rows[i]!.id, ...encoding }));
}
