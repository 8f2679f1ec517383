import { DiapasonError } from "../../base/errors.ts";
import { ignored, type TokenExample } from "../../data/text/text-batches.ts";
import type { TextRow } from "../../data/text/text-dataset.ts";
import type { JobContext } from "./job.ts";

/**
 * The tokens of rows for a language model, not yet cut or packed.
 *
 * A row of text ends in the end-of-sequence token where there is one; a document of plain text has neither beginning nor
 * end. Of a prompt with its completion only the completion carries loss.
 */
export async function languageTokens(
  { tokenizer }: Pick<JobContext, "tokenizer">,
  rows: readonly TextRow[],
): Promise<TokenExample[]> {
  const eos = tokenizer.special.eos;
  const texts = rows.map((row) => textOf(row));
  const heads = await tokenizer.encodeMany(texts.map(({ prompt, text }) => prompt ?? text));
  const tails = await tokenizer.encodeMany(
    texts.map(({ prompt, text }) => (prompt === undefined ? "" : text)),
  );
  return rows.map((row, i) => {
    const { prompt, isDocument } = texts[i]!;
    const start = withoutEnd(heads[i]!.ids, eos?.id);
    const end = eos && !isDocument ? Int32Array.of(eos.id) : new Int32Array();
    if (prompt === undefined) return { id: row.id, ids: joined(start, end) };
    const completion = withoutSpecial(tails[i]!.ids, tokenizer.specialIds);
    const ids = joined(start, completion, end);
    const labels = ids.slice();
    labels.fill(ignored, 0, start.length);
    return { id: row.id, ids, labels };
  });
}

interface RowText {
  readonly text: string;
  readonly prompt?: string;
  /** A whole file of plain text, of which the row is the running text. */
  readonly isDocument: boolean;
}

function textOf({ id, file, values }: TextRow): RowText {
  const { text, prompt, completion } = values;
  if (typeof prompt === "string" && typeof completion === "string")
    return { text: completion, prompt, isDocument: false };
  if (text !== undefined) return { text, isDocument: /\.(?:txt|text|md)$/i.test(file) };
  throw new DiapasonError(
    "data/no-text",
    `${id} has neither a text nor a prompt with its completion.`,
    "Give rows with text, or with prompt and completion.",
  );
}

const joined = (...parts: readonly Int32Array[]): Int32Array => {
  const ids = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    ids.set(part, at);
    at += part.length;
  }
  return ids;
};

/** Tokenizers that add an end of their own would have two. */
const withoutEnd = (ids: Int32Array, eos: number | undefined): Int32Array =>
  ids.at(-1) === eos ? ids.subarray(0, -1) : ids;

const withoutSpecial = (ids: Int32Array, special: ReadonlySet<number>): Int32Array => {
  let from = 0;
  let to = ids.length;
  while (from < to && special.has(ids[from]!)) from++;
  while (to > from && special.has(ids[to - 1]!)) to--;
  return ids.subarray(from, to);
};
