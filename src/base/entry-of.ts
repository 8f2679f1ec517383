/**
 * What a table holds under a key that a file or a user named; undefined where it holds nothing of its own, so that
 * "constructor" is a key like any other.
 */
export const entryOf = <T>(table: { readonly [key: string]: T }, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;
