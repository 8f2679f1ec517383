import { DiapasonError } from "../../base/errors.ts";
import { isPlainText } from "../../data/text/plain-text.ts";
import type { TokenExample } from "../../data/text/text-batches.ts";
import type { ChatMessage, TextRow } from "../../data/text/text-dataset.ts";
import { encodeChat, encodeCompletion, withEos } from "../../data/text/token-examples.ts";
import type { ThreadedTokenizer } from "../../data/text/tokenizer.ts";
import type { ChosenTurns } from "./job.ts";

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
  turns: ChosenTurns,
): Promise<readonly TokenExample[]> {
  if (rows.some(({ values }) => values.text !== undefined)) return plainTokens(tokenizer, rows);
  return rows.flatMap(({ id, values }) => {
    const { messages, prompt, completion, variables } = values;
    if (messages && (tokenizer.chatTemplate !== undefined || prompt === undefined))
      return chatTokens(tokenizer, id, messages, variables, turns);
    if (prompt !== undefined && completion !== undefined)
      return encodeCompletion(tokenizer, id, prompt, completion, { variables });
    throw new DiapasonError(
      "data/no-text",
      `${id} has neither a text, nor messages, nor a prompt with its completion.`,
      "Give rows of text, of messages, or of prompt and completion.",
    );
  });
}

function chatTokens(
  tokenizer: ThreadedTokenizer,
  id: string,
  messages: readonly ChatMessage[],
  variables: TextRow["values"]["variables"],
  turns: ChosenTurns,
): readonly TokenExample[] {
  if (turns !== "each") return [encodeChat(tokenizer, id, messages, { variables, turns })];
  const ends = messages.flatMap(({ role }, i) => (role === "assistant" ? [i + 1] : []));
  if (ends.length < 2) return [encodeChat(tokenizer, id, messages, { variables })];
  return ends.map((end) => ({
    ...encodeChat(tokenizer, id, messages.slice(0, end), { variables, turns: "last" }),
    id: `${id}, turn ${end}`,
  }));
}

async function plainTokens(tokenizer: ThreadedTokenizer, rows: readonly TextRow[]): Promise<TokenExample[]> {
  const encodings = await tokenizer.encodeMany(rows.map(({ values }) => values.text ?? ""));
  return encodings.map(({ ids }, i) => {
    const { id, file } = rows[i]!;
    return { id, ids: withEos(tokenizer, ids, !isPlainText(file)) };
  });
}
