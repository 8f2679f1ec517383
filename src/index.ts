/**
 * Diapason fine-tunes pretrained networks in TypeScript, on stock ONNX Runtime.
 *
 * The verbs (`tune`, `evaluate`, `predict`, …) are the commands of the command line as functions: each takes the options
 * of a recipe and yields typed events. Below them are the parts they are made of: models, the compiler, its graphs.
 *
 * @packageDocumentation
 */
import * as app from "./app/index.node.ts";

type Events<E> = AsyncGenerator<E, void>;
type Context = app.VerbContext;

/** Fine-tunes a model on your own data and proves what came of it. The last event is "saved". */
export const tune = (options: app.TuneInput, context?: Context): Events<app.TuneVerbEvent> =>
  app.tune.run(options, context);

/** Goes on with a run from its newest checkpoint, to the weights it would have reached uninterrupted. */
export const resume = (options: app.ResumeOptions, context?: Context): Events<app.TuneVerbEvent> =>
  app.resume.run(options, context);

/** Judges a model on labelled data. The last event is "evaluated", or "scored" for the task custom. */
export const evaluate = (
  options: app.EvaluateOptions,
  context?: Context,
): Events<app.Download | app.Note | app.Progress | app.Evaluated | app.Scored> =>
  app.evaluate.run(options, context);

/**
 * Says what images show: one "prediction" for each. For the task custom: one "outputs" for each example, or "written" once
 * they lie in a file.
 */
export const predict = (
  options: app.PredictOptions,
  context?: Context,
): Events<
  | app.Download
  | app.Note
  | app.Progress
  | app.Predicted
  | app.EntitiesOf
  | app.Generated
  | app.OutputsOf
  | app.Written
> => app.predict.run(options, context);

/** Shows what is in a model: blocks, parameters, cost of a plan, operators without gradient. */
export const inspect = (
  options: app.InspectOptions,
  context?: Context,
): Events<app.Download | app.Note | app.Inspected> => app.inspect.run(options, context);

/** Compares the gradients of a graph with central differences of its loss. */
export const gradcheck = (options: app.GradcheckOptions, context?: Context): Events<app.Gradchecked> =>
  app.gradcheck.run(options, context);

/** Lists the runs of a folder, oldest first. */
export const runs = (options: app.RunsOptions = {}, context?: Context): Events<app.RunRow> =>
  app.runs.run(options, context);

/** Writes the report of a run, finished or not. */
export const report = (options: app.ReportOptions, context?: Context): Events<app.ReportWritten> =>
  app.report.run(options, context);

/** Writes a model in the forms that others run; an event "exported" a file says what it loses. */
export const exportModel = (
  options: app.ExportOptions,
  context?: Context,
): Events<app.Download | app.Exported | app.Note | app.Progress> => app.exportModel.run(options, context);

/** Uploads a tuned model to the Hugging Face Hub. The last event is "pushed". */
export const push = (options: app.PushOptions, context?: Context): Events<app.Upload | app.Pushed> =>
  app.push.run(options, context);

/** Tunes the embedded model on handwritten digits, and trains it from scratch beside. The last event is "demo". */
export const demo = (options: app.DemoOptions = {}, context?: Context): Events<app.DemoEvent> =>
  app.demo.run(options, context);

export type * from "./app/index.node.ts";
export { type LocateDataOptions, type LocatedData, locateData } from "./app/opening/located-data.node.ts";
export { version } from "./app/version.ts";
export { type Differentiated, type DifferentiateOptions, differentiate } from "./autodiff/differentiate.ts";
export type { ErrorCode } from "./base/error-codes.ts";
export { DiapasonError } from "./base/errors.ts";
export {
  type Checkpoint,
  type CheckpointFormat,
  openCheckpoint,
  type SaveCheckpointOptions,
  saveCheckpoint,
} from "./formats/checkpoint.node.ts";
export { loadNpz, saveNpz } from "./formats/npz.node.ts";
export { loadOnnx, type SaveOnnxOptions, saveOnnx } from "./formats/onnx/file.node.ts";
export { type ReadOptions, readOnnx } from "./formats/onnx/reader.ts";
export { type WriteOptions, writeOnnx } from "./formats/onnx/writer.ts";
export { loadSafetensors, saveSafetensors } from "./formats/safetensors.node.ts";
export { Graph, type Node, type Value } from "./graph/ir.ts";
export { normalize } from "./graph/passes/normalize.ts";
export { print } from "./graph/print.ts";
export { type DataType, type Tensor, tensorOf } from "./graph/tensor.ts";
export type { AdaptedModel, Adapter } from "./models/adapters/adapted.ts";
export { attachAdapter } from "./models/adapters/attach.ts";
export { mergeAdapter } from "./models/adapters/merge.ts";
export { loadPeftAdapter, openPeftBase, savePeftAdapter } from "./models/adapters/peft.node.ts";
export type { AdapterSpec } from "./models/adapters/spec.ts";
export { type HeadOptions, replaceHead } from "./models/head.ts";
export type { DownloadProgress } from "./models/hub/fetch-repo.node.ts";
export { type LocatedModel, type LocateOptions, locateModel } from "./models/hub/locate.node.ts";
export type { HubSettings } from "./models/hub/settings.node.ts";
export { type LoadOptions, loadModel } from "./models/load.node.ts";
export type { Block, Model, Parameter } from "./models/model.ts";
export { type SaveOptions, saveModel } from "./models/save.node.ts";
export { type CpuOptions, cpuRuntime } from "./runtime/cpu.node.ts";
export { cudaRuntime, type GpuOptions, webgpuRuntime } from "./runtime/gpu.node.ts";
export type { Executable, ParameterStore, Runtime } from "./runtime/runtime.ts";
