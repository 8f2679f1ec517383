import { DiapasonError } from "../base/errors.ts";
import type { ArrayBatches } from "../data/array-batches.node.ts";
import type { Executable, HostTensor } from "../runtime/runtime.ts";
import type { AttachedLoss } from "../tasks/declared-loss.ts";
import type { DeclaredMetric } from "../tasks/declared-metrics.ts";

/** How a graph does on some examples by its declared loss and metrics. */
export interface DeclaredEvaluation {
  readonly examples: number;
  /** "loss" first, then the declared metrics; one that cannot be computed is absent. */
  readonly metrics: Readonly<Record<string, number>>;
  /** The loss of each example, in their order, where the loss tells them apart. */
  readonly losses: readonly { readonly id: string; readonly loss: number }[] | undefined;
}

export interface DeclaredEvaluationOptions {
  /** A compiled graph with the loss, for any number of examples. */
  readonly executable: Executable;
  readonly loss: AttachedLoss;
  readonly metrics: readonly DeclaredMetric[];
  /** Examples with every input of the graph and every target of the metrics. */
  readonly batches: ArrayBatches;
  readonly batchSize: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Runs a graph with its loss over examples, in their order.
 *
 * A declared loss is put together from its parts, so that it does not depend on the size of the batches; one that is a
 * graph of its own is averaged over the batches by their examples.
 * @throws evaluate/no-examples, evaluate/not-finite
 */
export async function evaluateDeclared(options: DeclaredEvaluationOptions): Promise<DeclaredEvaluation> {
  const { executable, loss, metrics, batches, batchSize, onProgress } = options;
  if (batches.size === 0)
    throw new DiapasonError(
      "evaluate/no-examples",
      "There are no examples to evaluate on.",
      "Give a split that holds examples.",
    );
  const { parts } = loss;
  const outputs = [
    ...new Set([...(parts ? [parts.sums, parts.perExample] : [loss.loss]), ...metrics.map((m) => m.output)]),
  ];
  const hostOnly = new Set(metrics.flatMap(({ target, mask }) => [target.input, mask?.input]));
  const tallies = metrics.map((metric) => metric.start());
  const sums = parts?.factors.map(() => ({ sum: 0, count: 0 }));
  const losses: { id: string; loss: number }[] = [];
  let weighted = 0;
  let done = 0;
  for (const { ids, inputs } of batches.batches({ batchSize })) {
    const feeds: Record<string, HostTensor> = {};
    for (const [name, rows] of Object.entries(inputs)) if (!hostOnly.has(name)) feeds[name] = rows;
    if (loss.weights !== undefined && !feeds[loss.weights]) feeds[loss.weights] = ones(ids.length);
    const result = await executable.run(feeds, { outputs });
    if (parts) {
      const totals = result[parts.sums]!.data;
      sums!.forEach((term, k) => {
        term.sum += Number(totals[2 * k]);
        term.count += Number(totals[2 * k + 1]);
      });
      const each = result[parts.perExample]!.data;
      for (const [i, id] of ids.entries()) losses.push({ id, loss: finite(Number(each[i]), id) });
    } else weighted += finite(Number(result[loss.loss]!.data[0]), ids[0]!) * ids.length;
    for (const [k, { output, target, mask }] of metrics.entries())
      tallies[k]!.add(
        result[output]!.data,
        inputs[target.input]!.data,
        ids.length,
        mask && inputs[mask.input]!.data,
      );
    done += ids.length;
    onProgress?.(done, batches.size);
  }
  const total = sums
    ? sums.reduce((all, { sum, count }, k) => all + parts!.factors[k]! * (count > 0 ? sum / count : 0), 0)
    : weighted / done;
  const measured = metrics.flatMap(({ name }, k) => {
    const value = tallies[k]!.value();
    return value === undefined || !Number.isFinite(value) ? [] : [[name, value] as const];
  });
  return {
    examples: done,
    metrics: Object.fromEntries([["loss", total], ...measured]),
    losses: parts && losses,
  };
}

const ones = (count: number): HostTensor => ({
  dtype: "float32",
  dims: [count],
  data: new Float32Array(count).fill(1),
});

function finite(loss: number, id: string): number {
  if (Number.isFinite(loss)) return loss;
  throw new DiapasonError(
    "evaluate/not-finite",
    `The loss of "${id}" is ${loss}.`,
    "Check the arrays and the weights for NaN and infinity: a diverged run leaves such weights.",
  );
}
