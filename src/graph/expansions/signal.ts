import { type GraphBuilder, type Operand, range } from "../builder.ts";
import { halfOf } from "../fourier.ts";
import { knownNumbers } from "../infer.ts";
import type { Value } from "../ir.ts";
import { type Composite, type Expansions, noExpansion } from "./expansion.ts";
import { asVector, linearIn, quotientOf, rampOf, sizeAlong, sumOf } from "./open-sizes.ts";
import { byWaves, dft, fourierConstant } from "./signal-dft.ts";

/**
 * Frames of a signal, each a row: [batch, frames, frame].
 *
 * The signal is cut into blocks of one step; a frame is as many neighbouring blocks as it reaches into, so that nothing
 * is read number by number, neither here nor on the way back. signal: [batch, samples].
 */
function framesOf(g: GraphBuilder, signal: Value, frame: number, step: number): Value {
  const parts = Math.ceil(frame / step);
  const samples = g.sizeOf(signal, 1);
  const count = g.add(g.op("Div", [g.sub(samples, frame), g.ints([step])]), parts);
  const pads = g.concat([g.ints([0, 0, 0]), g.sub(g.mul(count, step), samples)], 0);
  const blocks = g.op("Reshape", [g.op("Pad", [signal, pads]), g.ints([0, -1, step])]);
  const shifted = range(parts).map((part) => {
    const end = part === parts - 1 ? Number.MAX_SAFE_INTEGER : part + 1 - parts;
    return g.slice(blocks, [1, 2], [part, 0], [end, Math.min(step, frame - part * step)]);
  });
  return g.concat(shifted, 2);
}

/** The same where only the run knows the frame or the step: read number by number. signal: [batch, samples, parts]. */
function gatheredFrames(g: GraphBuilder, signal: Value, frame: Operand, step: Operand): Value {
  const room = sumOf(g, sizeAlong(g, signal, 1), frame, -1);
  const count = linearIn(g, quotientOf(g, room, step), 1, 1);
  const starts = g.unsqueeze(g.mul(rampOf(g, count, "int64"), step), [1]);
  return g.op("Gather", [signal, g.add(starts, rampOf(g, frame, "int64"))], { axis: 1 });
}

/** A product of the frames with the cosines and sines, which hold the window. */
function stft({ g, node, x, has, attrs }: Composite<"STFT">): Value {
  const [signal, frameStep, window, frameLength] = x;
  const [, , parts] = signal.shape ?? noExpansion(node, "the number of axes of its signal is not known");
  if (typeof parts === "string")
    return noExpansion(node, "it is not known whether its signal is real or complex");
  const numberIn = (value: Value): Operand =>
    knownNumbers(value)?.[0] ?? g.reshape(g.cast(value, "int64"), [1]);
  const step = numberIn(frameStep);
  const length = has(2)
    ? sizeAlong(g, window, 0)
    : numberIn(frameLength ?? noExpansion(node, "it has neither a window nor a frame length"));
  const onesided = attrs.onesided !== 0;
  const each = parts ?? 1;
  if (typeof length !== "number" || typeof step !== "number") {
    const parted = parts === undefined ? g.unsqueeze(signal, [2]) : signal;
    const frames = gatheredFrames(g, parted, length, step);
    const shown = has(2) ? g.mul(frames, g.unsqueeze(window, [1])) : frames;
    return byWaves(g, shown, each, asVector(g, length), { inverse: false, onesided });
  }
  const bins = onesided ? halfOf(length) : length;
  const fourier = { from: length, fromParts: each, length, inverse: false, onesided };
  const waves = fourierConstant(g, fourier, signal, [length, each * bins * 2]);
  const basis = g.reshape(has(2) ? g.mul(waves, g.unsqueeze(window, [1])) : waves, [length * each, bins * 2]);
  const flat = g.op("Reshape", [signal, g.ints([0, -1])]);
  const spectra = g.matmul(framesOf(g, flat, length * each, step * each), basis);
  return g.op("Reshape", [spectra, g.ints([0, 0, bins, 2])]);
}

export const signal = { DFT: dft, STFT: stft } as const satisfies Expansions;
