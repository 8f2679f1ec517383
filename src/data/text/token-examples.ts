import { type ChatSpans, chatSpans, type Span, type TrainedTurns } from "./chat-spans.ts";
import { type RenderOptions, renderMarked } from "./chat-template.ts";
import { ignored, type TokenExample } from "./text-batches.ts";
import type { ChatMessage, TextOrMessages } from "./text-dataset.ts";
import type { EncodeOptions, TextTokenizer } from "./tokenizer.ts";

/** An example of a language model. Label t is token t itself, `ignored` where it carries no loss. */
export interface TrainedTokens extends TokenExample {
  readonly labels: Int32Array;
  readonly isTruncated: boolean;
}

/** What "today" is to templates that ask, where the caller does not say: tokens to be learnt may not change overnight. */
const fixedDate = new Date(2024, 6, 26);

interface Limits {
  /** Most tokens; the end is cut off. Absent: all. */
  readonly maxLength?: number;
}

/**
 * A text of which every token carries loss, with the end-of-sequence token behind it.
 *
 * `addEos`: absent: true; a tokenizer without one adds none.
 */
export function encodeDocument(
  tokenizer: TextTokenizer,
  id: string,
  text: string,
  { maxLength, addEos = true }: Limits & { readonly addEos?: boolean } = {},
): TrainedTokens {
  const ids = withEos(tokenizer, tokenizer.encode(text).ids, addEos);
  return cut({ id, ids, labels: ids.slice() }, maxLength);
}

/**
 * A conversation of which the assistant's turns carry loss, their end-of-turn tokens included.
 *
 * @throws data/bad-chat-template, data/ambiguous-chat-template, data/bad-messages
 */
export function encodeChat(
  tokenizer: TextTokenizer,
  id: string,
  messages: readonly ChatMessage[],
  { maxLength, ...options }: Limits & RenderOptions & { readonly turns?: TrainedTurns } = {},
): TrainedTokens & Pick<ChatSpans, "by"> {
  const { text, spans, by } = chatSpans(tokenizer, messages, { where: id, date: fixedDate, ...options });
  // The template wrote the special tokens.
  return {
    ...encodeSpans(tokenizer, id, text, spans, {
      addSpecial: false,
      ...(maxLength !== undefined && { maxLength }),
    }),
    by,
  };
}

/**
 * A prompt, which carries no loss, and its completion, which does; both texts, or both turns of a conversation.
 *
 * Behind a completion that is text comes the end-of-sequence token.
 * @throws data/bad-chat-template, data/ambiguous-chat-template for turns
 */
export function encodeCompletion(
  tokenizer: TextTokenizer,
  id: string,
  prompt: TextOrMessages,
  completion: TextOrMessages,
  { maxLength, ...options }: Limits & RenderOptions = {},
): TrainedTokens {
  if (typeof prompt === "string" && typeof completion === "string") {
    const text = prompt + completion;
    const whole = encodeSpans(tokenizer, id, text, [[prompt.length, text.length]], {});
    const ids = withEos(tokenizer, whole.ids, true);
    const labels = new Int32Array(ids.length).fill(ignored);
    labels.set(whole.labels);
    if (ids.length > whole.ids.length) labels[ids.length - 1] = ids.at(-1)!;
    return cut({ id, ids, labels }, maxLength);
  }
  const turn = (said: TextOrMessages, role: string): readonly ChatMessage[] =>
    typeof said === "string" ? [{ role, content: said }] : said;
  const before = turn(prompt, "user");
  const messages = [...before, ...turn(completion, "assistant")];
  const { text, spans } = chatSpans(tokenizer, messages, { where: id, date: fixedDate, ...options });
  const start = renderMarked(tokenizer, before, { date: fixedDate, ...options }).text.length;
  const own = spans.filter(([, end]) => end > start);
  return encodeSpans(tokenizer, id, text, own, {
    addSpecial: false,
    ...(maxLength !== undefined && { maxLength }),
  });
}

/** Tokens of a text; those that overlap a span carry loss, as transformers' assistant mask has it. */
export function encodeSpans(
  tokenizer: TextTokenizer,
  id: string,
  text: string,
  spans: readonly Span[],
  { maxLength, ...options }: Omit<EncodeOptions, "pair">,
): TrainedTokens {
  const { ids } = tokenizer.encode(text, options);
  const labels = new Int32Array(ids.length).fill(ignored);
  for (const [start, end] of spans) {
    const from = boundary(tokenizer, text, start, ids, options).whole;
    const to = boundary(tokenizer, text, end, ids, options).upTo;
    for (let t = from; t < to; t++) labels[t] = ids[t]!;
  }
  return cut({ id, ids, labels }, maxLength);
}

/**
 * The token where a character stands. `whole`: tokens that end before it. `upTo`: with the one that it stands in.
 *
 * A tokenizer reads from left to right, so what comes before a place has the tokens of the whole, but for those that
 * reach over the place.
 */
function boundary(
  tokenizer: TextTokenizer,
  text: string,
  place: number,
  ids: Int32Array,
  options: Omit<EncodeOptions, "pair">,
): { readonly whole: number; readonly upTo: number } {
  if (place >= text.length) return { whole: ids.length, upTo: ids.length };
  const before = tokenizer.encode(text.slice(0, place), options).ids;
  let whole = 0;
  while (whole < before.length && before[whole] === ids[whole]) whole++;
  return { whole, upTo: whole < before.length ? Math.min(whole + 1, ids.length) : whole };
}

/** Tokens with the end-of-sequence token behind them, where there is one and they do not end in it. */
export function withEos(tokenizer: TextTokenizer, ids: Int32Array, addEos: boolean): Int32Array {
  const { eos } = tokenizer.special;
  if (!addEos || !eos || ids.at(-1) === eos.id) return ids;
  const longer = new Int32Array(ids.length + 1);
  longer.set(ids);
  longer[ids.length] = eos.id;
  return longer;
}

const cut = (
  { id, ids, labels }: { readonly id: string; readonly ids: Int32Array; readonly labels: Int32Array },
  maxLength = Number.POSITIVE_INFINITY,
): TrainedTokens =>
  ids.length <= maxLength
    ? { id, ids, labels, isTruncated: false }
    : { id, ids: ids.slice(0, maxLength), labels: labels.slice(0, maxLength), isTruncated: true };
