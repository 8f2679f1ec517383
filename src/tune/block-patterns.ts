import { DiapasonError, nearest } from "../base/errors.ts";
import type { Block } from "../models/model.ts";

/**
 * The blocks that patterns choose, from the input end. Blocks are ordered from the input to the head.
 *
 * A pattern is a block's name, a name with `*` for any text, "head", "all", "top:3" (the head and the 3 blocks below
 * it), or "all-but:" before any of these.
 * @throws tune/unknown-block when a pattern chooses nothing.
 */
export function chooseBlocks(patterns: readonly string[], blocks: readonly Block[]): readonly string[] {
  const names = blocks.map((block) => block.name);
  const chosen = new Set(patterns.flatMap((pattern) => matches(pattern, names)));
  return names.filter((name) => chosen.has(name));
}

function matches(pattern: string, names: readonly string[]): readonly string[] {
  if (pattern === "all") return names;
  if (pattern.startsWith("all-but:")) {
    const without = new Set(matches(pattern.slice("all-but:".length), names));
    const rest = names.filter((name) => !without.has(name));
    return rest.length > 0 ? rest : unknown(pattern, names);
  }
  const top = /^top:(\d+)$/.exec(pattern);
  if (top) return names.slice(-1 - Number(top[1]));
  if (names.includes(pattern)) return [pattern];
  if (pattern === "head") return names.slice(-1);
  const expression = new RegExp(`^${pattern.split("*").map(escapeRegExp).join(".*")}$`);
  const found = names.filter((name) => expression.test(name));
  return found.length > 0 ? found : unknown(pattern, names);
}

function unknown(pattern: string, names: readonly string[]): never {
  const near = nearest(pattern, names);
  throw new DiapasonError(
    "tune/unknown-block",
    `No block of this model is meant by "${pattern}"; it has ${listed(names)}.`,
    near
      ? `Write "${near}", or choose with *, "head", "top:2", "all" or "all-but:${near}".`
      : 'Name one of these blocks, or choose with *, "head", "top:2", "all" or "all-but:…".',
  );
}

const listed = (names: readonly string[]) =>
  names.length <= 12
    ? names.join(", ")
    : `${names.slice(0, 6).join(", ")}, … (${names.length - 9} more), ${names.slice(-3).join(", ")}`;

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
