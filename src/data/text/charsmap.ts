/**
 * SentencePiece's compiled character map: a trie of what is replaced, and the replacements.
 *
 * Layout: the size of the trie in bytes (32 bits, little-endian), the trie as a double array (Darts) of 32-bit units, then
 * the replacements as UTF-8, each ended by a zero byte. Source: google/sentencepiece, normalizer.cc.
 */
export function charsmapOf(base64: string): (text: string) => string {
  if (base64 === "") return (text) => text;
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const size = view.getUint32(0, true);
  if (size % 4 !== 0 || 4 + size > bytes.length) throw new Error("its character map is damaged");
  const units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const replacements = bytes.subarray(4 + size);
  const known = new Map<string, string | undefined>();
  const replace = (text: string): string | undefined => {
    if (known.has(text)) return known.get(text);
    const place = firstMatch(units, new TextEncoder().encode(text));
    const found =
      place === undefined
        ? undefined
        : new TextDecoder().decode(replacements.subarray(place, replacements.indexOf(0, place)));
    if (known.size < 100_000) known.set(text, found);
    return found;
  };
  return (text) => normalizeGraphemes(text, replace);
}

/** The value of the shortest key of a Darts trie that the bytes begin with. */
function firstMatch(units: Uint32Array, key: Uint8Array): number | undefined {
  const offset = (unit: number) => (unit >>> 10) << ((unit & (1 << 9)) >>> 6);
  let at = offset(units[0] ?? 0);
  for (const byte of key) {
    // A zero byte ends keys; none holds one.
    if (byte === 0) return undefined;
    at ^= byte;
    const unit = units[at];
    if (unit === undefined || (unit & ((1 << 31) | 0xff)) >>> 0 !== byte) return undefined;
    at ^= offset(unit);
    if ((unit >>> 8) & 1) return (units[at] ?? 0) & 0x7fffffff;
  }
  return undefined;
}

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });
const encoder = new TextEncoder();
/** Runs in which characters may join to graphemes of several: what is not ASCII, and the character before it. */
const joined = /[\0-\x7F]?[^\0-\x7F]+|\r\n/g;

/**
 * Replaces graphemes of fewer than 6 bytes as wholes, and what is not in the map so character by character. That a
 * grapheme is replaced by what its beginning stands for is how Rust's `tokenizers` does it.
 */
function normalizeGraphemes(text: string, replace: (part: string) => string | undefined): string {
  let made = "";
  let done = 0;
  const single = (part: string) => {
    for (const character of part) made += replace(character) ?? character;
  };
  for (const match of text.matchAll(joined)) {
    single(text.slice(done, match.index));
    done = match.index + match[0].length;
    for (const { segment } of segmenter.segment(match[0])) {
      const whole = encoder.encode(segment).length < 6 ? replace(segment) : undefined;
      if (whole === undefined) single(segment);
      else made += whole;
    }
  }
  single(text.slice(done));
  return made;
}
