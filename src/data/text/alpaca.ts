import type { ChatMessage } from "./text-dataset.ts";

/**
 * The prompt that Alpaca's instructions are written into, for models without a chat template.
 *
 * Source: tatsu-lab/stanford_alpaca, train.py (`PROMPT_DICT`).
 */
export const alpacaPrompt = (instruction: string, input: string): string =>
  input === ""
    ? `Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\n${instruction}\n\n### Response:`
    : `Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\n${instruction}\n\n### Input:\n${input}\n\n### Response:`;

/** The same as a conversation, for models that have a chat template. */
export const alpacaMessages = (
  instruction: string,
  input: string,
  output: string,
): readonly ChatMessage[] => [
  { role: "user", content: input === "" ? instruction : `${instruction}\n\n${input}` },
  { role: "assistant", content: output },
];
