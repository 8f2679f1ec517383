import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { languageTokens } from "../../src/app/text/language-tokens.ts";
import { chatSpans } from "../../src/data/text/chat-spans.ts";
import { renderChat } from "../../src/data/text/chat-template.ts";
import { readMessages, readVariables } from "../../src/data/text/read-messages.ts";
import { ignored } from "../../src/data/text/text-batches.ts";
import type { ChatMessage } from "../../src/data/text/text-dataset.ts";
import { encodeChat, encodeCompletion, encodeDocument } from "../../src/data/text/token-examples.ts";
import { threadTokenizer } from "../../src/data/text/tokenizer-threads.node.ts";
import { fixtureTokenizer, tokenizerFiles } from "./tokenizer-fixtures.ts";

interface Expected {
  readonly template: string;
  readonly chat: string;
  readonly text: string;
  readonly prompt: string;
  readonly ids: readonly number[];
  readonly mask?: readonly number[];
  readonly error?: string;
}

const known = JSON.parse(
  readFileSync(resolve(import.meta.dirname, "../fixtures/chat-templates.json"), "utf8"),
) as {
  readonly templates: Readonly<Record<string, { readonly tokenizer: string; readonly template: string }>>;
  readonly chats: Readonly<Record<string, readonly ChatMessage[]>>;
  /** Rows of which templates read more than turns of text. */
  readonly calls: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly expected: readonly Expected[];
  readonly printed: readonly { readonly expression: string; readonly text: string }[];
};
const tokenizerOf = (name: string) =>
  fixtureTokenizer(known.templates[name]!.tokenizer, known.templates[name]!.template);
/** The turns of a conversation and what its template reads beside them, as they are read from a file. */
const rowOf = (chat: string) => {
  const row = known.calls[chat];
  return row
    ? {
        messages: readMessages(row["messages"] as unknown[], "messages", chat),
        variables: readVariables(row, chat),
      }
    : { messages: known.chats[chat]!, variables: undefined };
};
const maskOf = (labels: Int32Array) => Array.from(labels, (label) => Number(label !== ignored));

describe("chat templates render as in transformers", () => {
  test.each(known.expected)("$template, $chat", ({ template, chat, text, prompt, ids, mask, error }) => {
    const tokenizer = tokenizerOf(template);
    const { messages, variables } = rowOf(chat);
    if (error !== undefined) {
      expect(() => renderChat(tokenizer, messages, { where: "chats.jsonl:3" })).toThrow(error);
      expect(() => renderChat(tokenizer, messages, { where: "chats.jsonl:3" })).toThrow(/^chats\.jsonl:3: /);
      return;
    }
    expect(renderChat(tokenizer, messages, { variables })).toBe(text);
    expect(renderChat(tokenizer, messages, { addGenerationPrompt: true, variables })).toBe(prompt);
    expect([...tokenizer.encode(text, { addSpecial: false }).ids]).toEqual(ids);
    if (mask) expect(maskOf(encodeChat(tokenizer, "a", messages).labels)).toEqual(mask);
  });

  test("every kind of template was rendered, some refuse, some mark", () => {
    const [templates, chats, calls] = [known.templates, known.chats, known.calls].map(
      (all) => Object.keys(all).length,
    );
    expect(known.expected.length).toBe(templates! * chats! + calls!);
    expect(known.expected.some(({ error }) => error !== undefined)).toBe(true);
    expect(known.expected.some(({ mask }) => mask?.includes(1))).toBe(true);
  });
});

describe("what templates compute is what Jinja computes in Python", () => {
  test.each(known.printed)("$expression", ({ expression, text }) => {
    const tokenizer = fixtureTokenizer("qwen", `{{ ${expression} }}`);
    expect(renderChat(tokenizer, known.chats["two turns"]!)).toBe(text);
  });

  test("a loop goes through the characters of a text, and over what is not there no time", () => {
    const template =
      "{% for x in 'a😀' %}{{ x }},{% endfor %}{% for x in nothing %}{{ x }}{% else %}none{% endfor %}";
    expect(renderChat(fixtureTokenizer("qwen", template), known.chats["one turn"]!)).toBe("a,😀,none");
  });

  test.each([
    ["{{ 'a' | format(1) }}", 'it uses the filter "format", which is not known'],
    ["{{ messages | groupby('role') }}", 'it uses the filter "groupby", which is not known'],
    ["{{ 'a' | map('shout') }}", 'it maps by the filter "shout", which is not known'],
    ["{{ messages | selectattr('role', 'loud') }}", 'it uses the test "loud", which is not known'],
    ["{{ 'a' is loud }}", 'it uses the test "loud", which is not known'],
    ["{{ 'a'.format(1) }}", 'it calls the method "format" of a text, which is not known'],
  ])("%s is refused by name", (template, words) => {
    expect(() => renderChat(fixtureTokenizer("qwen", template), known.chats["one turn"]!)).toThrow(
      expect.objectContaining({
        code: "data/bad-chat-template",
        message: expect.stringContaining(words),
        fix: expect.stringContaining("chat_template.jinja"),
      }),
    );
  });

  test("a statement that is not known is refused by name", () => {
    const tokenizer = fixtureTokenizer("qwen", "{% with a = 1 %}{{ a }}{% endwith %}");
    expect(() => renderChat(tokenizer, known.chats["one turn"]!)).toThrow(/statement type: with/);
  });
});

describe("what the assistant says", () => {
  test("spans derived by rendering prefixes are those that a template marks", () => {
    for (const messages of Object.values(known.chats)) {
      const marked = encodeChat(tokenizerOf("chatml marked"), "a", messages);
      const derived = encodeChat(tokenizerOf("chatml"), "a", messages);
      expect([marked.by, derived.by]).toEqual(["marks", "prefixes"]);
      expect(derived.ids).toEqual(marked.ids);
      expect(derived.labels).toEqual(marked.labels);
    }
  });

  test("the end of a turn is learnt, the line break behind it and the user's turns are not", () => {
    const { text, spans } = chatSpans(tokenizerOf("chatml"), known.chats["two turns"]!);
    expect(spans.map(([from, to]) => text.slice(from, to))).toEqual([
      "Bonjour, l'été 😀<|im_end|>",
      "\nleading newline\n<|im_end|>",
      "你好<|im_end|>",
    ]);
  });

  test("templates that put a system turn, or trim, are derived too", () => {
    for (const name of ["default system", "headers", "alternating"]) {
      const { text, spans } = chatSpans(tokenizerOf(name), known.chats["one turn"]!);
      expect(spans.map(([from, to]) => text.slice(from, to).trim())).toEqual([
        expect.stringMatching(/^A fork that gives a pure tone\. ?(<\|im_end\|>|<\|eot_id\|>|<\/s>)$/),
      ]);
    }
  });

  test("what a template puts behind a whole conversation is not taken for a part of its earlier turns", () => {
    const { text, spans } = chatSpans(tokenizerOf("ends behind all"), known.chats["two turns"]!);
    expect(spans.map(([from, to]) => text.slice(from, to))).toEqual([
      "Bonjour, l'été 😀<|eot_id|>",
      "\nleading newline\n<|eot_id|>",
      "你好<|eot_id|>\n<|end_of_text|>",
    ]);
  });

  test("calls of tools are learnt, and their answers are not", () => {
    const { messages, variables } = rowOf("a call");
    const { text, spans } = chatSpans(tokenizerOf("calling"), messages, { variables });
    expect(text).toMatch(/^<\|im_start\|>system\nTools:\n\{"name": "tune"/);
    expect(spans.map(([from, to]) => text.slice(from, to))).toEqual([
      '<call>tune {"note": "é", "times": 2}</call><|im_end|>',
      "Done.<|im_end|>",
    ]);
  });

  test("tools that a template leaves out in silence are refused", () => {
    const { messages, variables } = rowOf("a call");
    expect(() => renderChat(tokenizerOf("chatml"), messages, { where: "chats.jsonl:3" })).toThrow(
      expect.objectContaining({
        code: "data/bad-chat-template",
        message: expect.stringMatching(/^chats\.jsonl:3: a turn calls a tool/),
      }),
    );
    expect(() => renderChat(tokenizerOf("chatml"), known.chats["one turn"]!, { variables })).toThrow(
      /the row has tools/,
    );
  });

  test("each turn in an example that ends there, as a template of thoughts writes it then", async () => {
    const thinking = threadTokenizer(tokenizerOf("thinking"), tokenizerFiles("qwen"));
    const values = { messages: known.chats["two turns"]! };
    const row = { id: "chats.jsonl:7", file: "chats.jsonl", line: 7, fields: {}, values };
    const examples = await languageTokens(thinking, [row], "each");
    const said = examples.map(({ id, labels }) => [id, thinking.decode(labels!.filter((l) => l >= 0))]);
    const thoughts = "<think>\n\n</think>\n\n";
    expect(said).toEqual([
      ["chats.jsonl:7, turn 2", `${thoughts}Bonjour, l'été 😀`],
      ["chats.jsonl:7, turn 4", `${thoughts}\nleading newline\n`],
      ["chats.jsonl:7, turn 6", `${thoughts}你好`],
    ]);
    const last = await languageTokens(thinking, [row], "last");
    expect(last.map(({ labels }) => thinking.decode(labels!.filter((l) => l >= 0)))).toEqual([
      `${thoughts}你好`,
    ]);
  });

  test("only the last turn where that is asked", () => {
    const tokenizer = tokenizerOf("chatml");
    const last = encodeChat(tokenizer, "a", known.chats["two turns"]!, { turns: "last" });
    expect(tokenizer.decode(last.labels.filter((label) => label !== ignored))).toBe("你好");
  });

  test("a template whose earlier turns look different later is refused, and its last turn is not", () => {
    const thinking = tokenizerOf("thinking");
    const messages = known.chats["two turns"]!;
    expect(() => encodeChat(thinking, "chats.jsonl:7", messages)).toThrow(
      expect.objectContaining({
        code: "data/ambiguous-chat-template",
        message: expect.stringMatching(
          /^chats\.jsonl:7: .*turn 2 is written differently when more turns follow/,
        ),
      }),
    );
    expect(
      thinking.decode(encodeChat(thinking, "a", messages, { turns: "last" }).labels.filter((l) => l >= 0)),
    ).toBe("<think>\n\n</think>\n\n你好");
  });

  test("a template that gathers answers at the end is refused", () => {
    expect(() => encodeChat(tokenizerOf("answers at once"), "a", known.chats["two turns"]!)).toThrow(
      expect.objectContaining({ code: "data/ambiguous-chat-template" }),
    );
  });

  test("a conversation without the assistant, a tokenizer without a template and one that breaks are refused", () => {
    const code = (run: () => unknown) => {
      try {
        run();
      } catch (error) {
        return (error as { code: string }).code;
      }
      return "none";
    };
    const user = [{ role: "user", content: "Hi" }];
    expect(code(() => encodeChat(tokenizerOf("chatml"), "a", user))).toBe("data/bad-messages");
    expect(code(() => renderChat(fixtureTokenizer("gpt2"), user))).toBe("data/bad-chat-template");
    expect(code(() => renderChat(fixtureTokenizer("gpt2", "{% for m in %}"), user))).toBe(
      "data/bad-chat-template",
    );
    expect(code(() => renderChat(fixtureTokenizer("gpt2", "{{ messages[0].content.nope() }}"), user))).toBe(
      "data/bad-chat-template",
    );
  });

  test("a template's date is the caller's, in English", () => {
    const tokenizer = fixtureTokenizer("qwen", "{{ strftime_now('%d %b %Y') }} {{ messages[0].content }}");
    expect(renderChat(tokenizer, [{ role: "user", content: "x" }], { date: new Date(2026, 4, 3) })).toBe(
      "03 May 2026 x",
    );
    // What is learnt does not depend on the day.
    const dated = fixtureTokenizer(
      "qwen",
      "{{ strftime_now('%d %b %Y') }} {{ messages[0].content }}{% if messages|length > 1 %}{{ messages[1].content }}{% endif %}",
    );
    const messages = [
      { role: "user", content: "x" },
      { role: "assistant", content: "y" },
    ];
    expect(dated.decode(encodeChat(dated, "a", messages).ids)).toBe("26 Jul 2024 xy");
  });
});

describe("tokens that carry loss", () => {
  const gpt2 = fixtureTokenizer("gpt2");
  const said = (labels: Int32Array) =>
    gpt2.decode(
      labels.filter((label) => label !== ignored),
      { keepSpecial: true },
    );

  test("of a prompt and a completion the completion does, with the end of the text", () => {
    const made = encodeCompletion(gpt2, "a", "The tuning fork", " gives a tone.");
    expect(gpt2.decode(made.ids)).toBe("The tuning fork gives a tone.");
    expect(said(made.labels)).toBe(" gives a tone.<|endoftext|>");
  });

  test("a token that reaches over the border belongs to the completion", () => {
    const made = encodeCompletion(gpt2, "a", "The tun", "ing fork");
    expect(said(made.labels)).toMatch(/ing fork<\|endoftext\|>$/);
    expect([...made.ids]).toEqual([...gpt2.encode("The tuning fork").ids, gpt2.special.eos!.id]);
  });

  test("of turns the last", () => {
    const tokenizer = tokenizerOf("chatml");
    const made = encodeCompletion(tokenizer, "a", known.chats["two turns"]!.slice(0, 3), [
      { role: "assistant", content: "yes" },
    ]);
    expect(
      tokenizer.decode(
        made.labels.filter((l) => l >= 0),
        { keepSpecial: true },
      ),
    ).toBe("yes<|im_end|>");
  });

  test("of a document all, and what is longer than allowed is cut and said to be", () => {
    const whole = encodeDocument(gpt2, "a", "one two three");
    expect(said(whole.labels)).toBe("one two three<|endoftext|>");
    const short = encodeDocument(gpt2, "a", "one two three", { maxLength: 2 });
    expect([short.ids.length, short.labels.length, short.isTruncated, whole.isTruncated]).toEqual([
      2,
      2,
      true,
      false,
    ]);
  });
});
