import { charsmapOf } from "./charsmap.ts";
import { type PatternConfig, rustPattern } from "./rust-pattern.ts";
import { rustMarks, rustNonspacing } from "./rust-unicode.ts";
import {
  checkGrowth,
  flatSteps,
  inserted,
  isWhiteSpace,
  lowerCase,
  type PartConfig,
  rowOf,
  toByteCharacters,
} from "./token-parts.ts";

/** What a tokenizer does to a text before it cuts it. */
export type Normalizer = (text: string) => string;

const marks = new RegExp(rustMarks, "gv");
const nonspacing = new RegExp(rustNonspacing, "gv");

/** What each normalizer of tokenizer.json does, as Rust's `tokenizers` does it. */
const normalizers: Readonly<Record<string, (config: PartConfig) => Normalizer>> = {
  BertNormalizer: bert,
  Precompiled: ({ precompiled_charsmap: map }) => charsmapOf(String(map ?? "")),
  Replace(config) {
    const { pattern, content } = config as { readonly pattern?: PatternConfig; readonly content?: string };
    const found = rustPattern(pattern);
    const put = inserted(content ?? "");
    return (text) => text.replace(found, () => put);
  },
  NFC: () => (text) => text.normalize("NFC"),
  NFD: () => (text) => text.normalize("NFD"),
  NFKC: () => (text) => text.normalize("NFKC"),
  NFKD: () => (text) => text.normalize("NFKD"),
  Strip:
    ({ strip_left: left, strip_right: right }) =>
    (text) => {
      let [start, end] = [0, text.length];
      while (left && start < end && isWhiteSpace(text, start)) start++;
      while (right && end > start && isWhiteSpace(text, end - 1)) end--;
      return text.slice(start, end);
    },
  StripAccents: () => (text) => text.replace(marks, ""),
  Lowercase: () => lowerCase,
  Prepend({ prepend }) {
    const put = inserted(String(prepend));
    return (text) => (text === "" ? text : put + text);
  },
  ByteLevel: () => toByteCharacters,
};

/** The normalizer of a tokenizer.json; none leaves texts as they are. @throws Error for one that is not known */
export function buildNormalizer(config: unknown): Normalizer {
  if (!config) return (text) => text;
  const steps = flatSteps(config as PartConfig, "normalizers").map((step) =>
    rowOf(normalizers, step, "normalizer")(step),
  );
  return (text) =>
    steps.reduce((made, step) => {
      const next = step(made);
      checkGrowth(next.length, text.length, "normalizer");
      return next;
    }, text);
}

/** Whether a normalizer cuts what a text begins with. */
export function stripsStart(config: unknown): (text: string) => boolean {
  const { type, strip_left: left, normalizers: steps, pattern, content } = (config ?? {}) as PartConfig;
  if (Array.isArray(steps)) {
    const each = steps.map(stripsStart);
    return (text) => each.some((strips) => strips(text));
  }
  if (type === "Strip") return (text) => left === true && isWhiteSpace(text, 0);
  if (type !== "Replace" || content !== "") return () => false;
  const found = rustPattern(pattern as PatternConfig);
  return (text) => {
    found.lastIndex = 0;
    return found.exec(text)?.index === 0;
  };
}

// Ranges of Chinese characters as in Rust's normalizer, which begins the extension E at U+2B920 instead of U+2B820.
const chinese =
  /[\u4E00-\u9FFF\u3400-\u4DBF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B920}-\u{2CEAF}\uF900-\uFAFF\u{2F800}-\u{2FA1F}]/gu;
// Control, format and private characters; some that Unicode has gained since are none to Rust.
const control = /[^\P{C}\p{Cn}\t\n\r\u0890\u0891\u08E2\u{110CD}\u{13430}-\u{1343F}]|\uFFFD/gu;
const space = /\p{White_Space}/gu;

function bert({
  clean_text: clean,
  handle_chinese_chars: apart,
  strip_accents: strip,
  lowercase: lower,
}: PartConfig): Normalizer {
  return (given) => {
    let text = given;
    if (clean) text = text.replace(control, "").replace(space, " ");
    if (apart) text = text.replace(chinese, " $& ");
    if (strip ?? lower) text = text.normalize("NFD").replace(nonspacing, "");
    return lower ? lowerCase(text) : text;
  };
}
