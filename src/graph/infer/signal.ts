import { fromFront } from "../attributes.ts";
import { type Dim, difference, floorQuotient, product, sum } from "../dim.ts";
import { dataTypeOf } from "../element-types.ts";
import type { OpName } from "../schemas.ts";
import type { OpenShape, ShapeRule } from "./rule.ts";

const half = (length: Dim | undefined): Dim | undefined =>
  length === undefined ? undefined : sum([floorQuotient(length, 2), 1]);

/** As many points as the length, or half of them; an inverse of half a spectrum is real. */
const dft: ShapeRule<"DFT"> = (ask) => {
  const shape = ask.shape(0);
  const { inverse, onesided } = ask.attributes;
  const given = ask.inputs[2] ? ask.values(2)?.[0] : -2;
  const dtype = ask.dtype(0);
  if (!shape || typeof given !== "number") return [{ dtype }];
  const axis = fromFront(given, shape.length);
  const points = shape[axis]!;
  const natural = inverse && onesided ? product([2, difference(points, 1)]) : points;
  const length = ask.inputs[1] ? ask.values(1)?.[0] : natural;
  const to = onesided && !inverse ? half(length) : length;
  const parts = inverse && onesided ? 1 : 2;
  return [{ dtype, shape: shape.map((dim, i) => (i === axis ? to : i === shape.length - 1 ? parts : dim)) }];
};

/** [batch, frames, bins, 2] of a signal [batch, samples, parts]. */
const stft: ShapeRule<"STFT"> = (ask) => {
  const [batch, samples] = ask.shape(0) ?? [];
  const step = ask.values(1)?.[0];
  const frame = ask.inputs[2] ? ask.shape(2)?.[0] : ask.values(3)?.[0];
  const isKnown = samples !== undefined && frame !== undefined && step !== undefined;
  const frames = isKnown ? sum([floorQuotient(difference(samples, frame), step), 1]) : undefined;
  const shape: OpenShape = [batch, frames, ask.attributes.onesided ? half(frame) : frame, 2];
  return [{ dtype: ask.dtype(0), shape }];
};

const window: ShapeRule<"HannWindow"> = (ask) => [
  { dtype: dataTypeOf(ask.attributes.output_datatype), shape: [ask.values(0)?.[0]] },
];

export const signal = {
  BlackmanWindow: window,
  DFT: dft,
  HammingWindow: window,
  HannWindow: window,
  MelWeightMatrix: (ask) => [
    {
      dtype: dataTypeOf(ask.attributes.output_datatype),
      shape: [half(ask.values(1)?.[0]), ask.values(0)?.[0]],
    },
  ],
  STFT: stft,
} satisfies { readonly [N in OpName]?: ShapeRule<N> };
