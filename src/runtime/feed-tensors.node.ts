import { type InferenceSession, Tensor } from "onnxruntime-node";
import { DiapasonError, nearest } from "../base/errors.ts";
import type { DataType } from "../graph/tensor.ts";
import type { RunRequest } from "./messages.ts";
import type { HostTensor } from "./runtime.ts";

const float16Types: ReadonlySet<DataType> = new Set(["float16"]);

/** The fed inputs as tensors. @throws runtime/bad-feed when one is missing, unknown, or of another type or rank. */
export function tensorsOf(
  inputs: readonly InferenceSession.ValueMetadata[],
  feeds: RunRequest["feeds"],
): Record<string, Tensor> {
  const wanted = new Map(inputs.map((input) => [input.name, input]));
  for (const name of Object.keys(feeds)) {
    if (!wanted.has(name))
      throw badFeed(`The graph has no input "${name}" to feed`, nearestOr(name, [...wanted.keys()]));
  }
  const tensors: Record<string, Tensor> = {};
  for (const [name, input] of wanted) {
    const fed = feeds[name];
    if (!fed)
      throw badFeed(`The input "${name}" is not fed`, "Feed every input that the store does not hold.");
    if (input.isTensor) check(name, fed, input);
    tensors[name] = tensorOf(fed);
  }
  return tensors;
}

/** @throws runtime/no-output */
export function checkOutputs(session: InferenceSession, asked: readonly string[]): void {
  for (const name of asked)
    if (!session.outputNames.includes(name))
      throw new DiapasonError(
        "runtime/no-output",
        `The graph has no output "${name}".`,
        nearestOr(name, session.outputNames),
      );
}

export function hostTensor(tensor: Tensor): HostTensor {
  return { dtype: tensor.type as DataType, dims: tensor.dims, data: tensor.data as HostTensor["data"] };
}

const badFeed = (found: string, fix: string): DiapasonError =>
  new DiapasonError("runtime/bad-feed", `${found}.`, fix);

function nearestOr(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  return near ? `Did you mean "${near}"?` : `There is ${names.map((n) => `"${n}"`).join(", ") || "none"}.`;
}

function check(name: string, fed: HostTensor, input: InferenceSession.TensorValueMetadata): void {
  const wanted = `${input.type} [${input.shape.join(", ")}]`;
  const found = `${fed.dtype} [${fed.dims.join(", ")}]`;
  const size = fed.dims.reduce((n, d) => n * d, 1);
  const fits =
    fed.dims.length === input.shape.length &&
    input.shape.every((d, i) => typeof d !== "number" || d < 0 || d === fed.dims[i]);
  if (fed.dtype !== input.type || !fits)
    throw badFeed(
      `The input "${name}" is fed ${found}; the graph wants ${wanted}`,
      "Feed an array of that type and shape.",
    );
  if (size !== fed.data.length)
    throw badFeed(
      `The input "${name}" is fed ${fed.data.length} numbers for ${found}`,
      "Make the array as long as its shape says.",
    );
}

function tensorOf({ dtype, dims, data }: HostTensor): Tensor {
  // Crossing threads turns 16-bit floats into plain 16-bit words, which is how the binding takes them.
  const array = float16Types.has(dtype) ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data;
  return new Tensor(dtype as "float32", array as Float32Array, dims);
}
