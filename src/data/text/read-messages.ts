import { DiapasonError } from "../../base/errors.ts";
import type { ChatMessage } from "./text-dataset.ts";

/** ShareGPT's names of who speaks. */
const roleOf: Readonly<Record<string, string>> = {
  human: "user",
  user: "user",
  gpt: "assistant",
  chatgpt: "assistant",
  bot: "assistant",
  model: "assistant",
  assistant: "assistant",
  system: "system",
  tool: "tool",
  function: "tool",
};

/**
 * Turns of a conversation: objects with role and content, or ShareGPT's from and value.
 *
 * A content that is a list of parts, as of models that see, must be text in all of them, which is joined.
 * @throws data/bad-messages with the row and the turn
 */
export function readMessages(
  turns: readonly unknown[],
  column: string,
  where: string,
): readonly ChatMessage[] {
  if (turns.length === 0) throw bad(where, `"${column}" has no turn`);
  return turns.map((turn, i) => {
    const at = `turn ${i + 1} of "${column}"`;
    if (typeof turn !== "object" || turn === null) throw bad(where, `${at} is no object`);
    const fields = turn as Readonly<Record<string, unknown>>;
    const isShareGpt = fields["from"] !== undefined && fields["role"] === undefined;
    const [roleName, contentName] = isShareGpt ? ["from", "value"] : ["role", "content"];
    const said = fields[roleName!];
    if (typeof said !== "string" || said === "") throw bad(where, `${at} has no "${roleName}"`);
    const role = isShareGpt ? (Object.hasOwn(roleOf, said) ? roleOf[said] : undefined) : said;
    if (role === undefined)
      throw bad(where, `${at} is from "${said}"; expected ${Object.keys(roleOf).join(", ")}`);
    const content = textOf(fields[contentName!]);
    if (content === undefined) throw bad(where, `${at} has no text in "${contentName}"`);
    return { role, content };
  });
}

function textOf(content: unknown): string | undefined {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return undefined;
  const parts = content.map((part: unknown) =>
    typeof part === "string" ? part : (part as Readonly<Record<string, unknown>> | null)?.["text"],
  );
  return parts.every((part) => typeof part === "string") ? parts.join("") : undefined;
}

const bad = (where: string, why: string): DiapasonError =>
  new DiapasonError(
    "data/bad-messages",
    `${where}: ${why}.`,
    'Write every turn as {"role": "user", "content": "…"} or {"from": "human", "value": "…"}.',
  );
