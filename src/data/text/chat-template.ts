import { DiapasonError } from "../../base/errors.ts";
import { type BoundedTemplate, boundedTemplate } from "./bounded-template.ts";
import type { ChatMessage } from "./text-dataset.ts";
import type { TextTokenizer } from "./tokenizer.ts";

export interface RenderOptions {
  /** Whether the text ends where the assistant's answer begins; absent: false. */
  readonly addGenerationPrompt?: boolean;
  /** What "today" is to templates that ask; absent: now. A run that is to be resumed must give its own. */
  readonly date?: Date;
  /** What the template reads beside the turns, such as tools. */
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  /** The row, for messages. */
  readonly where?: string;
}

/** A conversation as its template writes it. */
export interface RenderedChat {
  readonly text: string;
  /** From and to which character the assistant speaks, where the template marks it; undefined: it does not. */
  readonly marked: readonly (readonly [number, number])[] | undefined;
}

// Characters that no text has, to see where {% generation %} blocks begin and end.
const [blockStart, blockEnd] = ["\uFDD0", "\uFDD1"];

/**
 * Writes a conversation as the tokenizer's chat template does, special tokens included.
 *
 * @throws data/bad-chat-template where there is no template, it cannot be parsed, or it refuses the conversation
 */
export const renderChat = (
  tokenizer: TextTokenizer,
  messages: readonly ChatMessage[],
  options: RenderOptions = {},
): string => renderMarked(tokenizer, messages, options).text;

/** The same with the places that the template marks as the assistant's. */
export function renderMarked(
  tokenizer: TextTokenizer,
  messages: readonly ChatMessage[],
  { addGenerationPrompt = false, date, variables, where }: RenderOptions = {},
): RenderedChat {
  const { template, isMarking, wantsParts } = compiled(tokenizer);
  const tokens = Object.entries(tokenizer.special).map(([name, { token }]) => [`${name}_token`, token]);
  refuseUnread(tokenizer, messages, variables, where);
  let text: string;
  try {
    text = template.render({
      // Templates ask whether these are there, or whether they are none.
      tools: null,
      documents: null,
      ...variables,
      messages: messages.map(({ role, content, fields }) => {
        const turn = fields ?? { role, content };
        const isSaid = typeof turn["content"] === "string";
        return wantsParts && isSaid ? { ...turn, content: asParts(content) } : turn;
      }),
      add_generation_prompt: addGenerationPrompt,
      today_as: (format: string) => strftime(date ?? new Date(), format),
      ...Object.fromEntries(tokens),
    });
  } catch (cause) {
    const why = (cause as Error).message;
    const about = where === undefined ? "" : `${where}: `;
    const filter = unknownFilter.exec(why)?.[1];
    if (filter !== undefined || why.endsWith("which is not known"))
      throw new DiapasonError(
        "data/bad-chat-template",
        `${about}the chat template cannot be computed: ${filter === undefined ? why : `it uses the filter "${filter}", which is not known`}.`,
        "Write that place of the template (chat_template.jinja in the model's folder) in other words.",
        cause,
      );
    throw new DiapasonError(
      "data/bad-chat-template",
      `${about}the chat template refuses the conversation (${messages.map(({ role }) => role).join(", ")}): ${why}.`,
      "Write the turns in the order that the model's template expects, or remove the row.",
      cause,
    );
  }
  if (!isMarking) return { text, marked: undefined };
  const marked: [number, number][] = [];
  let plain = "";
  for (const [i, part] of text.split(blockStart!).entries()) {
    const end = i === 0 ? -1 : part.indexOf(blockEnd!);
    if (end >= 0) marked.push([plain.length, plain.length + end]);
    plain += part.replaceAll(blockEnd!, "");
  }
  return { text: plain, marked };
}

/** What the library says of a filter that it lacks. */
const unknownFilter = /^(?:Unknown \w+ filter: |Cannot apply filter ")(\w+)/;

/** @throws data/bad-chat-template for tools or calls of them that the template would leave out in silence */
function refuseUnread(
  { chatTemplate = "" }: TextTokenizer,
  messages: readonly ChatMessage[],
  variables: RenderOptions["variables"],
  where: string | undefined,
): void {
  const about = where === undefined ? "" : `${where}: `;
  const lost =
    variables?.["tools"] !== undefined && !chatTemplate.includes("tools")
      ? "the row has tools"
      : messages.some(({ fields }) => fields?.["tool_calls"] !== undefined) &&
          !chatTemplate.includes("tool_calls")
        ? "a turn calls a tool"
        : undefined;
  if (lost === undefined) return;
  throw new DiapasonError(
    "data/bad-chat-template",
    `${about}${lost}, of which the model's chat template knows nothing: it would be left out.`,
    "Take a model whose chat template reads tools, or write what is called into the turn's content.",
  );
}

interface Compiled {
  readonly template: BoundedTemplate;
  readonly isMarking: boolean;
  /** Whether it reads what is said as a list of parts alone, as those of models that see may. */
  readonly wantsParts: boolean;
}
const templates = new Map<string, Compiled>();

const asParts = (content: string) => [{ type: "text", text: content }];

/** Whether a template that loses a text that is given as one writes it where it is a part of a list. */
function readsPartsAlone(template: BoundedTemplate): boolean {
  const [asked, answered] = ["\uFDD2", "\uFDD3"];
  const writes = (content: (text: string) => unknown) => {
    try {
      const text = template.render({
        tools: null,
        documents: null,
        messages: [
          { role: "user", content: content(asked!) },
          { role: "assistant", content: content(answered!) },
        ],
        add_generation_prompt: false,
        today_as: () => "",
      });
      return text.includes(asked!) && text.includes(answered!);
    } catch {
      return false;
    }
  };
  return !writes((text) => text) && writes(asParts);
}

function compiled({ chatTemplate }: TextTokenizer): Compiled {
  if (chatTemplate === undefined)
    throw new DiapasonError(
      "data/bad-chat-template",
      "The model's tokenizer has no chat template, so nothing says how a conversation is written.",
      "Take a model tuned for chat, add a chat_template.jinja to its folder, or give prompt and completion instead of messages.",
    );
  const known = templates.get(chatTemplate);
  if (known) return known;
  let made: Compiled;
  try {
    const template = boundedTemplate(prepare(chatTemplate));
    made = {
      template,
      isMarking: generation().test(chatTemplate),
      wantsParts: readsPartsAlone(template),
    };
  } catch (cause) {
    throw new DiapasonError(
      "data/bad-chat-template",
      `The chat template cannot be parsed: ${(cause as Error).message}.`,
      "Take the template that the model was published with.",
      cause,
    );
  }
  templates.set(chatTemplate, made);
  return made;
}

const generation = () => /\{%(-?)\s*(end)?generation\s*(-?)%\}\n?/g;

/**
 * Makes of {% generation %} blocks what the library knows: text that marks their ends.
 *
 * Blocks swallow the spaces before them on their line and the line break after them (lstrip_blocks and trim_blocks, as
 * transformers sets them); printed text does not, so that is done here. The library's own strftime_now follows the
 * machine's language and clock.
 */
const prepare = (template: string): string =>
  template
    .replace(/\r\n?/g, "\n")
    .replace(/^[ \t]*(?=\{%-?\s*(?:end)?generation\s*-?%\})/gm, "")
    .replace(
      generation(),
      (_, before: string, end: string | undefined, after: string) =>
        `{{${before} "${end ? blockEnd : blockStart}" ${after}}}`,
    )
    .replace(/\bstrftime_now\b/g, "today_as");

const months = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** Python's strftime, in English, of the fields that templates use. */
function strftime(date: Date, format: string): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const fields: Readonly<Record<string, () => string>> = {
    Y: () => String(date.getFullYear()),
    y: () => two(date.getFullYear() % 100),
    m: () => two(date.getMonth() + 1),
    d: () => two(date.getDate()),
    B: () => months[date.getMonth()]!,
    b: () => months[date.getMonth()]!.slice(0, 3),
    A: () => weekdays[date.getDay()]!,
    a: () => weekdays[date.getDay()]!.slice(0, 3),
    H: () => two(date.getHours()),
    M: () => two(date.getMinutes()),
    S: () => two(date.getSeconds()),
    "%": () => "%",
  };
  return format.replace(/%([A-Za-z%])/g, (whole, name: string) => fields[name]?.() ?? whole);
}
