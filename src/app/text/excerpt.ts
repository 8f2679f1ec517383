import type { TextTokenizer } from "../../data/text/tokenizer.ts";
import type { EncodedText } from "./job.ts";
import type { TextGroup } from "./text-groups.ts";

/** The start of a text, on one line. */
export const excerpt = (text: string): string => {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 280 ? `${line.slice(0, 279)}…` : line;
};

/** An example as the model reads it: without what its tokenizer drops; the texts of a group one after the other. */
export function readText(
  example: EncodedText & Partial<Pick<TextGroup, "parts">>,
  { decode }: Pick<TextTokenizer, "decode">,
): string {
  const parts = example.parts ?? [example];
  return excerpt(parts.map(({ ids }) => decode(ids)).join(" | "));
}
