import { DiapasonError } from "../../base/errors.ts";
import type { TextRow } from "../../data/text/text-dataset.ts";
import { checkFinite } from "../../evaluate/evaluate.ts";
import { regressionMetrics } from "../../tasks/label-metrics.ts";
import { sentenceVectorOnHost } from "../../tasks/sentence-vector.ts";
import { attachRanking, attachScores, dot, retrievalMetrics } from "../../tasks/similarity.ts";
import type { OutputsOf } from "../judging.ts";
import { textOf } from "./encode.ts";
import type { JobContext, TextJob } from "./job.ts";
import { tokenFeeds } from "./judging.ts";
import { encoderRate } from "./rates.ts";
import { readSentenceModules, type SentenceModules, writeSentenceModules } from "./sentence-modules.node.ts";
import { collateGroups, groupFeeds, groupOf, type TextGroup } from "./text-groups.ts";
import { type TextScores, toldByScores } from "./told-by-scores.ts";
import { denseBeside } from "./weights-beside.ts";

/** Texts that belong together, or two with how near they are to be. */
export interface SimilarTexts extends TextGroup {
  /** 0…1; 0 where texts belong together. */
  readonly score: number;
}

/** Largest score in the data: scores are divided by it, since cosines end at 1. */
const largestScores = [1, 5, 10, 100];

/** Vectors of texts that are near where the texts mean the same. */
export async function similarityJob(context: JobContext): Promise<TextJob<SimilarTexts, TextScores>> {
  const { tokenizer, maxTokens, shape, folder } = context;
  const modules = await readSentenceModules(folder);
  const from = { vector: modules, fillsLeft: tokenizer.paddingSide === "left" };
  const beside = denseBeside(modules);
  const written = ({ prompt, lowersCase }: SentenceModules, text: string) =>
    prompt + (lowersCase ? text.toLowerCase() : text);
  const encodeTexts = (list: readonly string[]) =>
    tokenizer.encodeMany(
      list.map((text) => written(modules, text)),
      { maxLength: maxTokens },
    );
  const isScored = shape === "pair-score";
  let scoresInput = "";
  let texts = 2;
  /** Of all rows so far: a few held-out ones may all be of low scores. */
  let most = 0;
  const encodeAll = async (rows: readonly TextRow[]): Promise<SimilarTexts[]> => {
    const lists = rows.map((row) => textsOf(row));
    most = rows.reduce((largest, { values }) => Math.max(largest, values.score ?? 0), most);
    const range = largestScores.find((one) => most <= one) ?? most;
    const count = lists.reduce((least, list) => Math.min(least, list.length), 3);
    const encoded = await encodeTexts(lists.flatMap((list) => list.slice(0, count)));
    return rows.map(({ id, values }, i) => {
      const parts = encoded.slice(i * count, (i + 1) * count).map((encoding) => ({ id, ...encoding }));
      return { ...groupOf(id, parts), score: (values.score ?? 0) / range };
    });
  };
  return {
    head: "features",
    learningRate: encoderRate,
    ...(!isScored && { batchBound: "a text is told from those of its own batch alone" }),
    labels: undefined,
    config: {},
    async encode(rows) {
      if (rows.length === 0) return [];
      const examples = await encodeAll(rows);
      texts = examples[0]!.parts.length;
      return examples;
    },
    encodeUnlabelled: async (rows) => {
      const lists = rows.map(anyTextsOf);
      const encoded = await encodeTexts(lists.flat());
      let at = 0;
      return rows.map(({ id }, i) => {
        const parts = lists[i]!.map(() => ({ id, ...encoded[at++]! }));
        return { ...groupOf(id, parts), score: 0 };
      });
    },
    feedsToSay: ({ examples }) => tokenFeeds(collateGroups(examples, tokenizer)),
    attach(graph, model) {
      if (isScored) {
        const { scores, vectors, ...loss } = attachScores(graph, model.output.name, from);
        scoresInput = scores;
        graph.addOutput(graph.get(vectors));
        return { ...loss, outputs: [vectors] };
      }
      const { vectors, ...loss } = attachRanking(graph, model.output.name, { texts, ...from });
      graph.addOutput(graph.get(vectors));
      return { ...loss, outputs: [vectors] };
    },
    feeds: ({ examples }) => groupFeeds(collateGroups(examples, tokenizer), examples.length),
    targets: ({ examples }) =>
      isScored
        ? {
            [scoresInput]: {
              dtype: "float32",
              dims: [examples.length],
              data: Float32Array.from(examples, ({ score }) => score),
            },
          }
        : {},
    countOf: () => 1,
    ...toldByScores({
      loss: isScored
        ? "squared error of the cosine"
        : "cross-entropy of the text it belongs to among those of the batch",
      ...(!isScored && { judged: "1 − 1/rank of the text it belongs to among all that are judged" }),
      shares: ["recall@1", "recall@10"],
      tokenizer: context.tokenizer,
      scoresOf: (evaluation: TextScores) => evaluation,
    }),
    goal: isScored
      ? { name: "spearman", mode: "max", tie: { name: "loss", mode: "min" } }
      : { name: "MRR@10", mode: "max", tie: { name: "loss", mode: "min" } },
    judge() {
      const seen: SimilarTexts[] = [];
      const first: Float32Array[] = [];
      const second: Float32Array[] = [];
      return {
        add({ examples }, outputs) {
          const [vectors] = Object.values(outputs);
          const [, count, width] = vectors!.dims as readonly [number, number, number];
          const data = vectors!.data as Float32Array;
          examples.forEach((example, i) => {
            const at = (text: number) =>
              data.slice((i * count + text) * width, (i * count + text + 1) * width);
            checkFinite(data.subarray(i * count * width, (i + 1) * count * width), example.id);
            seen.push(example);
            first.push(at(0));
            second.push(at(1));
          });
        },
        finish: () => (isScored ? byScore(seen, first, second) : byRank(seen, first, second)),
      };
    },
    say({ examples }, outputs) {
      const { data, dims } = outputs["last_hidden_state"]!;
      const [tokens, width] = [dims[1]!, dims.at(-1)!];
      let row = 0;
      return examples.map(({ id, parts }) => {
        const vectors = parts.map(({ ids }) => {
          const start = tokenizer.paddingSide === "left" ? tokens - ids.length : 0;
          const from = (row++ * tokens + start) * width;
          const hidden = (data as Float32Array).subarray(from, from + ids.length * width);
          checkFinite(hidden, id);
          return sentenceVectorOnHost(hidden, width, modules);
        });
        return { type: "outputs", id, outputs: nearness(vectors) };
      });
    },
    beside,
    more: (target) => writeSentenceModules(folder, target, modules, { maxTokens, values: beside.values() }),
  };
}

function byScore(
  seen: readonly SimilarTexts[],
  first: readonly Float32Array[],
  second: readonly Float32Array[],
): TextScores {
  const cosines = first.map((vector, i) => dot(vector, second[i]!));
  const { mse, pearson, spearman } = regressionMetrics(
    cosines,
    seen.map(({ score }) => score),
  );
  return {
    metrics: { loss: mse, pearson, spearman },
    losses: seen.map(({ id, score }, i) => ({ id, loss: (cosines[i]! - score) ** 2 })),
  };
}

function byRank(
  seen: readonly SimilarTexts[],
  first: readonly Float32Array[],
  second: readonly Float32Array[],
): TextScores {
  const texts = seen.map(({ parts }) => [String(parts[0]!.ids), String(parts[1]!.ids)] as const);
  const { recallAt1, recallAt10, mrrAt10, ranks } = retrievalMetrics(first, second, texts);
  const losses = seen.map(({ id }, i) => ({ id, loss: 1 - 1 / ranks[i]! }));
  const loss = losses.reduce((sum, one) => sum + one.loss, 0) / Math.max(1, losses.length);
  return { metrics: { loss, "recall@1": recallAt1, "recall@10": recallAt10, "MRR@10": mrrAt10 }, losses };
}

/** What is said of the texts of a row: their vectors, and how near the first is to each of the others. */
function nearness(vectors: readonly Float32Array[]): OutputsOf["outputs"] {
  const [first, ...others] = vectors;
  const near = others.map((vector, i) => [["similarity", "negative_similarity"][i]!, dot(first!, vector)]);
  const names = ["embedding", "pair_embedding", "negative_embedding"];
  return Object.fromEntries([...near, ...vectors.map((vector, i) => [names[i]!, [...vector]])]);
}

/** Texts by their places: the first, what belongs to it, what does not. */
const placed = ({ text, pair, anchor, positive, negative }: TextRow["values"]): readonly string[] =>
  [anchor ?? text, positive ?? pair, negative].filter((one) => one !== undefined);

/** The texts of a row that is to be told of: one or more. @throws data/no-text for a row of another shape */
const anyTextsOf = (row: TextRow): readonly string[] =>
  row.values.anchor === undefined ? [textOf(row), ...placed(row.values).slice(1)] : placed(row.values);

function textsOf({ id, values }: TextRow): readonly string[] {
  const texts = placed(values);
  if (texts.length >= 2) return texts;
  throw new DiapasonError(
    "data/no-text",
    `${id} has no two texts that belong together.`,
    "Give rows of anchor and positive (and negative), or of two sentences, with a score where they have one.",
  );
}
