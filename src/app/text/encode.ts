import { DiapasonError } from "../../base/errors.ts";
import type { TextRow } from "../../data/text/text-dataset.ts";
import type { ThreadedTokenizer } from "../../data/text/tokenizer.ts";
import type { EncodedText } from "./job.ts";

/** The text of a row. @throws data/no-text for a row of another shape, which would else be read as nothing */
export function textOf({ id, values }: TextRow): string {
  if (values.text !== undefined) return values.text;
  throw new DiapasonError(
    "data/no-text",
    `${id} has no text, but ${Object.keys(values).join(" and ")}.`,
    'Give texts, or rows with a column "text" (or name the column).',
  );
}

/** Rows with a text, or with a pair of them, as numbers. */
export async function encodeTexts(
  tokenizer: ThreadedTokenizer,
  rows: readonly TextRow[],
  maxTokens: number,
): Promise<EncodedText[]> {
  const inputs = rows.map((row) => {
    const [text, { pair }] = [textOf(row), row.values];
    return pair === undefined ? text : { text, pair };
  });
  const encodings = await tokenizer.encodeMany(inputs, { maxLength: maxTokens });
  return encodings.map((encoding, i) => ({ id: rows[i]!.id, ...encoding }));
}
