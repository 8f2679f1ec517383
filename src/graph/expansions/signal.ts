import { type GraphBuilder, range } from "../builder.ts";
import { halfOf } from "../fourier.ts";
import { knownNumbers } from "../infer.ts";
import type { Value } from "../ir.ts";
import { type Composite, type Expansions, noExpansion, sizesOf } from "./expansion.ts";
import { dft, fourierConstant } from "./signal-dft.ts";

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

/** A product of the frames with the cosines and sines, which hold the window. */
function stft({ g, node, x, has, attrs }: Composite<"STFT">): Value {
  const [signal, frameStep, window, frameLength] = x;
  const [, , parts] = signal.shape ?? noExpansion(node, "the number of axes of its signal is not known");
  if (typeof parts === "string")
    return noExpansion(node, "it is not known whether its signal is real or complex");
  const numberIn = (value: Value, what: string) =>
    knownNumbers(value)?.[0] ?? noExpansion(node, `its ${what} is not constant`);
  const step = numberIn(frameStep, "frame step");
  const length = has(2)
    ? sizesOf(node, window, "the length")[0]!
    : numberIn(
        frameLength ?? noExpansion(node, "it has neither a window nor a frame length"),
        "frame length",
      );
  const onesided = attrs.onesided !== 0;
  const bins = onesided ? halfOf(length) : length;
  const each = parts ?? 1;
  const fourier = { from: length, fromParts: each, length, inverse: false, onesided };
  const waves = fourierConstant(g, fourier, signal, [length, each * bins * 2]);
  const basis = g.reshape(has(2) ? g.mul(waves, g.unsqueeze(window, [1])) : waves, [length * each, bins * 2]);
  const flat = g.op("Reshape", [signal, g.ints([0, -1])]);
  const spectra = g.matmul(framesOf(g, flat, length * each, step * each), basis);
  return g.op("Reshape", [spectra, g.ints([0, 0, bins, 2])]);
}

export const signal = { DFT: dft, STFT: stft } as const satisfies Expansions;
