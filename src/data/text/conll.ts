import { DiapasonError } from "../../base/errors.ts";
import type { RawRow } from "./read-values.ts";

const tag = /^(O|[BIESLUM]-\S+)$/;
const isRule = (line: string) => line.trim() === "" || line.startsWith("-DOCSTART-") || line.startsWith("# ");

/** Whether a text is a table of words and tags: its first lines all have as many columns, the last of which is a tag. */
export function seemsConll(text: string): boolean {
  const lines = text
    .slice(0, 20_000)
    .split(/\r?\n/)
    .slice(0, 200)
    .filter((line) => !isRule(line));
  // The last line may be cut.
  const rows = lines.slice(0, lines.length > 1 ? -1 : 1).map((line) => line.trim().split(/\s+/));
  const width = rows[0]?.length ?? 0;
  return width >= 2 && rows.every((row) => row.length === width && tag.test(row.at(-1)!));
}

/**
 * Sentences of a CoNLL file: a word a line with its tag in the last column, an empty line after each sentence.
 *
 * @throws data/bad-row for a line without a tag
 */
export function parseConll(text: string, name: string): readonly RawRow[] {
  const rows: RawRow[] = [];
  let tokens: string[] = [];
  let tags: string[] = [];
  let start = 1;
  const end = () => {
    if (tokens.length > 0) rows.push({ fields: { tokens, ner_tags: tags }, line: start });
    [tokens, tags] = [[], []];
  };
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (isRule(line)) {
      // A word may be "#" itself; only between sentences does it begin a comment.
      if (!line.startsWith("# ") || tokens.length === 0) {
        end();
        continue;
      }
    }
    const columns = line.trim().split(/\s+/);
    if (columns.length < 2)
      throw new DiapasonError(
        "data/bad-row",
        `${name}:${i + 1}: ${JSON.stringify(line)} has no tag; expected a word, then its tag.`,
        "Write a word and its tag on every line, and an empty line after every sentence.",
      );
    if (tokens.length === 0) start = i + 1;
    tokens.push(columns[0]!);
    tags.push(columns.at(-1)!);
  }
  end();
  return rows;
}
