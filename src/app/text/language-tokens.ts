import { DiapasonError } from "../../base/errors.ts";
import type { TokenExample } from "../../data/text/text-batches.ts";
import type { TextRow } from "../../data/text/text-dataset.ts";
import { encodeChat, encodeCompletion, withEos } from "../../data/text/token-examples.ts";
import type { ThreadedTokenizer } from "../../data/text/tokenizer.ts";

/**
 * The tokens of rows for a language model, not yet cut or packed.
 *
 * A row of text ends in the end-of-sequence token where there is one; a document of plain text has no end. Of a prompt with
 * its completion, and of a conversation, only what the assistant says carries loss: those have labels.
 * @throws data/no-text, data/bad-chat-template, data/ambiguous-chat-template, data/bad-messages
 */
export async function languageTokens(
  tokenizer: ThreadedTokenizer,
  rows: readonly TextRow[],
): Promise<readonly TokenExample[]> {
  if (rows.some(({ values }) => values.text !== undefined)) return plainTokens(tokenizer, rows);
  return rows.map(({ id, values }) => {
    const { messages, prompt, completion } = values;
    if (messages && (tokenizer.chatTemplate !== undefined || prompt === undefined))
      return encodeChat(tokenizer, id, messages);
    if (prompt !== undefined && completion !== undefined)
      return encodeCompletion(tokenizer, id, prompt, completion);
    throw new DiapasonError(
      "data/no-text",
      `${id} has neither a text, nor messages, nor a prompt with its completion.`,
      "Give rows of text, of messages, or of prompt and completion.",
    );
  });
}

async function plainTokens(tokenizer: ThreadedTokenizer, rows: readonly TextRow[]): Promise<TokenExample[]> {
  const encodings = await tokenizer.encodeMany(rows.map(({ values }) => values.text ?? ""));
  return encodings.map(({ ids }, i) => {
    const { id, file } = rows[i]!;
    return { id, ids: withEos(tokenizer, ids, !isDocument(file)) };
  });
}

/** A file of running text, of which rows are parts. */
const isDocument = (file: string): boolean => /\.(?:txt|text|md)(?:\.gz)?$/i.test(file);
