import { rowOf } from "./token-parts.ts";

/** A place in what a tokenizer gives: special tokens, or one of the texts. */
export type TemplateItem =
  | { readonly special: readonly number[]; readonly typeId: number }
  | { readonly sequence: "A" | "B"; readonly typeId: number };

/** Where special tokens stand around one text, and around two. */
export interface TokenTemplate {
  readonly single: readonly TemplateItem[];
  readonly pair: readonly TemplateItem[];
}

const a = { sequence: "A", typeId: 0 } as const;
const b = { sequence: "B", typeId: 1 } as const;
const bare: TokenTemplate = { single: [a], pair: [a, b] };

type Config = Readonly<Record<string, unknown>>;
const special = (typeId: number, ...ids: readonly number[]): TemplateItem => ({ special: ids, typeId });
const idIn = (pair: unknown): number => (pair as readonly [string, number])[1];

/** How each post-processor of tokenizer.json places special tokens; undefined: it places none. */
const templates: Readonly<Record<string, (config: Config) => TokenTemplate | undefined>> = {
  ByteLevel: () => undefined,
  BertProcessing({ cls, sep }) {
    const [first, end] = [idIn(cls), idIn(sep)];
    return {
      single: [special(0, first), a, special(0, end)],
      pair: [special(0, first), a, special(0, end), b, special(1, end)],
    };
  },
  RobertaProcessing({ cls, sep }) {
    const [first, end] = [idIn(cls), idIn(sep)];
    return {
      single: [special(0, first), a, special(0, end)],
      pair: [special(0, first), a, special(0, end), special(0, end), { ...b, typeId: 0 }, special(0, end)],
    };
  },
  TemplateProcessing({ single, pair, special_tokens: tokens }) {
    const known = tokens as Readonly<Record<string, { readonly ids: readonly number[] }>>;
    const items = (list: unknown): readonly TemplateItem[] =>
      (list as readonly Readonly<Record<string, { readonly id: string; readonly type_id: number }>>[]).map(
        ({ SpecialToken, Sequence }) =>
          SpecialToken
            ? { special: known[SpecialToken.id]!.ids, typeId: SpecialToken.type_id }
            : { sequence: Sequence!.id as "A" | "B", typeId: Sequence!.type_id },
      );
    return { single: items(single), pair: items(pair) };
  },
  Sequence: ({ processors }) =>
    (processors as readonly Config[]).map(templateOf).reduce((found, one) => one ?? found, undefined),
};

function templateOf(config: Config): TokenTemplate | undefined {
  return rowOf(templates, config, "post-processor")(config);
}

/** The template of a tokenizer.json's post_processor. @throws Error for one that is not known */
export const tokenTemplate = (config: unknown): TokenTemplate =>
  (config ? templateOf(config as Config) : undefined) ?? bare;

/** Special tokens that a template adds. */
export const countSpecial = (items: readonly TemplateItem[]): number =>
  items.reduce((count, item) => count + ("special" in item ? item.special.length : 0), 0);

/**
 * Lengths of two texts cut to `room` tokens together, the longer first, as `tokenizers` does for `longest_first`.
 *
 * Source: huggingface/tokenizers, `truncate_encodings`.
 */
export function cutPair(first: number, second: number, room: number): readonly [number, number] {
  if (first + second <= room) return [first, second];
  const isSwapped = first > second;
  let [short, long] = isSwapped ? [second, first] : [first, second];
  long = short > room ? short : Math.max(short, room - short);
  if (short + long > room) {
    short = Math.floor(room / 2);
    long = short + (room % 2);
  }
  return isSwapped ? [long, short] : [short, long];
}
