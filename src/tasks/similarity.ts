import { bug } from "../base/errors.ts";
import { GraphBuilder, range } from "../graph/builder.ts";
import type { Graph, Value } from "../graph/ir.ts";
import { groupRows, regroupedShape } from "./grouped-rows.ts";
import { labelCrossEntropy } from "./losses.ts";
import { type SentenceVector, sentenceVectorOf } from "./sentence-vector.ts";
import { addWeightedLoss, type WeightedLoss } from "./weighted-loss.ts";

/** A score that leaves a candidate out: e^−10000 is 0. */
const excluded = -10_000;

/** How vectors are made of hidden states. */
export interface VectorsFrom {
  readonly vector: SentenceVector;
  /** Whether texts end, and do not begin, at one place. */
  readonly fillsLeft: boolean;
}

/** The vectors of the texts of each example, of length 1: [batch, texts, width]. */
function embeddings(graph: Graph, output: string, texts: number, { vector, fillsLeft }: VectorsFrom): Value {
  groupRows(graph, texts);
  const g = new GraphBuilder(graph);
  const hidden = graph.get(output);
  const mask =
    graph.inputs.find(({ name }) => name === "attention_mask") ?? bug("a network reads no attention_mask");
  const flat = mask.consumers[0]?.outputs[0] ?? bug("nothing reads the mask");
  const tokens = { hidden, mask: g.unsqueeze(g.cast(flat, "float32"), [2]), fillsLeft };
  const pooled = sentenceVectorOf(graph, g, tokens, vector);
  const length = g.sqrt(g.sum(g.square(pooled), [1], true));
  const unit = g.div(pooled, g.max(length, 1e-12));
  const width = unit.shape?.at(-1);
  const byExample = g.reshape(unit, [
    -1,
    texts,
    typeof width === "number" ? width : bug("a width is unknown"),
  ]);
  byExample.shape = regroupedShape(unit, texts);
  // a name of its own: one that is counted is another in a graph with an adapter, or another value's there
  graph.rename(byExample, graph.freshName("vectors"));
  return byExample;
}

/** Text `i` of each example: [batch, width]. */
const textAt = (g: GraphBuilder, vectors: Value, i: number): Value =>
  g.op("Gather", [vectors, g.constant([i], "int64", [])], { axis: 1 });

export interface AttachedSimilarity extends WeightedLoss {
  /** The vectors of the texts, [batch, texts, width]. */
  readonly vectors: string;
}

/**
 * Every example's first text is to be nearer to its second than to the others of all examples in the batch.
 *
 * Cross-entropy over cosines · `sharpness`; a third text is one more that it is not. Source: Henderson et al. 2017, §4.4,
 * as sentence-transformers' MultipleNegativesRankingLoss has it.
 */
export function attachRanking(
  graph: Graph,
  output: string,
  { texts, sharpness = 20, ...from }: VectorsFrom & { readonly texts: number; readonly sharpness?: number },
): AttachedSimilarity {
  const vectors = embeddings(graph, output, texts, from);
  const g = new GraphBuilder(graph);
  const anchors = textAt(g, vectors, 0);
  const others = range(1, texts).map((i) => textAt(g, vectors, i));
  const scores = g.product(anchors, g.concat(others, 0), { transB: true, alpha: sharpness });
  const attached = addWeightedLoss(graph, (weights) => {
    // Examples that only fill up a short batch are nobody's negatives.
    const counts = g.cast(g.greater(weights, 0), "float32");
    const columns = g.concat(
      others.map(() => counts),
      0,
    );
    const open = g.add(scores, g.mul(g.sub(1, columns), excluded));
    const batch = g.reshape(g.sizeOf(anchors, 0), []);
    const own = g.op("Range", [g.constant([0], "int64", []), batch, g.constant([1], "int64", [])]);
    return labelCrossEntropy(g, open, own, { reduction: "none" });
  });
  return { ...attached, vectors: vectors.name };
}

/** The cosine of two texts is to be a score: (cos − score)². Adds the input `scores` float32 [batch]. */
export function attachScores(
  graph: Graph,
  output: string,
  from: VectorsFrom,
): AttachedSimilarity & { readonly scores: string } {
  const vectors = embeddings(graph, output, 2, from);
  const g = new GraphBuilder(graph);
  const scores = graph.addInput(graph.freshName("scores"), "float32", ["batch"]);
  const cosine = g.sum(g.mul(textAt(g, vectors, 0), textAt(g, vectors, 1)), [1]);
  const attached = addWeightedLoss(graph, g.square(g.sub(cosine, scores)));
  return { ...attached, vectors: vectors.name, scores: scores.name };
}

export interface RetrievalMetrics {
  /** Share of queries whose own document is the nearest, and among the ten nearest. */
  readonly recallAt1: number;
  readonly recallAt10: number;
  /** Mean of 1 / rank, 0 beyond the tenth. */
  readonly mrrAt10: number;
  /** Rank of each query's own document, from 1. */
  readonly ranks: readonly number[];
}

/**
 * Each query among all documents, of which the one at its place is its own. Vectors of length 1.
 *
 * `texts`: what each query and its document say. A document that says the same as a query's own, or that belongs to the same
 * query, does not stand before it. Another one that is as near does: a model that takes all texts for the same finds none.
 */
export function retrievalMetrics(
  queries: readonly Float32Array[],
  documents: readonly Float32Array[],
  texts: readonly (readonly [query: string, document: string])[],
): RetrievalMetrics {
  const [asked, said] = [numbersOf(texts.map(([query]) => query)), numbersOf(texts.map(([, text]) => text))];
  const ranks = queries.map((query, i) => {
    const own = dot(query, documents[i]!);
    let rank = 1;
    documents.forEach((document, j) => {
      if (asked[j] !== asked[i] && said[j] !== said[i] && !(dot(query, document) < own)) rank++;
    });
    return rank;
  });
  const share = (of: (rank: number) => number) =>
    ranks.reduce((sum, rank) => sum + of(rank), 0) / Math.max(1, ranks.length);
  return {
    recallAt1: share((rank) => +(rank === 1)),
    recallAt10: share((rank) => +(rank <= 10)),
    mrrAt10: share((rank) => (rank <= 10 ? 1 / rank : 0)),
    ranks,
  };
}

/** A number for each text, the same for the same. */
function numbersOf(texts: readonly string[]): Int32Array {
  const numbers = new Map<string, number>();
  return Int32Array.from(texts, (text) => {
    const number = numbers.get(text) ?? numbers.size;
    numbers.set(text, number);
    return number;
  });
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
