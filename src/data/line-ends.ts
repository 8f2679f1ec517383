/**
 * What ends the lines of a text: rows that were put behind another program's may end otherwise than those. Old Macs' end in
 * a return alone.
 */
export const lineEndsOf = (text: { includes(mark: string): boolean }): string[] =>
  text.includes("\n") ? ["\r\n", "\n"] : ["\r"];
