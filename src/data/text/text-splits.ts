import { DiapasonError } from "../../base/errors.ts";
import { random } from "../../base/random.ts";
import type { SplitName } from "../dataset.ts";
import { splitStratified } from "../stratified-split.ts";
import type { LabelKind, TextRow, TextSplitOptions } from "./text-dataset.ts";

type Splits = { readonly [S in SplitName]: readonly TextRow[] };

/** At most `limit` rows, chosen by `seed`; more of them with a higher limit. The order stays. */
export function limitRows(rows: readonly TextRow[], limit: number, seed: number): readonly TextRow[] {
  if (rows.length <= limit) return rows;
  const chosen = random(seed, "limit").permutation(rows.length).slice(0, limit).sort();
  return Array.from(chosen, (i) => rows[i]!);
}

/**
 * Completes the splits: where validation is missing a share of the training rows becomes it.
 *
 * Rows with one class each are held out class by class, others at random; whole documents lose their ends.
 * @throws data/class-too-small for a class with one row, data/no-text for a single row
 */
export function splitRows(
  parts: Partial<Splits> & Pick<Splits, "train">,
  { seed, validationShare, sampleBy = "document" }: TextSplitOptions,
  given: string,
  {
    labels,
    kind,
    classes,
  }: { readonly labels?: LabelKind; readonly kind: string; readonly classes: readonly string[] },
): { readonly splits: Splits; readonly origin: string } {
  const { train, validation, test = [] } = parts;
  if (validation || validationShare === 0)
    return { splits: { train, validation: validation ?? [], test }, origin: given };
  const share = `${Math.round(validationShare * 1000) / 10} %`;
  if (kind.startsWith("plain text") && sampleBy === "document") {
    const cut = train.map((row) => cutDocument(row, validationShare));
    return {
      splits: { train: cut.map(({ begin }) => begin), validation: cut.map(({ end }) => end), test },
      origin: `${given}; validation: the last ${share} of each document`,
    };
  }
  const isStratified = labels === "class" && train.every(({ values }) => typeof values.label === "string");
  const { kept, taken } = isStratified
    ? byClass(train, validationShare, seed, classes)
    : atRandom(train, validationShare, seed);
  return {
    splits: { train: kept, validation: taken, test },
    origin: `${given}; validation: seeded ${isStratified ? "stratified " : ""}split of train (${share})`,
  };
}

function byClass(train: readonly TextRow[], share: number, seed: number, classes: readonly string[]) {
  const numberOf = new Map(classes.map((name, i) => [name, i]));
  const examples = train.map((row) => ({
    id: row.id,
    label: numberOf.get(row.values.label as string)!,
    row,
  }));
  const { kept, taken } = splitStratified(examples, share, {
    seed,
    purpose: "validation",
    classes,
    what: "row",
  });
  return { kept: kept.map(({ row }) => row), taken: taken.map(({ row }) => row) };
}

function atRandom(train: readonly TextRow[], share: number, seed: number) {
  if (train.length < 2)
    throw new DiapasonError(
      "data/no-text",
      `${train[0]?.id ?? "The data"}: there is one row, which cannot be split into training and validation.`,
      "Add rows, or give validation rows in a file of their own.",
    );
  const count = Math.min(train.length - 1, Math.max(1, Math.round(train.length * share)));
  const order = random(seed, "split", "validation").permutation(train.length);
  const taken = new Set(order.subarray(0, count));
  return {
    kept: train.filter((_, i) => !taken.has(i)),
    taken: train.filter((_, i) => taken.has(i)),
  };
}

/** Cuts a document before the first line that starts in its last part, or before a word where it has one line. */
function cutDocument(row: TextRow, share: number): { readonly begin: TextRow; readonly end: TextRow } {
  const text = row.values.text!;
  const target = Math.floor(text.length * (1 - share));
  const newline = text.indexOf("\n", target);
  const space = text.indexOf(" ", target);
  const place = newline >= 0 && newline < text.length - 1 ? newline + 1 : space >= 0 ? space + 1 : target;
  const [first, last] = [text.slice(0, place), text.slice(place)];
  if (first.trim() === "" || last.trim() === "")
    throw new DiapasonError(
      "data/no-text",
      `${row.id}: the text has ${text.length} characters, too few to hold out a part for validation.`,
      "Add text, give validation text in a file of its own, or give a test split and --validation-share 0.",
    );
  const line = row.line + (first.match(/\n/g)?.length ?? 0);
  return {
    begin: { ...row, fields: { text: first }, values: { text: first } },
    end: { ...row, id: `${row.file}:${line}`, line, fields: { text: last }, values: { text: last } },
  };
}
