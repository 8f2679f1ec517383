import { DiapasonError } from "../base/errors.ts";
import { type Dim, difference, product, type Shape, sum, symbolsOf } from "../graph/dim.ts";
import { inferShapes } from "../graph/infer.ts";
import type { Graph, Value } from "../graph/ir.ts";
import { batchSymbolOf, fedInputs, type ProbeSize, probeInputs, probeLengths } from "./probe-inputs.ts";
import type { Executable, HostTensor, Runtime } from "./runtime.ts";

/** Two sizes give a dim as a line over the batch; the third, with other random data and other open sizes, checks it. */
const batches = [2, 3, 5] as const;

const [short, long, sound] = probeLengths;
/** What is tried: some models take only one length, which is then as long at all three sizes. */
const attempts = [
  { length: short, canGrow: true },
  { length: long, canGrow: true },
  { length: long, canGrow: false },
  { length: sound, canGrow: true },
] as const;

const sizesOf = ({ length, canGrow }: (typeof attempts)[number], known: ProbeSize["known"]): ProbeSize[] =>
  batches.map((batch, i) => ({ batch, isLarger: canGrow && i === 2, length, known }));

/**
 * Fills in the shapes that inference could not tell, by running the graph at three batch sizes.
 *
 * A dim that is a constant plus a multiple of the batch at all three is that; one that is anything else (it depends on
 * the data, or on another open size) stays open, with its rank known. Inference then runs again from there.
 * `known`: sizes of symbols that are not to be made up. Result: how many values were open.
 * @throws runtime/unknown-shapes when the graph cannot be run.
 */
export async function learnShapes(
  graph: Graph,
  runtime: Runtime,
  known: ProbeSize["known"] = {},
): Promise<number> {
  const open = openValues(graph);
  if (open.length === 0) return 0;
  const observed = await observe(graph, open, runtime, known);
  const batch = batchSymbolOf(graph);
  open.forEach((value, i) => {
    value.shape =
      learned(
        observed.map((run) => run[i]!),
        batch,
      ) ?? value.shape;
  });
  inferShapes(graph);
  return open.length;
}

/** Computed tensors whose rank is unknown, or whose dims have symbols that no input has. */
function openValues(graph: Graph): Value[] {
  const known = new Set(fedInputs(graph).flatMap(({ shape = [] }) => shape.flatMap(symbolsOf)));
  const isOpen = ({ shape }: Value) => !shape?.every((dim) => symbolsOf(dim).every((s) => known.has(s)));
  return graph.nodes
    .filter((node) => !makesNoTensor.test(node.op))
    .flatMap((node) => node.outputs.filter((output) => output !== undefined))
    .filter((output) => !output.opaqueType && isOpen(output));
}

/** Sequences and optionals have no shape. */
const makesNoTensor = /^(Sequence(Construct|Empty|Erase|Insert|Map)|SplitToSequence|Optional|StringSplit)$/;

/** The dims of the open values at each size. */
async function observe(
  graph: Graph,
  open: readonly Value[],
  runtime: Runtime,
  known: ProbeSize["known"],
): Promise<number[][][]> {
  const probe = graph.clone();
  for (const output of [...probe.outputs]) probe.removeOutput(output);
  // Shapes are small; the values themselves may not be.
  const shapes = open.map((value) => probe.addNode("Shape", [probe.get(value.name)]).outputs[0]!);
  for (const shape of shapes) probe.addOutput(shape);
  const { unfit } = probeInputs(graph, sizesOf(attempts[0], known)[0]!);
  if (unfit) {
    const found = `${unfit.dtype ?? "an unknown type"} [${unfit.shape?.join(", ") ?? "?"}]`;
    throw unknown(open, `the input "${unfit.name}" is ${found}, for which no example can be made up`, {
      ...(unfit.dtype === "string" && {
        fix: "Cut the part that reads text off the graph, and tune the rest on the numbers that it makes.",
      }),
    });
  }
  try {
    const executable = await runtime.compile(probe);
    try {
      const runs = await firstThatRuns(executable, graph, known);
      return runs.map((run) => shapes.map(({ name }) => Array.from(run[name]!.data, Number)));
    } finally {
      await executable.dispose();
    }
  } catch (error) {
    throw unknown(open, `running the graph to see them failed: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** The outputs at each batch size, of the first attempt that runs. @throws what the first said, where none does */
async function firstThatRuns(
  executable: Executable,
  graph: Graph,
  known: ProbeSize["known"],
): Promise<readonly Record<string, HostTensor>[]> {
  const failures: unknown[] = [];
  for (const attempt of attempts) {
    try {
      const runs: Record<string, HostTensor>[] = [];
      for (const size of sizesOf(attempt, known))
        runs.push(await executable.run(probeInputs(graph, size).feeds));
      return runs;
    } catch (error) {
      failures.push(error);
    }
  }
  throw failures[0];
}

/** Domains whose operators ONNX Runtime has. */
const knownDomain = /^(ai\.onnx.*|com\.(microsoft|ms)\b.*)?$/;

function unknown(
  open: readonly Value[],
  why: string,
  { fix, cause }: { readonly fix?: string; readonly cause?: unknown },
): DiapasonError {
  const { name, producer } = open[0]!;
  const others = open.length > 1 ? ` and of ${open.length - 1} other values` : "";
  const stranger = open.map((value) => value.producer!).find(({ domain }) => !knownDomain.test(domain));
  return new DiapasonError(
    "runtime/unknown-shapes",
    `The shape of "${name}" (made by ${producer!.op})${others} follows from no rule, and ${why.replace(/\.$/, "")}.`,
    fix ??
      (stranger
        ? `Export the model without ${stranger.domain}.${stranger.op}, which is no operator that is known here.`
        : "Export the model with fixed sizes, all but the batch, and check that ONNX Runtime runs it."),
    cause,
  );
}

/** The shape that explains what was seen; undefined where not even the rank is the same. Open dims end in "?". */
function learned(seen: readonly (readonly number[])[], batch: string | undefined): Shape | undefined {
  if (new Set(seen.map((dims) => dims.length)).size !== 1) return undefined;
  return seen[0]!.map((_, axis) => {
    const found = seen.map((dims) => dims[axis]!);
    return line(found, batch) ?? `d${axis}?`;
  });
}

function line(found: readonly number[], batch: string | undefined): Dim | undefined {
  const [first, second] = found as [number, number];
  const slope = (second - first) / (batches[1] - batches[0]);
  const offset = first - slope * batches[0];
  if (!batches.every((batch, i) => slope * batch + offset === found[i])) return undefined;
  if (slope === 0) return offset;
  if (batch === undefined || slope < 0) return undefined;
  const multiple = product([slope, batch]);
  return offset < 0 ? difference(multiple, -offset) : sum([multiple, offset]);
}
