import { bug } from "../base/errors.ts";
import { attributesOf, opNameOf } from "./attributes.ts";
import { ceilQuotient, type Dim, difference, floorQuotient, product, sum } from "./dim.ts";
import type { Node } from "./ir.ts";
import type { AttributesOf, OpName } from "./schemas.ts";

/** The window of a convolution or a pool with every default and auto_pad resolved; one entry for each spatial axis. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** At the begin of each axis, then at the end of each. */
  readonly pads: readonly number[];
  /** Sizes of the output; undefined where a symbolic size does not tell. */
  readonly output: readonly (Dim | undefined)[];
}

const windowOps: ReadonlySet<string | undefined> = new Set<OpName>([
  "Conv",
  "ConvInteger",
  "ConvTranspose",
  "MaxPool",
  "AveragePool",
  "LpPool",
]);

/**
 * The window of a Conv, ConvTranspose, MaxPool, AveragePool or LpPool node.
 *
 * Undefined while the rank or the kernel is unknown, or while pads depend on a spatial size that is not a number
 * (auto_pad SAME with a stride above 1, output_shape). ceil_mode follows ONNX: the last window starts inside the input
 * or the padding before it.
 */
export function windowOf(node: Node): Window | undefined {
  const spatial = node.inputs[0]?.shape?.slice(2);
  const frame = spatial && windowFrame(node, spatial.length);
  const along =
    frame && spatial.map((size, axis) => (frame.transposed ? transposed : forward)(frame, size, axis));
  if (!along?.every((a) => a !== undefined)) return undefined;
  const { kernel, strides, dilations } = frame!;
  const pads = [...along.map((a) => a.begin), ...along.map((a) => a.end)];
  return { kernel, strides, dilations, pads, output: along.map((a) => a.output) };
}

/**
 * Whether a pool whose number of windows is rounded up has no more of them than rounded down, as those that would be more
 * begin in the padding. Shape inference of ONNX counts them all the same until opset 22, and then a runtime refuses what
 * stands beside the pool.
 */
export function roundsUpInVain(node: Node): boolean {
  if (node.attributes.get("ceil_mode") === undefined || !windowOps.has(opNameOf(node))) return false;
  const attributes = new Map([...node.attributes].filter(([key]) => key !== "ceil_mode"));
  const [up, down] = [node, { ...node, attributes }].map((one) => windowOf(one)?.output);
  return up?.every((size, axis) => typeof size === "number" && size === down?.[axis]) ?? false;
}

/**
 * Whether windows that begin past the end of a pool's input are counted along an axis by shape inference of ONNX, until
 * opset 22, and left out by what runs it.
 */
export function countsPastEnd(node: Node): boolean {
  const spatial = node.inputs[0]?.shape?.slice(2) ?? [];
  const frame = windowFrame(node, spatial.length);
  if (!frame?.ceil || frame.autoPad.startsWith("SAME")) return false;
  return spatial.some((size, axis) => {
    if (typeof size !== "number") return false;
    const { begin, end } = explicit(frame, axis);
    const room = size + begin + end - spanOf(frame, axis);
    return forward(frame, size, axis)?.output !== Math.ceil(room / frame.strides[axis]!) + 1;
  });
}

/** What a node says of its window, before its input's sizes are looked at. */
export interface Frame {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly autoPad: string;
  readonly ceil: boolean;
  readonly transposed: boolean;
  readonly outputPadding: readonly number[];
  readonly outputShape: readonly number[];
}

/** The frame of a node's window over `rank` axes; undefined where its kernel is not known. */
export function windowFrame(node: Node, rank: number): Frame | undefined {
  const name = opNameOf(node);
  if (!windowOps.has(name)) bug(`${node.op} has no window`);
  const attributes: Partial<AttributesOf<"ConvTranspose"> & AttributesOf<"MaxPool">> = attributesOf(
    node,
    name as "ConvTranspose" | "MaxPool",
  );
  const given = attributes.kernel_shape ?? [];
  const kernel = given.length > 0 ? given : node.inputs[1]?.shape?.slice(2);
  if (kernel?.length !== rank || !kernel.every((size) => typeof size === "number")) return undefined;
  const or = (list: readonly number[] | undefined, value: number, length = rank) =>
    list && list.length > 0 ? list : new Array<number>(length).fill(value);
  return {
    kernel,
    strides: or(attributes.strides, 1),
    dilations: or(attributes.dilations, 1),
    pads: or(attributes.pads, 0, 2 * rank),
    autoPad: attributes.auto_pad ?? "NOTSET",
    ceil: attributes.ceil_mode === 1,
    transposed: name === "ConvTranspose",
    outputPadding: or(attributes.output_padding, 0),
    outputShape: (attributes.output_shape ?? []).slice(-rank),
  };
}

/** Pads and output size along one axis. */
interface Along {
  readonly begin: number;
  readonly end: number;
  readonly output: Dim | undefined;
}

/** How many elements of an axis a window spans. */
export const spanOf = (frame: Frame, axis: number): number =>
  (frame.kernel[axis]! - 1) * frame.dilations[axis]! + 1;

function forward(frame: Frame, size: Dim, axis: number): Along | undefined {
  const stride = frame.strides[axis]!;
  const span = spanOf(frame, axis);
  if (frame.autoPad.startsWith("SAME")) {
    const output = ceilQuotient(size, stride);
    if (stride === 1) return { ...shared(frame, span - 1), output };
    if (typeof size !== "number" || typeof output !== "number") return undefined;
    return { ...shared(frame, (output - 1) * stride + span - size), output };
  }
  const { begin, end } = explicit(frame, axis);
  const room = sum([size, begin + end - span]);
  if (!frame.ceil) return { begin, end, output: atLeastZero(sum([floorQuotient(room, stride), 1])) };
  const output = sum([ceilQuotient(room, stride), 1]);
  const alwaysInside = end - span + stride - 1 < 0;
  if (alwaysInside || typeof output !== "number" || typeof size !== "number")
    return { begin, end, output: alwaysInside ? atLeastZero(output) : undefined };
  return { begin, end, output: (output - 1) * stride >= size + begin ? output - 1 : output };
}

function transposed(frame: Frame, size: Dim, axis: number): Along | undefined {
  const stride = frame.strides[axis]!;
  const grown = frame.outputPadding[axis]! + spanOf(frame, axis) - stride;
  const asked = frame.outputShape[axis];
  if (asked !== undefined)
    return typeof size === "number"
      ? { ...shared(frame, stride * size + grown - asked), output: asked }
      : undefined;
  if (frame.autoPad.startsWith("SAME")) return { ...shared(frame, grown), output: product([stride, size]) };
  const { begin, end } = explicit(frame, axis);
  return { begin, end, output: difference(sum([product([stride, size]), grown]), begin + end) };
}

const atLeastZero = (size: Dim): Dim => (typeof size === "number" ? Math.max(0, size) : size);

/** Padding split in two; of an odd one the end gets more with SAME_UPPER, else the begin. */
function shared(frame: Frame, total: number): { readonly begin: number; readonly end: number } {
  const most = Math.ceil(Math.max(0, total) / 2);
  const least = Math.max(0, total) - most;
  return frame.autoPad === "SAME_UPPER" ? { begin: least, end: most } : { begin: most, end: least };
}

/** The padding of an axis that a node gives in numbers. */
export function explicit(frame: Frame, axis: number): { readonly begin: number; readonly end: number } {
  if (frame.autoPad === "VALID") return { begin: 0, end: 0 };
  return { begin: frame.pads[axis]!, end: frame.pads[axis + frame.kernel.length]! };
}
