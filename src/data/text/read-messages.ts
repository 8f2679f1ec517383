import { entryOf } from "../../base/entry-of.ts";
import { DiapasonError } from "../../base/errors.ts";
import type { ChatMessage } from "./text-dataset.ts";
import { wrong } from "./wrong-field.ts";

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
    const role = isShareGpt ? entryOf(roleOf, said) : said;
    if (role === undefined)
      throw bad(where, `${at} is from "${said}"; expected ${Object.keys(roleOf).join(", ")}`);
    const others = Object.entries(fields).filter(
      ([name, value]) => name !== roleName && name !== contentName && !isNothing(value),
    );
    const content = textOf(fields[contentName!]);
    const isCall = others.some(([name]) => inPlaceOfContent.has(name));
    if (content === undefined && !(isCall && isNothing(fields[contentName!])))
      throw bad(where, `${at} has no text in "${contentName}"`);
    if (others.length === 0) return { role, content: content! };
    const names = new Map([
      [roleName, "role"],
      [contentName, "content"],
    ]);
    // In the order of the row, which templates that write a turn as JSON keep. A turn without content says nothing.
    const empty = contentName! in fields ? null : "";
    const whole = Object.entries({ ...fields, [roleName!]: role, [contentName!]: content ?? empty })
      .filter(([name, value]) => names.has(name) || !isNothing(value))
      .map(([name, value]) => [names.get(name) ?? name, value]);
    return { role, content: content ?? "", fields: withThoughts(Object.fromEntries(whole)) };
  });
}

/** What a turn may consist of that has no text. */
const inPlaceOfContent: ReadonlySet<string> = new Set([
  "tool_calls",
  "function_call",
  "reasoning_content",
  "thinking",
  "reasoning",
]);

/** Thoughts under every name that templates read. Source: transformers, `_alias_reasoning_fields`. */
function withThoughts(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const thoughts = fields["reasoning_content"] ?? fields["thinking"] ?? fields["reasoning"];
  return thoughts === undefined ? fields : { thinking: thoughts, ...fields, reasoning_content: thoughts };
}

/** What Parquet fills columns with that a turn does not have. */
const isNothing = (value: unknown): boolean =>
  value === undefined || value === null || (Array.isArray(value) && value.length === 0);

/**
 * What a row's templates read beside its turns: its tools, and what `chat_template_kwargs` says, as in TRL.
 *
 * Both may be JSON in a text. @throws data/wrong-field
 */
export function readVariables(
  { tools, chat_template_kwargs: given }: Readonly<Record<string, unknown>>,
  where: string,
): Readonly<Record<string, unknown>> | undefined {
  const [list, others] = [parsed(tools), parsed(given)];
  if (!isNothing(list) && !Array.isArray(list)) throw wrong(tools, "tools", where, "a list of tools");
  if (!isNothing(others) && (typeof others !== "object" || Array.isArray(others)))
    throw wrong(given, "chat_template_kwargs", where, "an object");
  const made = { ...(!isNothing(list) && { tools: list }), ...(others as object | undefined | null) };
  return Object.keys(made).length > 0 ? made : undefined;
}

function parsed(value: unknown): unknown {
  if (typeof value !== "string") return value;
  if (value.trim() === "") return undefined;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
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
