import { DiapasonError } from "../../base/errors.ts";
import { type RenderOptions, renderMarked } from "./chat-template.ts";
import type { ChatMessage } from "./text-dataset.ts";
import type { TextTokenizer } from "./tokenizer.ts";

/** A piece of a text by its characters: from, to. */
export type Span = readonly [number, number];

/** Which turns of the assistant carry loss: every one, or the last. */
export type TrainedTurns = "all" | "last";

/** A conversation as its template writes it, and what of it the assistant says. */
export interface ChatSpans {
  readonly text: string;
  readonly spans: readonly Span[];
  /** How the spans were found. */
  readonly by: "marks" | "prefixes";
}

/**
 * What of a conversation the assistant says, its end-of-turn token included.
 *
 * Where the template marks it ({% generation %}), that is it. Else each turn of the assistant is what rendering adds to
 * the conversation before it, with the prompt for an answer; each such part must begin with the one before, to the
 * letter. What a turn ends in after its last special token, such as a line break, is not the assistant's: generation
 * has stopped by then.
 * @throws data/ambiguous-chat-template where parts do not begin alike, data/bad-chat-template, data/bad-messages
 */
export function chatSpans(
  tokenizer: TextTokenizer,
  messages: readonly ChatMessage[],
  { turns = "all", ...options }: RenderOptions & { readonly turns?: TrainedTurns } = {},
): ChatSpans {
  const about = options.where === undefined ? "" : `${options.where}: `;
  const places = messages.flatMap(({ role }, i) => (role === "assistant" ? [i] : []));
  if (places.length === 0)
    throw new DiapasonError(
      "data/bad-messages",
      `${about}no turn of the conversation is the assistant's, so there is nothing to learn (${messages.map(({ role }) => role).join(", ")}).`,
      "Remove the row, or add the assistant's answer.",
    );
  const { text, marked } = renderMarked(tokenizer, messages, options);
  if (marked) {
    if (marked.length === 0)
      throw new DiapasonError(
        "data/ambiguous-chat-template",
        `${about}the chat template has {% generation %} marks, but none around what the assistant says here.`,
        "Mend the template, or remove its marks.",
      );
    return { text, spans: turns === "last" ? marked.slice(-1) : marked, by: "marks" };
  }
  const trained = turns === "last" ? places.slice(-1) : places;
  const spans = trained.map((i): Span => {
    const before = renderMarked(tokenizer, messages.slice(0, i), {
      ...options,
      addGenerationPrompt: true,
    }).text;
    const upTo =
      i === messages.length - 1
        ? text
        : withoutEnd(tokenizer, renderMarked(tokenizer, messages.slice(0, i + 1), options).text, text);
    if (upTo.startsWith(before) && text.startsWith(upTo) && upTo.length > before.length)
      return [before.length, endOfTurn(tokenizer, upTo, before.length)];
    throw new DiapasonError(
      "data/ambiguous-chat-template",
      `${about}the chat template does not mark what the assistant says, and turn ${i + 1} is written differently ${differs(before, upTo, text)}.`,
      turns === "last"
        ? "Put {% generation %} and {% endgeneration %} around the assistant's turn in the template."
        : 'Learn each turn in an example of its own that ends there, as it will be written then (turns: "each"), or the last alone (turns: "last"); or put {% generation %} and {% endgeneration %} around the assistant\'s turns in the template.',
    );
  });
  return { text, spans, by: "prefixes" };
}

/** A conversation without the end of sequence that some templates put behind all of it (Phi-3), where more turns follow. */
function withoutEnd({ special }: TextTokenizer, upTo: string, text: string): string {
  const end = special.eos?.token;
  const shorter = end !== undefined && upTo.endsWith(end) ? upTo.slice(0, -end.length) : upTo;
  return text.startsWith(upTo) || !text.startsWith(shorter) ? upTo : shorter;
}

const differs = (before: string, upTo: string, text: string): string =>
  upTo.startsWith(before)
    ? text.startsWith(upTo)
      ? "(it is empty)"
      : `when more turns follow (${difference(upTo, text)})`
    : `from what the prompt for an answer begins with (${difference(before, upTo)})`;

/** Where two texts part, and how each goes on. */
function difference(expected: string, found: string): string {
  let at = 0;
  while (at < expected.length && expected[at] === found[at]) at++;
  const show = (text: string) => JSON.stringify(text.slice(at, at + 30));
  return `${show(expected)} against ${show(found)} after ${JSON.stringify(expected.slice(Math.max(0, at - 20), at))}`;
}

/** Where a turn that ends the text ends: behind its last special token, if only white space follows. */
function endOfTurn(tokenizer: TextTokenizer, text: string, start: number): number {
  const end = text.trimEnd().length;
  if (end <= start) return text.length;
  for (const id of tokenizer.specialIds) {
    const token = tokenizer.tokenOf(id);
    if (token && text.endsWith(token, end)) return end;
  }
  return text.length;
}
