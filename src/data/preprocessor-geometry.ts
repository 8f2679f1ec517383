import type { ImagePreprocessor } from "./dataset.ts";
import { badPreprocessor, isOn } from "./preprocessor-values.ts";

/** What is known of the model's input apart from its preprocessor. */
export interface InputFacts {
  readonly layout: "nchw" | "nhwc";
  readonly channels?: 1 | 3;
  /** Fixed by the graph. */
  readonly height?: number;
  readonly width?: number;
}

type Geometry = Pick<ImagePreprocessor, "height" | "width" | "resize" | "resizeTo">;
type Size = { readonly height: number; readonly width: number } | { readonly shorter: number };

/** The size of the images that a file's steps make, and how they come to it. @throws data/bad-preprocessor */
export function geometryOf(
  config: Readonly<Record<string, unknown>>,
  type: string,
  where: string,
  input: InputFacts,
): Geometry {
  const inputSize = config["input_size"];
  const timm = Array.isArray(inputSize) && inputSize.length === 3 ? inputSize.slice(1) : undefined;
  const crop =
    config["do_center_crop"] === true || timm
      ? sizeOf(config["crop_size"] ?? timm ?? 224, "crop_size", where)
      : undefined;
  const isResized = isOn(config["do_resize"]);
  if (!isResized && crop)
    throw badPreprocessor(
      where,
      "crops images that it does not resize",
      "Resize them to what the crop keeps, or let the file resize them (do_resize).",
    );
  if (!isResized) {
    const { height, width } = input;
    if (height !== undefined && width !== undefined) return { height, width, resize: "exact" };
    throw badPreprocessor(
      where,
      "says do_resize false, and the model does not fix the size of its images",
      "Give the size of the images.",
    );
  }
  const size: Size = timm
    ? { shorter: Math.floor(Number(timm[0]) / Number(config["crop_pct"] ?? 0.875)) }
    : sizeOf(config["size"], "size", where, config["default_to_square"] === true);
  const share = type === "ConvNext" || type === "" ? config["crop_pct"] : undefined;
  if (!crop) {
    if (!("shorter" in size)) return { ...size, resize: "exact" };
    // ConvNeXt and ResNet: below 384 pixels a larger resize, then the centre; from 384 on a plain resize to the square.
    const { shorter } = size;
    if (typeof share === "number")
      return shorter >= 384
        ? { height: shorter, width: shorter, resize: "exact" }
        : { height: shorter, width: shorter, resize: "crop", resizeTo: Math.floor(shorter / share) };
    throw badPreprocessor(
      where,
      `resizes the shorter side of an image to ${shorter} pixels and crops nothing, so that images would differ in size`,
      "Give a height and width in size, or do_center_crop and crop_size.",
    );
  }
  if (type === "ConvNext")
    throw badPreprocessor(
      where,
      "crops an image a second time (do_center_crop)",
      "Leave do_center_crop out.",
    );
  const { height, width } = "shorter" in crop ? { height: crop.shorter, width: crop.shorter } : crop;
  if ("shorter" in size) return { height, width, resize: "crop", resizeTo: size.shorter };
  if (size.height === height && size.width === width) return { height, width, resize: "exact" };
  if (size.height !== size.width) {
    throw badPreprocessor(
      where,
      `resizes to ${size.height}×${size.width} before cropping`,
      "Resize to a square or by the shortest edge; other sizes are not supported.",
    );
  }
  return { height, width, resize: "exact-crop", resizeTo: size.height };
}

/** A plain number is the side of a square, or the shorter side where the class has it so (CLIP). */
function sizeOf(value: unknown, key: string, where: string, isSquare = true): Size {
  const isPixels = (n: unknown): n is number => typeof n === "number" && Number.isInteger(n) && n >= 1;
  if (isPixels(value)) return isSquare ? { height: value, width: value } : { shorter: value };
  if (Array.isArray(value) && value.length === 2 && value.every(isPixels))
    return { height: value[0]!, width: value[1]! };
  if (Array.isArray(value) && value.length === 1 && isPixels(value[0])) return { shorter: value[0] };
  if (value !== null && typeof value === "object") {
    const { height, width, shortest_edge: shorter } = value as Record<string, unknown>;
    if (isPixels(height) && isPixels(width)) return { height, width };
    if (isPixels(shorter)) return { shorter };
  }
  throw badPreprocessor(
    where,
    `has the ${key} ${JSON.stringify(value)}`,
    "Give a number of pixels, {height, width} or {shortest_edge}.",
  );
}
