import { DiapasonError } from "../../base/errors.ts";
import { renderChat } from "../../data/text/chat-template.ts";
import type { ChatMessage, TextRow } from "../../data/text/text-dataset.ts";
import type { ThreadedTokenizer } from "../../data/text/tokenizer.ts";
import { openGenerator, type Prompt } from "../../evaluate/generate.ts";
import { readConfig } from "../../models/open-network.node.ts";
import { placesOf } from "../../models/places.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Generated, PredictSettings } from "../judging.ts";
import { type Note, noteOf, type Progress } from "../progress.ts";
import type { VerbContext } from "../verb.ts";
import { openTextModel, openTextTokenizer } from "./open.node.ts";
import { rowsOf } from "./predict.node.ts";
import { columnsOf } from "./prepare.node.ts";
import { stopTokens } from "./stop-tokens.node.ts";

/** Goes on with texts: those given, and those of files given. */
export async function* generateTexts(
  options: PredictSettings,
  runtime: Runtime,
  { signal }: VerbContext,
): AsyncGenerator<Note | Progress | Generated, void> {
  const rows = await rowsOf(options.inputs, { ...columnsOf(options), prompts: true });
  const { tokenizer } = await openTextTokenizer(options.model, undefined);
  try {
    const head = { head: "causal-lm", labels: undefined } as const;
    const model = await openTextModel(options.model, head, runtime, { seed: 0, file: options.file });
    yield* model.notes.map(noteOf);
    const { texts, notes } = begin(rows, tokenizer, options, placesOf(await readConfig(options.model)));
    yield* notes.map(noteOf);
    const generator = await openGenerator(model, runtime);
    const { temperature, topK, topP, repetitionPenalty, seed, batchSize, maxNewTokens } = options;
    const stop = await stopTokens(options.model, tokenizer);
    const sampling = { temperature, topK, topP, repetitionPenalty, stop, seed };
    try {
      for (let from = 0; from < texts.length; from += batchSize) {
        const batch = texts.slice(from, from + batchSize);
        let longest = 0;
        for await (const { row, token } of generator.generate(batch, sampling)) {
          signal?.throwIfAborted();
          const { tokens } = batch[row]!;
          tokens.push(token);
          if (tokens.length <= longest) continue;
          longest = tokens.length;
          yield { type: "progress", what: "writing, token", done: longest, total: maxNewTokens };
        }
        for (const text of batch) yield text.written();
      }
    } finally {
      await generator.dispose();
    }
  } finally {
    await tokenizer.close();
  }
}

/** A text that is being written. */
interface Text extends Prompt {
  readonly tokens: number[];
  written(): Generated;
}

/** Texts as they begin, and what the user may want to know of them. `places`: tokens that the model takes, if it says. */
function begin(
  rows: readonly TextRow[],
  tokenizer: ThreadedTokenizer,
  options: PredictSettings,
  places: number | undefined,
): { readonly texts: readonly Text[]; readonly notes: readonly string[] } {
  const all = places ?? Number.POSITIVE_INFINITY;
  const room = all - 1;
  // where a model takes few tokens, what is to be written leaves the prompt half of them
  const kept = all - Math.min(options.maxNewTokens, Math.floor(all / 2));
  const most = Math.min(options.maxTokens ?? Math.max(1, kept), room);
  const seen = new Map<string, number>();
  let cut = 0;
  let short = options.maxNewTokens;
  const texts = rows.map((row): Text => {
    const { id } = row;
    const { prompt, isAnswer, ids: whole } = beginningOf(row, tokenizer, options.chat);
    const ids = whole.slice(-most);
    if (ids.length < whole.length) cut++;
    const maxTokens = Math.min(options.maxNewTokens, room + 1 - ids.length);
    short = Math.min(short, maxTokens);
    // The same prompt given twice is two texts, which are drawn apart.
    const times = seen.get(id) ?? 0;
    seen.set(id, times + 1);
    // Decoded together with the prompt: a tokenizer may write a space before a word that is not the first.
    const shown = tokenizer.decode(ids).length;
    const textOf = (tokens: readonly number[]) => tokenizer.decode([...ids, ...tokens]).slice(shown);
    const tokens: number[] = [];
    return {
      ids,
      stream: times === 0 ? id : `${id} ${times + 1}`,
      maxTokens,
      tokens,
      ...(options.stop && { ends: (found) => endOf(textOf(found), options.stop!) !== undefined }),
      written() {
        const text = textOf(tokens);
        const end = endOf(text, options.stop ?? []);
        return { type: "generated", id, prompt, isAnswer, text: text.slice(0, end), tokens: tokens.length };
      },
    };
  });
  return {
    texts,
    notes: [
      ...(cut > 0
        ? [
            `Of ${cut} prompt${cut === 1 ? "" : "s"} only the last ${most} tokens are read; --max-tokens sets it.`,
          ]
        : []),
      ...(short < options.maxNewTokens
        ? [
            `The model takes ${places} tokens, the prompt included, so it writes ${short} and not ${options.maxNewTokens}.`,
          ]
        : []),
    ],
  };
}

/** Where the first of some texts begins in a text; undefined where none is in it. */
function endOf(text: string, ends: readonly string[]): number | undefined {
  const found = ends.map((end) => text.indexOf(end)).filter((at) => at >= 0);
  return found.length > 0 ? Math.min(...found) : undefined;
}

/** What a row begins with. */
interface Beginning {
  /** What is shown of it. */
  readonly prompt: string;
  readonly isAnswer: boolean;
  readonly ids: Int32Array;
}

/** A text, a prompt, or a conversation up to the turn that is to be written. */
function beginningOf({ id, values }: TextRow, tokenizer: ThreadedTokenizer, chat: boolean): Beginning {
  const { text, prompt, messages, variables } = values;
  const answer = (turns: readonly ChatMessage[]): Beginning => {
    const rendered = renderChat(tokenizer, turns, { addGenerationPrompt: true, variables, where: id });
    const { ids } = tokenizer.encode(rendered, { addSpecial: false });
    return { prompt: turns.at(-1)?.content ?? "", isAnswer: true, ids };
  };
  if (messages && (prompt === undefined || tokenizer.chatTemplate !== undefined))
    return answer(messages.at(-1)?.role === "assistant" ? messages.slice(0, -1) : messages);
  const found = text ?? prompt;
  if (found === undefined)
    throw new DiapasonError(
      "data/no-text",
      `${id} has neither a text, nor a prompt, nor messages.`,
      'Give texts, or rows with "text", "prompt" or "messages".',
    );
  if (typeof found !== "string") return answer(found);
  if (chat) return answer([{ role: "user", content: found }]);
  // Without the end that some tokenizers add.
  const { ids } = tokenizer.encode(found);
  const isEnded = ids.at(-1) === tokenizer.special.eos?.id;
  return { prompt: found, isAnswer: false, ids: isEnded ? ids.slice(0, -1) : ids };
}
