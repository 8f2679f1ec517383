/** Characters of a line where nothing says how wide the terminal is: for lists and plots, which fit any width. */
export const usualWidth = 78;

/** A word that fills the column of labels ("Model   ", "Checked "), with the space behind it. */
const label = /^\S{1,7} +(?<=^.{8,})/;

/**
 * A text with lines of at most `width` characters, broken at spaces, between columns first. What is carried over stands under
 * what follows the line's label, else two characters further in than the line. A word that is longer, as a path, is left whole.
 */
export const wrapText = (text: string, width: number): string =>
  text
    .split("\n")
    .flatMap((line) => wrapLine(line, width))
    .join("\n");

function wrapLine(line: string, width: number): string[] {
  const indent = /^ */.exec(line)![0].length;
  const under = label.exec(line)?.[0].length ?? (indent >= 8 ? indent : indent + 2);
  const hang = under < width / 2 ? under : 2;
  const lines: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const from = lines.length === 0 ? Math.max(indent, under) : hang;
    const at = breakOf(rest, from, width);
    if (at === undefined) break;
    lines.push(rest.slice(0, at).trimEnd());
    rest = " ".repeat(hang) + rest.slice(at).trimStart();
  }
  return [...lines, rest];
}

/** Where a line is broken: at the last gap between columns in its second half, else at the last space, else at the next. */
function breakOf(line: string, from: number, width: number): number | undefined {
  const gap = line.lastIndexOf("  ", width);
  if (gap > Math.max(from, width / 2)) return gap;
  const space = line.lastIndexOf(" ", width);
  if (space > from) return space;
  const next = line.indexOf(" ", Math.max(width, from));
  return next < 0 ? undefined : next;
}

/** Items with commas on lines of at most `width` characters, under a label. */
export function wrapItems(label: string, items: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line = label;
  items.forEach((item, i) => {
    const text = `${item}${i < items.length - 1 ? "," : ""}`;
    if (line.trim() !== label.trim() && line.length + text.length > width) {
      lines.push(line.trimEnd());
      line = " ".repeat(label.length);
    }
    line += `${text} `;
  });
  return [...lines, line.trimEnd()];
}

/**
 * A table whose first line names its columns; where it is wider than `width`, a line for each row that names each cell, which
 * may be wrapped: "head: epochs 3; rate 0.01".
 */
export function narrowTable(table: string, width: number): string {
  const [head = "", ...rows] = table.split("\n");
  if (Math.max(head.length, ...rows.map((row) => row.length)) <= width) return table;
  const columns = [...head.matchAll(/\S+(?: \S+)*/g)].map((match) => ({
    name: match[0],
    start: match.index,
  }));
  return rows
    .map((row) => {
      const cells = columns.map(({ start }, i) => row.slice(start, columns[i + 1]?.start).trim());
      return `${cells[0]}: ${columns.flatMap(({ name }, i) => (i > 0 && cells[i] ? [`${name} ${cells[i]}`] : [])).join("; ")}`;
    })
    .join("\n");
}
