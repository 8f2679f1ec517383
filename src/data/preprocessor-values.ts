import { DiapasonError } from "../base/errors.ts";
import type { Resample } from "./dataset.ts";

/** Pillow's numbers of the filters that are read; its box (4) and hamming (5) are not. */
export const pillowNumbers: { readonly [R in Resample]: number } = {
  nearest: 0,
  lanczos: 1,
  bilinear: 2,
  bicubic: 3,
};
const resamples = Object.keys(pillowNumbers) as readonly Resample[];

/** A step that is on unless the file says otherwise, which null does too. */
export const isOn = (value: unknown): boolean => value !== false && value !== null;

/** A filter by Pillow's number, or by its name. @throws data/bad-preprocessor */
export function resampleOf(value: unknown, where: string): Resample {
  const name =
    typeof value === "string"
      ? value.toLowerCase().replace("lanczos3", "lanczos")
      : resamples.find((one) => pillowNumbers[one] === value);
  if (resamples.includes(name as Resample)) return name as Resample;
  throw badPreprocessor(
    where,
    `asks for the resampling filter ${JSON.stringify(value)}`,
    "Use 0 (nearest), 1 (lanczos), 2 (bilinear) or 3 (bicubic).",
  );
}

/** One number, or one for each channel. @throws data/bad-preprocessor */
export function numbers(value: unknown, key: string, where: string): readonly number[] {
  const list = Array.isArray(value) ? value : [value];
  if (list.length > 0 && list.every((n) => typeof n === "number" && Number.isFinite(n)))
    return list as number[];
  throw badPreprocessor(
    where,
    `has the ${key} ${JSON.stringify(value)}`,
    "Give one number for each channel.",
  );
}

/** One number stands for every channel; of three, a grey image takes the average. */
export function perChannel(
  values: readonly number[],
  channels: 1 | 3,
  key: string,
  where: string,
): readonly number[] {
  if (values.length === channels) return values;
  if (values.length === 1) return Array.from({ length: channels }, () => values[0]!);
  if (channels === 1 && values.length === 3) return [(values[0]! + values[1]! + values[2]!) / 3];
  throw badPreprocessor(
    where,
    `has ${values.length} numbers in ${key} for ${channels} channels`,
    "Give one number for each channel.",
  );
}

/** The error about what a file says; `where` names the file. */
export const badPreprocessor = (where: string, what: string, fix: string): DiapasonError =>
  new DiapasonError("data/bad-preprocessor", `${where} ${what}.`, fix);
