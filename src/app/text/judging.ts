import { type TextBatch, type TextBatchOptions, textBatches } from "../../data/text/text-batches.ts";
import type { TextTokenizer } from "../../data/text/tokenizer.ts";
import { type Cache, cachesOf, emptyPast } from "../../evaluate/empty-past.ts";
import { dropNothing } from "../../graph/dropout-input.ts";
import type { Graph } from "../../graph/ir.ts";
import { removeDead } from "../../graph/passes/remove-dead.ts";
import type { Model } from "../../models/model.ts";
import type { Executable, HostTensor, Runtime } from "../../runtime/runtime.ts";
import type { EncodedText, ExampleBatch, TextJob } from "./job.ts";

/** How texts are filled up to one length. */
export type Padding = Pick<TextTokenizer, "padId" | "paddingSide">;

export interface JudgeOptions<E extends EncodedText> {
  readonly examples: readonly E[];
  readonly padding: Padding;
  readonly batchSize: number;
  readonly onProgress?: (done: number, total: number) => void;
}

interface Ports {
  /** What the graph is fed. */
  readonly inputs: ReadonlySet<string>;
  /** What is read. */
  readonly outputs: readonly string[];
  /** Of a decoder that is exported for generation; there is nothing in them. */
  readonly caches?: readonly Cache[];
}

/** Runs a compiled graph over texts and judges what it gives. */
export async function judgeTexts<E extends EncodedText, V>(
  executable: Executable,
  job: TextJob<E, V>,
  ports: Ports,
  { examples, padding, batchSize, onProgress }: JudgeOptions<E>,
): Promise<V> {
  const judge = job.judge();
  let done = 0;
  const order = { batchSize, shuffle: false, seed: 0, epoch: 0, groupByLength: true };
  for (const batch of exampleBatches(examples, padding, order)) {
    const feeds = only(feedsOf(job, batch), ports.inputs);
    const rows = feeds["input_ids"]?.dims[0] ?? batch.examples.length;
    const past = emptyPast(ports.caches ?? [], rows);
    judge.add(batch, await executable.run({ ...feeds, ...past }, { outputs: ports.outputs }));
    done += batch.examples.length;
    onProgress?.(done, examples.length);
  }
  return judge.finish();
}

/** The same for a model as it stands, compiling it first. `seconds`: what came after compiling. */
export async function judgeModel<E extends EncodedText, V>(
  model: Model,
  job: TextJob<E, V>,
  runtime: Runtime,
  options: JudgeOptions<E>,
): Promise<{ readonly evaluation: V; readonly seconds: number }> {
  const graph = model.graph.clone();
  dropNothing(graph);
  const { outputs } = job.attach(graph, model);
  const pruned = pruneTo(graph, outputs);
  const executable = await runtime.compile(pruned);
  try {
    const started = performance.now();
    const ports = { inputs: inputNames(pruned), outputs, caches: cachesOf(pruned) };
    const evaluation = await judgeTexts(executable, job, ports, options);
    return { evaluation, seconds: (performance.now() - started) / 1000 };
  } finally {
    await executable.dispose();
  }
}

/** Batches of texts, with the texts. */
export function* exampleBatches<E extends EncodedText>(
  examples: readonly E[],
  { padId, paddingSide }: Padding,
  order: Omit<TextBatchOptions, "examples" | "padId" | "side">,
): Generator<ExampleBatch<E>> {
  for (const batch of textBatches({ ...order, examples, padId, side: paddingSide }))
    yield { ...batch, examples: batch.places.map((place) => examples[place]!) };
}

/** Where the tokens of an example begin in its row of a batch: behind the padding, where that is on the left. */
export const startOf = <E extends EncodedText>(
  { tokens, examples }: ExampleBatch<E>,
  row: number,
  { paddingSide }: Pick<TextTokenizer, "paddingSide">,
): number => (paddingSide === "left" ? tokens - examples[row]!.ids.length : 0);

/** Everything that a batch may be fed as. */
export const feedsOf = <E extends EncodedText>(
  job: Pick<TextJob<E, never>, "targets" | "feeds">,
  batch: ExampleBatch<E>,
): Readonly<Record<string, HostTensor>> => ({
  ...(job.feeds?.(batch) ?? tokenFeeds(batch)),
  ...job.targets(batch),
});

/** Tokens under transformers' names. */
export const tokenFeeds = (batch: TextBatch): Readonly<Record<string, HostTensor>> => ({
  input_ids: batch.inputIds,
  attention_mask: batch.attentionMask,
  token_type_ids: batch.tokenTypeIds,
  position_ids: batch.positionIds,
  ...(batch.segmentIds && { segment_ids: batch.segmentIds }),
});

/** The feeds that a graph takes. */
export const only = (
  feeds: Readonly<Record<string, HostTensor>>,
  names: ReadonlySet<string>,
): Record<string, HostTensor> =>
  Object.fromEntries(Object.entries(feeds).filter(([name]) => names.has(name)));

/** The graph without what its other outputs need, in place. */
export function pruneTo(graph: Graph, outputs: readonly string[]): Graph {
  for (const output of [...graph.outputs]) if (!outputs.includes(output.name)) graph.removeOutput(output);
  removeDead(graph);
  for (const input of [...graph.inputs]) if (!graph.isRead(input)) graph.removeValue(input);
  return graph;
}

export const inputNames = (graph: Graph): ReadonlySet<string> =>
  new Set(graph.inputs.map(({ name }) => name));
