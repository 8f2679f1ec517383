import { bug, DiapasonError } from "../../base/errors.ts";
import { ignored } from "../../data/text/text-batches.ts";
import type { TextRow } from "../../data/text/text-dataset.ts";
import type { Encoding } from "../../data/text/tokenizer.ts";
import { checkFinite } from "../../evaluate/evaluate.ts";
import type { HostTensor } from "../../runtime/runtime.ts";
import { argmax, softmax } from "../../tasks/classification-metrics.ts";
import { type EntityMetrics, entitiesOf, entityMetrics } from "../../tasks/entities.ts";
import { problemTypes } from "../../tasks/label-loss.ts";
import type { Metrics } from "../../tune/events.ts";
import type { Table } from "../report/report.ts";
import { textOf } from "./encode.ts";
import type { ExampleBatch, JobContext, TextJob } from "./job.ts";
import { startOf } from "./judging.ts";
import { encoderRate } from "./rates.ts";
import { labelled, labelsInput, type TokenLabelled, tokenLoss } from "./token-loss-job.ts";
import { toldByScores } from "./told-by-scores.ts";

/** Words with a tag each, of which the first token carries it. */
export interface TaggedText extends TokenLabelled {
  readonly words: readonly string[];
  readonly tags: readonly string[];
  /** The token that each word's tag is read from; −1 for a word that was cut off. */
  readonly heads: Int32Array;
  /** Where words lie in a text that nobody has split. */
  readonly found?: { readonly text: string; readonly starts: readonly number[] };
}

/** What a tagger makes of texts. */
export interface TagEvaluation {
  readonly entities: EntityMetrics;
  /** Mean over all words, in nats. */
  readonly loss: number;
  readonly losses: readonly { readonly id: string; readonly loss: number }[];
  readonly predicted: readonly { readonly id: string; readonly tags: readonly string[] }[];
}

const output = "logits";

/** A tag for each word, and so the entities of a text. */
export function tagsJob({
  classes,
  tokenizer,
  maxTokens,
  labelSmoothing,
}: JobContext): TextJob<TaggedText, TagEvaluation> {
  const numbers = new Map(classes.map((name, i) => [name, i]));
  const { attach } = tokenLoss(labelSmoothing);
  const first = (batch: ExampleBatch<TaggedText>, row: number): number =>
    row * batch.tokens + startOf(batch, row, tokenizer);
  const encode = (row: TextRow): TaggedText => {
    const { id, values } = row;
    const found = values.tokens ? undefined : findWords(textOf(row));
    const words = values.tokens ?? found!.words;
    const tags = values.tags ?? words.map(() => "O");
    const encoding = tokenizer.encodeWords(words, { maxLength: maxTokens });
    const heads = headsOf(encoding, words.length);
    const labels = new Int32Array(encoding.ids.length).fill(ignored);
    heads.forEach((at, word) => {
      if (at >= 0) labels[at] = numbers.get(tags[word]!) ?? ignored;
    });
    return { id, ...encoding, words, tags, heads, labels, ...(found && { found }) };
  };
  const checked = (row: TextRow): TaggedText => {
    if (row.values.tokens && row.values.tags) return encode(row);
    throw new DiapasonError(
      "data/no-text",
      `${row.id} has no words with tags.`,
      'Give rows of "tokens" and "ner_tags", or a CoNLL file.',
    );
  };
  return {
    head: "token-classification",
    learningRate: encoderRate,
    labels: classes,
    // What a base was for would else be taken for what the tags are.
    config: { problem_type: problemTypes.class },
    encode: async (rows) => rows.map(checked),
    encodeUnlabelled: async (rows) => rows.map(encode),
    attach: (graph, model) => ({ ...attach(graph, model), outputs: [output] }),
    targets: ({ labels }) => (labels ? { [labelsInput]: labels } : {}),
    countOf: ({ labels }) => labelled(labels),
    ...toldByScores({
      loss: "cross-entropy of the tags",
      shares: ["F1", "precision", "recall", "word accuracy"],
      tokenizer,
      scoresOf: (evaluation: TagEvaluation) => ({
        metrics: metricsOf(evaluation),
        losses: evaluation.losses,
      }),
      tables: ({ entities }) => [typeTable(entities)],
      lines: ({ predicted }) => predicted,
    }),
    goal: { name: "F1", mode: "max", tie: { name: "loss", mode: "min" } },
    judge() {
      const sentences: { id: string; wanted: readonly string[]; predicted: readonly string[] }[] = [];
      const losses: { id: string; loss: number }[] = [];
      let total = 0;
      let words = 0;
      return {
        add(batch, outputs) {
          batch.examples.forEach((example, i) => {
            const rows = sharesOf(example, first(batch, i), outputs[output]!, classes.length);
            let sum = 0;
            const predicted = example.tags.map((tag, word) => {
              const shares = rows[word];
              // A word that was cut off counts as found outside of any entity.
              if (!shares) return "O";
              sum -= Math.log(Math.max(shares[numbers.get(tag)!]!, Number.MIN_VALUE));
              return classes[argmax(shares)]!;
            });
            const seen = rows.filter((row) => row !== undefined).length;
            total += sum;
            words += seen;
            losses.push({ id: example.id, loss: sum / Math.max(1, seen) });
            sentences.push({ id: example.id, wanted: example.tags, predicted });
          });
        },
        finish: () => ({
          entities: entityMetrics(sentences),
          loss: total / Math.max(1, words),
          losses,
          predicted: sentences.map(({ id, predicted }) => ({ id, tags: predicted })),
        }),
      };
    },
    say(batch, outputs) {
      return batch.examples.map((example, i) => {
        const rows = sharesOf(example, first(batch, i), outputs[output]!, classes.length);
        const tags = rows.map((shares) => (shares ? classes[argmax(shares)]! : "O"));
        return {
          type: "entities",
          id: example.id,
          entities: entitiesOf(tags).map(({ type, start, end }) => ({
            label: type,
            ...textOfWords(example, start, end),
            words: [start, end] as const,
            probability: Math.min(...rows.slice(start, end).map((shares) => Math.max(...shares!))),
          })),
        };
      });
    },
    checks: checksOf,
  };
}

const metricsOf = ({ entities, loss }: TagEvaluation): Metrics => ({
  F1: entities.f1,
  precision: entities.precision,
  recall: entities.recall,
  "word accuracy": entities.wordAccuracy,
  loss,
});

/** The first token of each word. */
function headsOf(
  { ids, wordIds = bug("words were encoded without their numbers") }: Encoding,
  words: number,
): Int32Array {
  const heads = new Int32Array(words).fill(-1);
  for (let t = ids.length - 1; t >= 0; t--) if (wordIds[t]! >= 0) heads[wordIds[t]!] = t;
  return heads;
}

/** Probabilities of the tags of each word; undefined for one that was cut off. `start`: the text's first token in the batch. */
function sharesOf(
  { id, heads }: TaggedText,
  start: number,
  { data }: HostTensor,
  classes: number,
): (Float64Array | undefined)[] {
  return Array.from(heads, (at) => {
    if (at < 0) return undefined;
    const from = (start + at) * classes;
    const own = (data as Float32Array).subarray(from, from + classes);
    checkFinite(own, id);
    return softmax(own);
  });
}

/** Words and marks of a text that nobody has split: runs of letters and digits, and every other sign for itself. */
function findWords(text: string) {
  const found = [...text.matchAll(/[\p{L}\p{M}\p{N}]+(?:['’.-][\p{L}\p{M}\p{N}]+)*|[^\s]/gu)];
  return { text, words: found.map(([word]) => word), starts: found.map(({ index }) => index) };
}

/** Words as they stand in their text, and where; of words that were split already only themselves. */
function textOfWords({ words, found }: TaggedText, start: number, end: number) {
  if (!found) return { text: words.slice(start, end).join(" ") };
  const characters = [found.starts[start]!, found.starts[end - 1]! + words[end - 1]!.length] as const;
  return { text: found.text.slice(...characters), characters };
}

function checksOf(examples: readonly TaggedText[]) {
  const words = examples.reduce((sum, { words: own }) => sum + own.length, 0);
  const outside = examples.reduce((sum, { tags }) => sum + tags.filter((tag) => tag === "O").length, 0);
  return [
    {
      what: "loss",
      found: `${(100 * (1 - outside / Math.max(1, words))).toFixed(1)} % of ${words} training words are in an entity`,
      isFine: outside < words,
    },
  ];
}

const typeTable = ({ perType }: EntityMetrics): Table => ({
  title: "Type by type",
  head: ["type", "precision %", "recall %", "F1 %", "entities"],
  rows: perType.map(({ type, precision, recall, f1, support }) => [
    type,
    ...[precision, recall, f1].map((share) => (100 * share).toFixed(1)),
    String(support),
  ]),
  note: "An entity is right where its type and both of its ends are.",
});
