/** Words from `start` up to but not including `end` that are one thing. */
export interface Entity {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

/** A tag taken apart: "B-PER" is the prefix B of PER. */
function parts(tag: string): { readonly prefix: string; readonly type: string } {
  if (tag === "O" || tag === "") return { prefix: "O", type: "" };
  const match = /^([BIESLUM])[-_](.+)$/.exec(tag);
  // A tag without a prefix is inside an entity of its own name, as in data that mark words alone.
  return match ? { prefix: match[1]!, type: match[2]! } : { prefix: "I", type: tag };
}

/** Prefixes that end an entity with their word, and those that begin one. */
const ends = new Set(["E", "L", "S", "U"]);
const begins = new Set(["B", "S", "U"]);

/**
 * The entities of a sentence by its tags, in IOB1, IOB2, IOE, IOBES or BILOU.
 *
 * As in conlleval, and so in seqeval's default mode, an entity also begins where the type changes or an I- follows O.
 */
export function entitiesOf(tags: readonly string[]): Entity[] {
  const entities: Entity[] = [];
  let open: { readonly type: string; readonly start: number } | undefined;
  const close = (end: number) => {
    if (open) entities.push({ ...open, end });
    open = undefined;
  };
  tags.forEach((tag, i) => {
    const { prefix, type } = parts(tag);
    if (prefix === "O" || begins.has(prefix) || open?.type !== type) close(i);
    if (prefix === "O") return;
    open ??= { type, start: i };
    if (ends.has(prefix)) close(i + 1);
  });
  close(tags.length);
  return entities;
}

export interface EntityScore {
  readonly type: string;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Entities of this type that there are. */
  readonly support: number;
}

export interface EntityMetrics {
  /** Over entities of all types: type and both ends must be right. */
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Share of words whose tag is right, 0…1. */
  readonly wordAccuracy: number;
  readonly perType: readonly EntityScore[];
}

/**
 * Entity-level scores of sentences, wanted against predicted tags. Ratios over nothing are 0.
 * Source: seqeval 1.2 (default mode) and conlleval.
 */
export function entityMetrics(
  sentences: readonly { readonly wanted: readonly string[]; readonly predicted: readonly string[] }[],
): EntityMetrics {
  const counts = new Map<string, { hits: number; predicted: number; wanted: number }>();
  const countOf = (type: string) => {
    const known = counts.get(type) ?? { hits: 0, predicted: 0, wanted: 0 };
    counts.set(type, known);
    return known;
  };
  let words = 0;
  let right = 0;
  for (const { wanted, predicted } of sentences) {
    wanted.forEach((tag, i) => {
      words++;
      if (tag === predicted[i]) right++;
    });
    const there = new Set(entitiesOf(wanted).map(nameOf));
    for (const entity of entitiesOf(wanted)) countOf(entity.type).wanted++;
    for (const entity of entitiesOf(predicted)) {
      const count = countOf(entity.type);
      count.predicted++;
      if (there.has(nameOf(entity))) count.hits++;
    }
  }
  const all = { hits: 0, predicted: 0, wanted: 0 };
  for (const { hits, predicted, wanted } of counts.values()) {
    all.hits += hits;
    all.predicted += predicted;
    all.wanted += wanted;
  }
  const perType = [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([type, count]) => ({ type, ...scoreOf(count), support: count.wanted }));
  return { ...scoreOf(all), wordAccuracy: ratio(right, words), perType };
}

const nameOf = ({ type, start, end }: Entity): string => `${start} ${end} ${type}`;

const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b);

const scoreOf = ({
  hits,
  predicted,
  wanted,
}: {
  readonly hits: number;
  readonly predicted: number;
  readonly wanted: number;
}) => ({
  precision: ratio(hits, predicted),
  recall: ratio(hits, wanted),
  f1: ratio(2 * hits, predicted + wanted),
});
