import { DiapasonError } from "../../base/errors.ts";
import { renderChat } from "../../data/text/chat-template.ts";
import type { TextRow } from "../../data/text/text-dataset.ts";
import type { ThreadedTokenizer } from "../../data/text/tokenizer.ts";
import { openGenerator } from "../../evaluate/generate.ts";
import { readConfig } from "../../models/open-network.node.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Generated, PredictSettings } from "../judging.ts";
import { type Note, noteOf } from "../progress.ts";
import type { VerbContext } from "../verb.ts";
import { openTextModel, openTextTokenizer } from "./open.node.ts";
import { rowsOf } from "./predict.node.ts";
import { columnsOf } from "./prepare.node.ts";

/** Goes on with texts: those given, and those of files given. */
export async function* generateTexts(
  options: PredictSettings,
  runtime: Runtime,
  { signal }: VerbContext,
): AsyncGenerator<Note | Generated, void> {
  const rows = await rowsOf(options.inputs, columnsOf(options));
  const { tokenizer, maxTokens } = await openTextTokenizer(options.model, options.maxTokens);
  try {
    const model = await openTextModel(options.model, { head: "causal-lm", labels: undefined }, runtime, {
      seed: 0,
    });
    yield* model.notes.map(noteOf);
    const generator = await openGenerator(model, runtime);
    const sampling = {
      maxTokens: options.maxNewTokens,
      temperature: options.temperature,
      topK: options.topK,
      topP: options.topP,
      repetitionPenalty: options.repetitionPenalty,
      stop: await stopTokens(options.model, tokenizer),
      seed: options.seed,
    };
    try {
      for (const row of rows) {
        const prompt = promptOf(row);
        const ids = promptTokens(tokenizer, prompt, options.chat).slice(-maxTokens);
        const tokens: number[] = [];
        for await (const token of generator.generate(ids, sampling, row.id)) {
          signal?.throwIfAborted();
          tokens.push(token);
        }
        // Decoded together with the prompt: a tokenizer may write a space before a word that is not the first.
        const shown = tokenizer.decode(ids).length;
        const text = tokenizer.decode([...ids, ...tokens]).slice(shown);
        yield { type: "generated", id: row.id, prompt, text, tokens: tokens.length };
      }
    } finally {
      await generator.dispose();
    }
  } finally {
    await tokenizer.close();
  }
}

function promptOf({ id, values: { text, prompt } }: TextRow): string {
  const found = text ?? (typeof prompt === "string" ? prompt : undefined);
  if (found !== undefined) return found;
  throw new DiapasonError(
    "data/no-text",
    `${id} has neither a text nor a prompt.`,
    'Give texts, or rows with "text" or "prompt".',
  );
}

/** A prompt without the end that some tokenizers add. */
function promptTokens(tokenizer: ThreadedTokenizer, prompt: string, chat: boolean): Int32Array {
  if (chat) {
    const text = renderChat(tokenizer, [{ role: "user", content: prompt }], { addGenerationPrompt: true });
    return tokenizer.encode(text, { addSpecial: false }).ids;
  }
  const { ids } = tokenizer.encode(prompt);
  return ids.at(-1) === tokenizer.special.eos?.id ? ids.slice(0, -1) : ids;
}

/** Tokens that end a text: the tokenizer's, and those of generation_config.json by way of config.json. */
async function stopTokens(folder: string, tokenizer: ThreadedTokenizer): Promise<ReadonlySet<number>> {
  const { eos_token_id: given } = await readConfig(folder);
  const numbers = [given, tokenizer.special.eos?.id].flat();
  return new Set(numbers.filter((id): id is number => typeof id === "number"));
}
