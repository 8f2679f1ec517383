import type { Verb } from "../app/index.node.ts";
import { DiapasonError } from "../base/errors.ts";

/**
 * Options in which a "-" among things that may be many, such as what is predicted, is replaced by the lines of standard
 * input, those of blanks left out.
 *
 * @throws app/bad-option for what is no UTF-8, app/missing-option where there is no line
 */
export async function withStandardInput(
  { positionals }: Pick<Verb, "positionals">,
  options: Readonly<Record<string, unknown>>,
  stdin: AsyncIterable<Uint8Array>,
): Promise<Record<string, unknown>> {
  const many = positionals.find(({ option, many }) => many && isAsked(options[option]));
  if (!many) return { ...options };
  const lines = await linesOf(stdin);
  const given = options[many.option] as readonly string[];
  return { ...options, [many.option]: given.flatMap((word) => (word === "-" ? lines : [word])) };
}

const isAsked = (given: unknown): boolean => Array.isArray(given) && given.includes("-");

async function linesOf(stdin: AsyncIterable<Uint8Array>): Promise<readonly string[]> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  try {
    for await (const part of stdin) text += decoder.decode(part, { stream: true });
    text += decoder.decode();
  } catch (cause) {
    throw new DiapasonError(
      "app/bad-option",
      "Standard input is no text in UTF-8.",
      "Convert it, or give the names of files.",
      cause,
    );
  }
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length > 0) return lines;
  throw new DiapasonError(
    "app/missing-option",
    'Standard input, asked for by "-", has no line.',
    "Pipe one text, or one name of a file, a line.",
  );
}
