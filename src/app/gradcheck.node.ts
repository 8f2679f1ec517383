import { z } from "zod";
import { type GradcheckResult, lossOnly } from "../autodiff/gradcheck.ts";
import { parametersInSteps } from "../autodiff/path.ts";
import { DiapasonError } from "../base/errors.ts";
import { loadOnnx } from "../formats/onnx/file.node.ts";
import type { Graph } from "../graph/ir.ts";
import { onnxFileOf } from "../models/load.node.ts";
import { collectParameters } from "../models/parameters.ts";
import { prepareGraph } from "../models/prepare.ts";
import { learnShapes } from "../runtime/probe.ts";
import type { Runtime } from "../runtime/runtime.ts";
import {
  attachTestLoss,
  gradcheckWhereFinite,
  randomFeeds,
  runnableSizes,
  usualEffort,
} from "./gradcheck/inputs.ts";
import { runtimeEvaluator } from "./gradcheck/runtime.ts";
import { deviceOptions } from "./options/common.ts";
import { parseOptions } from "./options/parse.ts";
import { outlines } from "./outlines.ts";
import { openRuntime } from "./runtime.node.ts";
import type { Verb, VerbEvent } from "./verb.ts";

const gradcheckOptions = z.strictObject({
  model: z.string().describe("ONNX file, or folder with one"),
  loss: z
    .string()
    .optional()
    .describe("scalar value to differentiate; default: the outputs, weighted at random and summed"),
  parameters: z.array(z.string()).optional().describe("names of the parameters to check; default: all"),
  samples: z.int().min(1).default(4).describe("elements tried of each parameter"),
  by: z
    .enum(["elements", "directions"])
    .optional()
    .describe(
      "move one element after the other, or all weights at once along random directions; default: the first, where it takes seconds",
    ),
  sizes: z
    .record(z.string(), z.int().min(1))
    .default({})
    .describe("sizes of named dims; those not given are 2, or larger where the graph needs it"),
  precision: z
    .enum(["float64", "float32"])
    .default("float64")
    .describe("float64: reference kernels, exact and slow; float32: ONNX Runtime, as in training"),
  seed: z.int().min(0).default(0).describe("seed of inputs and of the elements tried"),
  ...deviceOptions,
});
export type GradcheckOptions = z.input<typeof gradcheckOptions>;

/** Analytic against numeric gradients of a graph. */
export interface Gradchecked extends VerbEvent, GradcheckResult {
  readonly type: "gradcheck";
  readonly model: string;
  readonly loss: string;
  readonly precision: "float64" | "float32";
}

/** Compares the gradients of a graph with central differences of its loss. */
export const gradcheck: Verb<typeof gradcheckOptions, Gradchecked> = {
  ...outlines.gradcheck,
  options: gradcheckOptions,
  async *run(input, { signal } = {}) {
    const options = parseOptions(gradcheckOptions, input);
    const runtime = await openRuntime(options);
    try {
      yield await checkFile(options, runtime, signal);
    } finally {
      await runtime.dispose();
    }
  },
};

async function checkFile(
  options: z.output<typeof gradcheckOptions>,
  runtime: Runtime,
  signal: AbortSignal | undefined,
): Promise<Gradchecked> {
  const { samples, seed, precision, model, by } = options;
  const graph = await loadOnnx(await onnxFileOf(model));
  await prepareGraph(graph, (unknown) => learnShapes(unknown, runtime, options.sizes));
  const loss = options.loss ?? attachTestLoss(graph, seed, options.parameters);
  const parameters = chosenParameters(graph, loss, options.parameters);
  const sizes = await runnableSizes(lossOnly(graph, loss), runtime, options.sizes);
  const { feeds, symbols } = randomFeeds(graph, sizes, seed);
  const evaluator = precision === "float32" ? runtimeEvaluator(runtime) : undefined;
  try {
    const result = await gradcheckWhereFinite(graph, {
      loss,
      parameters,
      feeds,
      samples,
      seed,
      symbols,
      precision,
      effort: efforts[by ?? "elements or directions"],
      ...(signal && { signal }),
      ...(evaluator ? { evaluate: evaluator.evaluate } : {}),
    });
    return { type: "gradcheck", model, loss, precision, ...result };
  } finally {
    await evaluator?.dispose();
  }
}

/** How many numbers may be computed element by element. */
const efforts = { elements: Number.POSITIVE_INFINITY, directions: 0, "elements or directions": usualEffort };

function chosenParameters(
  graph: Graph,
  loss: string,
  asked: readonly string[] | undefined,
): readonly string[] {
  if (asked) return asked;
  const found = collectParameters(graph, graph.get(loss)).parameters.map(({ name }) => name);
  const inSteps = new Set(parametersInSteps(graph, loss, found));
  const all = found.filter((name) => !inSteps.has(name));
  if (all.length > 0) return all;
  throw new DiapasonError(
    "app/nothing-to-check",
    `No float32 weight of the graph reaches "${loss}".`,
    "Name the parameters to check with --parameters, or another value with --loss.",
  );
}
