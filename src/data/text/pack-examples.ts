import { DiapasonError } from "../../base/errors.ts";
import { ignored, type TokenExample } from "./text-batches.ts";

/**
 * Puts examples of a language model into rows of at most `length` tokens, as many as fit.
 *
 * The longest first, each into the row with the least room that is enough (best fit on the lengths, SPFHP of Krell et al.
 * 2021). A row's `segments` say which example a token is of and `positions` start again with each; the first token of an
 * example carries no loss, because what stands before it is another's.
 * @throws data/bad-option for an example longer than `length`
 */
export function packExamples(examples: readonly TokenExample[], length: number): readonly TokenExample[] {
  const long = examples.find(({ ids }) => ids.length > length);
  if (long)
    throw new DiapasonError(
      "data/bad-option",
      `${long.id} has ${long.ids.length} tokens, and rows have room for ${length}.`,
      "Cut examples to the length of a row before they are packed.",
    );
  const order = examples
    .map((_, i) => i)
    .filter((i) => examples[i]!.ids.length > 0)
    .sort((a, b) => examples[b]!.ids.length - examples[a]!.ids.length || a - b);
  const packs: number[][] = [];
  // Rows by the room that they have left.
  const byRoom: number[][] = Array.from({ length: length + 1 }, () => []);
  for (const place of order) {
    const size = examples[place]!.ids.length;
    let room = size;
    while (room <= length && byRoom[room]!.length === 0) room++;
    const row = room <= length ? byRoom[room]!.pop()! : packs.push([]) - 1;
    packs[row]!.push(place);
    byRoom[Math.min(room, length) - size]!.push(row);
  }
  return packs.map((places) => joinExamples(places.map((place) => examples[place]!)));
}

function joinExamples(parts: readonly TokenExample[]): TokenExample {
  const length = parts.reduce((sum, { ids }) => sum + ids.length, 0);
  const ids = new Int32Array(length);
  const labels = new Int32Array(length).fill(ignored);
  const segments = new Int32Array(length);
  const positions = new Int32Array(length);
  let at = 0;
  for (const [i, part] of parts.entries()) {
    ids.set(part.ids, at);
    labels.set(part.labels ?? part.ids, at);
    labels[at] = ignored;
    for (let t = 0; t < part.ids.length; t++, at++) {
      segments[at] = i + 1;
      positions[at] = t;
    }
  }
  return { id: parts.map(({ id }) => id).join(" + "), ids, labels, segments, positions };
}

/**
 * Cuts the tokens of a text into windows of `length` for a language model.
 *
 * `stride`: tokens from one window's start to the next's, 1 … length; absent: `length`, so that none is read twice.
 * Tokens that an earlier window had carry no loss. A last window of fewer than 2 tokens, which predicts nothing, is left
 * out.
 */
export function cutWindows(
  id: string,
  ids: Int32Array,
  { length, stride = length }: { readonly length: number; readonly stride?: number },
): readonly TokenExample[] {
  if (!(length >= 2) || !(stride >= 1 && stride <= length))
    throw new DiapasonError(
      "data/bad-option",
      `Windows of ${length} tokens every ${stride}; expected at least 2 tokens, and a stride from 1 to that.`,
      "Give a context length such as 256.",
    );
  const windows: TokenExample[] = [];
  for (let start = 0, seen = 0; seen < ids.length && ids.length - start >= 2; start += stride) {
    const end = Math.min(start + length, ids.length);
    const part = ids.slice(start, end);
    const labels = part.slice();
    labels.fill(ignored, 0, Math.max(0, seen - start));
    windows.push({ id: `${id} tokens ${start}-${end - 1}`, ids: part, labels });
    seen = end;
  }
  return windows;
}
