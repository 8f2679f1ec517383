import { existsSync } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { checkWritable } from "../base/atomic-file.node.ts";
import { DiapasonError } from "../base/errors.ts";
import { saveCheckpoint } from "../formats/checkpoint.node.ts";
import { inFormat, type OnnxFormatName, onnxFormats } from "../models/export/formats.ts";
import type { LocatedAdapter } from "../models/hub/locate.node.ts";
import { jsNotes } from "../models/js-class.ts";
import { folderOfFile, loadModel } from "../models/load.node.ts";
import { inferenceGraph, weightsOf } from "../models/save.node.ts";
import { learnShapes } from "../runtime/probe.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Metrics } from "../tune/events.ts";
import { exportAdapter } from "./export/adapter.node.ts";
import type { Exported, Quality } from "./export/events.ts";
import { type Examples, examplesFor } from "./export/examples.node.ts";
import { writeGraphFile } from "./export/graph-file.node.ts";
import { type Evaluated, evaluateOptions, type Scored } from "./judging.ts";
import { fileOfForm } from "./opening/graph-file.node.ts";
import { type Download, located } from "./opening/located.node.ts";
import { copyBeside, writeMerged } from "./opening/merged-folder.node.ts";
import { taskOfModel } from "./opening/task-of-model.node.ts";
import {
  dataConfig,
  declaredOptions,
  deviceOptions,
  imageOptions,
  type taskNames,
  textOptions,
} from "./options/common.ts";
import { parseOptions } from "./options/parse.ts";
import { outlines } from "./outlines.ts";
import { type Note, noteOf, type Progress } from "./progress.ts";
import { refuseExisting } from "./refuse-existing.node.ts";
import { openRuntime } from "./runtime.node.ts";
import { checkTaskOptions, tasks } from "./tasks.node.ts";
import type { Verb, VerbContext } from "./verb.ts";

const onnxNames = Object.keys(onnxFormats) as [OnnxFormatName, ...OnnxFormatName[]];

const options = z.strictObject({
  model: z.string().describe("folder of a tuned model, ONNX file, or org/name of the Hugging Face Hub"),
  to: z
    .array(z.enum([...onnxNames, "safetensors", "merged", "adapter"]))
    .min(1)
    .default(["fp16", "int8", "q4"])
    .describe(
      "what to write: onnx (float32), fp16, int8 (model_quantized.onnx), q4, q4f16, safetensors; merged: the folder of the model with --adapter in its weights; adapter: the adapter alone, as PEFT reads it (default: fp16 int8 q4)",
    ),
  adapter: z
    .string()
    .optional()
    .describe(
      "folder of an adapter, as PEFT or tune writes it, to merge into the model; needs --out. A model that is an adapter brings its own",
    ),
  out: z
    .string()
    .optional()
    .describe(
      "folder to write into, with the model's config and tokenizer; default: the model's own folder, which keeps all else it has",
    ),
  blocks: z
    .enum(["symmetric", "asymmetric"])
    .default("symmetric")
    .describe("4-bit weights: about 0, or over the range of each block, which is closer and a little larger"),
  data: z
    .string()
    .optional()
    .describe(
      "examples to measure what is lost, also org/name of a data set of the Hugging Face Hub; default: those that the model was tuned with, if still there",
    ),
  dataConfig,
  run: z
    .string()
    .optional()
    .describe("folder of the run that names these examples; default: runs/NAME of the model's folder"),
  task: evaluateOptions.shape.task,
  split: evaluateOptions.shape.split,
  force: z.boolean().default(false).describe("replace files that are there"),
  batchSize: evaluateOptions.shape.batchSize,
  ...declaredOptions,
  ...imageOptions,
  ...textOptions,
  ...deviceOptions,
});
export type ExportOptions = z.input<typeof options>;
export type ExportSettings = z.output<typeof options>;

type ExportEvent = Download | Note | Progress | Exported;

/** Writes a model in the forms that others run, and measures what each loses. */
export const exportModel: Verb<typeof options, ExportEvent> = {
  ...outlines.export,
  options,
  async *run(input, context = {}) {
    const settings = parseOptions(options, input);
    const { to } = settings;
    if (to.includes("adapter")) yield* exportAdapter(settings, context);
    if (to.every((form) => form === "adapter")) return;
    const isApart = to.includes("merged");
    const { path: given, adapter: found } = yield* located(settings.model, context, { isApart });
    const adapter = settings.adapter ?? (isApart ? found?.folder : undefined);
    const out = outOf({ ...settings, adapter }, given, found) ?? (await folderOf(given));
    const path = adapter === undefined ? given : out;
    const places = to.flatMap((format) =>
      format === "merged" || format === "adapter" ? [] : [[format, placeOf(out, format)] as const],
    );
    if (!settings.force && adapter === undefined) for (const [, place] of places) refuseExisting(place);
    for (const [, place] of places) await checkWritable(place);
    const isNew = !existsSync(out);
    let hasWritten = false;
    const runtime = await openRuntime(settings);
    try {
      if (adapter !== undefined) {
        const { force } = settings;
        yield* (await writeMerged({ base: given, adapter, out, force }, runtime)).map(noteOf);
        hasWritten = true;
        yield {
          type: "exported",
          format: "merged",
          path: out,
          bytes: await bytesOf(placeOf(out, "onnx")),
          dtype: "fp32",
        };
      }
      if (places.length === 0) return;
      const examples = yield* examplesFor(settings, path, context);
      const judge = examples.data && judgeOf(examples, await taskOfModel(path, settings.task), path);
      if (judge) checkTaskOptions("evaluate", examples.given, judge.task);
      yield* examples.notes.map(noteOf);
      const model = await loadModel(path, {
        whole: true,
        learnShapes: (graph) => learnShapes(graph, runtime),
      });
      if (places.some(([format]) => format !== "safetensors")) yield* jsNotes(model).map(noteOf);
      const graph = inferenceGraph(model);
      if (settings.out !== undefined && adapter === undefined) await copyBeside(path, out);
      const before = judge && (yield* judge.measure(runtime, context));
      for (const [format, place] of places) {
        context.signal?.throwIfAborted();
        if (format === "safetensors") {
          await saveCheckpoint(out, weightsOf(model));
          hasWritten = true;
          yield { type: "exported", format, path: place, bytes: await bytesOf(place) };
          continue;
        }
        const written = inFormat(graph, format, settings);
        yield* written.notes.map(noteOf);
        await writeGraphFile(written.graph, { folder: out, path: place });
        hasWritten = true;
        const after = judge && (yield* judge.measure(runtime, context, place));
        const { dtype } = onnxFormats[format];
        yield {
          type: "exported",
          format,
          path: place,
          bytes: await bytesOf(place),
          dtype,
          ...(before && after && { quality: { ...after, before: before.after } satisfies Quality }),
        };
      }
    } catch (error) {
      // Config and tokenizer without any weights are no model.
      if (isNew && !hasWritten) await rm(out, { recursive: true, force: true });
      throw error;
    } finally {
      await runtime.dispose();
    }
  },
};

/**
 * The folder that was asked for.
 * @throws app/missing-option where a model of the Hub has none, app/bad-option where a merged one has none, or nothing to
 * be merged
 */
function outOf(
  { model, adapter, out, to }: ExportSettings,
  path: string,
  found: LocatedAdapter | undefined,
): string | undefined {
  if (path !== model && out === undefined)
    throw new DiapasonError(
      "app/missing-option",
      found
        ? `"${model}" is an adapter, in whose folder a whole model has no place.`
        : `"${model}" lies in the cache of the Hub, which holds what was downloaded alone.`,
      'Give "out", a folder for what is written.',
    );
  if ((adapter === undefined) === !to.includes("merged") && (adapter === undefined || out !== undefined))
    return out;
  throw new DiapasonError(
    "app/bad-option",
    adapter === undefined
      ? '"to" names merged, and there is no adapter to merge.'
      : `An adapter is given, and ${out === undefined ? "no folder for the merged model" : '"to" does not name merged'}.`,
    'Give "adapter", "out" and "to": merged together. What `tune` writes is merged already.',
  );
}

/** The folder of a model: itself, or the one that a file of ONNX belongs to. */
const folderOf = async (path: string): Promise<string> =>
  (await stat(path)).isFile() ? folderOfFile(resolve(path)) : path;

const placeOf = (out: string, format: OnnxFormatName | "safetensors"): string =>
  format === "safetensors" ? join(out, "model.safetensors") : fileOfForm(out, format);

async function bytesOf(path: string): Promise<number> {
  const size = async (file: string) => (existsSync(file) ? (await stat(file)).size : 0);
  return (await size(path)) + (await size(`${path}_data`));
}

/** How a model is judged by the task's own evaluation: as it is, or by a file that was written of it. */
function judgeOf({ data, given, ofRun }: Examples, task: (typeof taskNames)[number], model: string) {
  const settings = parseOptions(evaluateOptions, { ...given, model, data: data?.path, task });
  return {
    task,
    async *measure(
      runtime: Runtime,
      context: VerbContext,
      file?: string,
    ): AsyncGenerator<Progress, Omit<Quality, "before"> | undefined> {
      const judging = { ...settings, ...(ofRun && { ofRun }), ...(file !== undefined && { file }) };
      for await (const event of tasks[task].evaluate(judging, runtime, context)) {
        if (event.type === "progress") yield event;
        if (event.type === "evaluated" || event.type === "scored")
          return { data: data?.name ?? event.data, split: event.split, after: metricsOf(event) };
      }
      return undefined;
    },
  };
}

function metricsOf(event: Evaluated | Scored): Metrics {
  if (event.type === "scored") return event.metrics;
  const { accuracy, macroF1, nll } = event.metrics;
  return { accuracy, macroF1, nll };
}
