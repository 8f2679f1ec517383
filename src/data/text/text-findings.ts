import type { DataFinding, SplitName } from "../dataset.ts";
import { isPlainText } from "./plain-text.ts";
import type { LabelKind, TextRow } from "./text-dataset.ts";
import { classesOf } from "./text-labels.ts";

type Splits = { readonly [S in SplitName]: readonly TextRow[] };

/** Beyond this a row is worth a word: a book in one field, or a file whose line breaks are lost. */
const longCharacters = 1_000_000;

/** What is worth telling of rows: duplicates within and across splits, contradictions, balance, texts of great length. */
export function textFindings(
  splits: Splits,
  { labels, classes }: { readonly labels?: LabelKind; readonly classes: readonly string[] },
): readonly DataFinding[] {
  return [
    ...unread(splits.train),
    ...duplicates(splits),
    ...balance(splits.train, labels, classes),
    ...longTexts(splits),
  ];
}

/** Answers that a column marks as bad ones are learnt like the good: preferences without pairs are no task. */
function* unread(train: readonly TextRow[]): Generator<DataFinding> {
  const bad = train.filter(
    ({ fields, values: { completion } }) => completion !== undefined && fields["label"] === false,
  );
  if (bad[0])
    yield {
      kind: "unread-label",
      message: `The column "label" is not read: ${bad.length} training answers with false in it, such as ${bad[0].id}, are learnt like the others. Remove those rows, or pair them as chosen and rejected.`,
    };
}

/** What makes two rows the same example: everything but the label, without regard to case and spaces. */
function keyOf({ values: { label: _, tags: __, score: ___, ...rest } }: TextRow): string {
  return JSON.stringify(rest).toLowerCase().replace(/\s+/g, " ");
}

function* duplicates(splits: Splits): Generator<DataFinding> {
  const train = new Map<string, TextRow>();
  let [within, contradicting] = [0, 0];
  let [example, contradiction]: (string | undefined)[] = [];
  for (const row of splits.train) {
    const key = keyOf(row);
    const earlier = train.get(key);
    if (!earlier) {
      train.set(key, row);
      continue;
    }
    within++;
    example ??= `${row.id} is ${earlier.id}`;
    if (JSON.stringify(earlier.values.label) === JSON.stringify(row.values.label)) continue;
    contradicting++;
    contradiction ??= `${row.id} and ${earlier.id}`;
  }
  if (within > 0)
    yield {
      kind: "duplicates",
      message: `${within} of ${splits.train.length} training rows are duplicates (${example}).`,
    };
  if (contradicting > 0)
    yield {
      kind: "contradictions",
      message: `${contradicting} training rows have the text of another and a different label (${contradiction}).`,
    };
  for (const split of ["validation", "test"] as const) {
    const shared = splits[split].filter((row) => train.has(keyOf(row)));
    if (shared[0])
      yield {
        kind: "leakage",
        message: `${shared.length} of ${splits[split].length} ${split} rows are among the training rows too (${shared[0].id} is ${train.get(keyOf(shared[0]))!.id}); metrics on them flatter.`,
      };
  }
}

/** Rows of each class, in the order of `classes`. */
export function countClasses(rows: readonly TextRow[], classes: readonly string[]): readonly number[] {
  const counts = new Map(classes.map((name) => [name, 0]));
  for (const row of rows) for (const name of classesOf(row)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return classes.map((name) => counts.get(name)!);
}

function* balance(
  train: readonly TextRow[],
  labels: LabelKind | undefined,
  classes: readonly string[],
): Generator<DataFinding> {
  if (labels !== "class" || classes.length < 2 || train[0]?.values.tags !== undefined) return;
  const counts = countClasses(train, classes);
  const [most, least] = [Math.max(...counts), Math.min(...counts)];
  if (most <= 3 * least) return;
  const shares = classes
    .map((name, i) => ({ name, share: counts[i]! / train.length }))
    .sort((a, b) => b.share - a.share);
  const shown = (shares.length > 6 ? [...shares.slice(0, 3), ...shares.slice(-2)] : shares)
    .map(({ name, share }) => `"${name}" ${(100 * share).toFixed(1)} %`)
    .join(", ");
  yield {
    kind: "class-balance",
    message: `The classes are unbalanced in training: ${shown}. Accuracy flatters the frequent ones; macro-F1 does not.`,
  };
}

function* longTexts(splits: Splits): Generator<DataFinding> {
  for (const rows of Object.values(splits)) {
    const long = rows.filter(
      ({ values: { text, pair } }) => (text?.length ?? 0) + (pair?.length ?? 0) > longCharacters,
    );
    if (long[0] && !isPlainText(long[0].file))
      yield {
        kind: "long-text",
        message: `${long[0].id} has ${(long[0].values.text ?? "").length} characters${long.length > 1 ? ` (and ${long.length - 1} more rows are as long)` : ""}. A line break or a quote may be missing there.`,
      };
  }
}
