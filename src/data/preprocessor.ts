import { DiapasonError } from "../base/errors.ts";
import type { ImagePreprocessor, Resample } from "./dataset.ts";

/** Pillow's numbers of resampling filters; box and hamming have no counterpart in sharp. */
const resampleNumbers: Readonly<Record<number, Resample>> = {
  0: "nearest",
  1: "lanczos",
  2: "bilinear",
  3: "bicubic",
};
const numberOfResample: Readonly<Record<Resample, number>> = {
  nearest: 0,
  lanczos: 1,
  bilinear: 2,
  bicubic: 3,
};

const clipDefaults = {
  size: { shortest_edge: 224 },
  do_center_crop: true,
  crop_size: 224,
  resample: 3,
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
};

/** What Hugging Face's classes assume where the file says nothing; others are taken to be like ViTImageProcessor. */
const defaultsOf: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  ViT: { size: { height: 224, width: 224 }, default_to_square: true },
  DeiT: { size: 256, default_to_square: true, do_center_crop: true, crop_size: 224, resample: 3 },
  ConvNext: { size: { shortest_edge: 384 }, crop_pct: 224 / 256, resample: 3 },
  MobileNetV2: { size: { shortest_edge: 256 }, do_center_crop: true, crop_size: 224 },
  CLIP: clipDefaults,
  Bit: clipDefaults,
  Siglip: { size: { height: 224, width: 224 }, resample: 3 },
  EfficientNet: {
    size: { height: 346, width: 346 },
    default_to_square: true,
    crop_size: 289,
    resample: 3,
    include_top: true,
  },
};

/** Classes that resize or crop by rules of their own. */
const unlikeOthers: ReadonlySet<string> = new Set(["DPT", "Levit", "Perceiver", "PoolFormer"]);

/** Spellings of timm and torchvision. */
const aliases: Readonly<Record<string, string>> = {
  mean: "image_mean",
  std: "image_std",
  interpolation: "resample",
  resize_size: "size",
  feature_extractor_type: "image_processor_type",
};

/** What is known of the model's input apart from its preprocessor. */
export interface InputFacts {
  readonly layout: "nchw" | "nhwc";
  readonly channels?: 1 | 3;
  /** Fixed by the graph. */
  readonly height?: number;
  readonly width?: number;
}

/**
 * Reads the content of a preprocessor_config.json.
 *
 * Knows the keys of ViT-, DeiT-, ConvNeXt-, CLIP-, SigLIP-, EfficientNet- and MobileNet-like processors: `size` as a number, [h, w],
 * {height, width} or {shortest_edge}, `crop_size`, `do_center_crop`, `crop_pct`, `do_rescale`, `rescale_factor`,
 * `do_normalize`, `image_mean`, `image_std`, `resample`, `do_convert_grayscale`, `do_flip_channel_order`, EfficientNet's
 * `rescale_offset` and `include_top`, and timm's and
 * torchvision's `mean`, `std`, `interpolation`, `input_size`, `resize_size`. `where` names the file in errors.
 * @throws data/bad-preprocessor.
 */
export function parsePreprocessor(json: unknown, where: string, input: InputFacts): ImagePreprocessor {
  if (json === null || typeof json !== "object" || Array.isArray(json)) {
    throw bad(where, "is not a JSON object", "Write the keys that transformers writes.");
  }
  const given = Object.entries(json).map(
    ([key, value]) => [Object.hasOwn(aliases, key) ? aliases[key]! : key, value] as const,
  );
  const type = String(Object.fromEntries(given)["image_processor_type"] ?? "").replace(
    /(ImageProcessor(Fast|Pil)?|FeatureExtractor)$/,
    "",
  );
  if (unlikeOthers.has(type))
    throw bad(
      where,
      `is of the type ${type}, which resizes images by a rule of its own`,
      "Resize the images yourself, and write a ViTImageProcessor's keys, or delete the file and give size, mean and std.",
    );
  const config: Record<string, unknown> = {
    ...(defaultsOf[type] ?? defaultsOf["ViT"]),
    // what no class of transformers wrote means the shorter side where a crop follows
    ...(type === "" ? { default_to_square: Object.fromEntries(given)["do_center_crop"] !== true } : {}),
    ...Object.fromEntries(given),
  };

  const { mean, std } = statisticsOf(config, where);
  if (std.some((s) => s === 0))
    throw bad(where, "has an image_std of 0", "Give the deviation of each channel.");
  const isGrey =
    config["do_convert_grayscale"] === true ||
    (mean.length === 1 && given.some(([key]) => key === "image_mean"));
  const channels = input.channels ?? (isGrey ? 1 : 3);
  const rescaleFactor = !isOn(config["do_rescale"]) ? 1 : (config["rescale_factor"] ?? 1 / 255);
  if (typeof rescaleFactor !== "number" || !Number.isFinite(rescaleFactor) || rescaleFactor === 0) {
    throw bad(
      where,
      `has the rescale_factor ${JSON.stringify(rescaleFactor)}`,
      "Give a number such as 0.00392156862745098 (1/255).",
    );
  }
  const geometry = geometryOf(config, type, where, input);
  for (const side of ["height", "width"] as const) {
    if (input[side] !== undefined && input[side] !== geometry[side]) {
      throw bad(
        where,
        `makes images of ${geometry.height}×${geometry.width} pixels, but the model takes ${input.height ?? "any"}×${input.width ?? "any"}`,
        "Correct the size in the file, or give the model's size.",
      );
    }
  }
  return {
    ...geometry,
    channels,
    rescaleFactor,
    mean: perChannel(mean, channels, "image_mean", where),
    std: perChannel(std, channels, "image_std", where),
    resample: resampleOf(config["resample"] ?? 2, where),
    ...(config["do_flip_channel_order"] === true ? { channelOrder: "bgr" } : {}),
    layout: input.layout,
  };
}

/**
 * What is taken from scaled pixels, and by what they are divided, a number a channel. EfficientNet's `rescale_offset` takes
 * 1 more, and its `include_top` divides by the deviation once more, whether or not `do_normalize` did.
 */
function statisticsOf(config: Readonly<Record<string, unknown>>, where: string) {
  const isNormalised = isOn(config["do_normalize"]);
  const deviation = numbers(config["image_std"] ?? 0.5, "image_std", where);
  const offset = config["rescale_offset"] === true && isOn(config["do_rescale"]) ? 1 : 0;
  const times = +isNormalised + +(config["include_top"] === true);
  const mean = isNormalised ? numbers(config["image_mean"] ?? 0.5, "image_mean", where) : [0];
  return { mean: mean.map((m) => m + offset), std: times === 0 ? [1] : deviation.map((s) => s ** times) };
}

/** A step that is on unless the file says otherwise, which null does too. */
const isOn = (value: unknown): boolean => value !== false && value !== null;

type Geometry = Pick<ImagePreprocessor, "height" | "width" | "resize" | "resizeTo">;
type Size = { readonly height: number; readonly width: number } | { readonly shorter: number };

function geometryOf(
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
    throw bad(
      where,
      "crops images that it does not resize",
      "Resize them to what the crop keeps, or let the file resize them (do_resize).",
    );
  if (!isResized) {
    const { height, width } = input;
    if (height !== undefined && width !== undefined) return { height, width, resize: "exact" };
    throw bad(
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
    throw bad(
      where,
      `resizes the shorter side of an image to ${shorter} pixels and crops nothing, so that images would differ in size`,
      "Give a height and width in size, or do_center_crop and crop_size.",
    );
  }
  if (type === "ConvNext")
    throw bad(where, "crops an image a second time (do_center_crop)", "Leave do_center_crop out.");
  const { height, width } = "shorter" in crop ? { height: crop.shorter, width: crop.shorter } : crop;
  if ("shorter" in size) return { height, width, resize: "crop", resizeTo: size.shorter };
  if (size.height === height && size.width === width) return { height, width, resize: "exact" };
  if (size.height !== size.width) {
    throw bad(
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
  throw bad(
    where,
    `has the ${key} ${JSON.stringify(value)}`,
    "Give a number of pixels, {height, width} or {shortest_edge}.",
  );
}

function resampleOf(value: unknown, where: string): Resample {
  const name =
    typeof value === "string"
      ? value.toLowerCase().replace("lanczos3", "lanczos")
      : resampleNumbers[value as number];
  if (name !== undefined && name in numberOfResample) return name as Resample;
  throw bad(
    where,
    `asks for the resampling filter ${JSON.stringify(value)}`,
    "Use 0 (nearest), 1 (lanczos), 2 (bilinear) or 3 (bicubic).",
  );
}

function numbers(value: unknown, key: string, where: string): readonly number[] {
  const list = Array.isArray(value) ? value : [value];
  if (list.length > 0 && list.every((n) => typeof n === "number" && Number.isFinite(n)))
    return list as number[];
  throw bad(where, `has the ${key} ${JSON.stringify(value)}`, "Give one number for each channel.");
}

/** One number stands for every channel; of three, a grey image takes the average. */
function perChannel(
  values: readonly number[],
  channels: 1 | 3,
  key: string,
  where: string,
): readonly number[] {
  if (values.length === channels) return values;
  if (values.length === 1) return Array.from({ length: channels }, () => values[0]!);
  if (channels === 1 && values.length === 3) return [(values[0]! + values[1]! + values[2]!) / 3];
  throw bad(
    where,
    `has ${values.length} numbers in ${key} for ${channels} channels`,
    "Give one number for each channel.",
  );
}

const bad = (where: string, what: string, fix: string): DiapasonError =>
  new DiapasonError("data/bad-preprocessor", `${where} ${what}.`, fix);

/** Options that go before what a file says. */
export interface PreprocessorOverrides {
  /** Height and width in pixels. */
  readonly size?: number | undefined;
  /** Per channel, or one for all, of pixels scaled to 0…1. */
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
}

/** A preprocessor with some of it replaced. A resize before a crop keeps its proportion to the crop. */
export function overridePreprocessor(
  preprocessor: ImagePreprocessor,
  { size, mean, std }: PreprocessorOverrides,
): ImagePreprocessor {
  const { channels, rescaleFactor, height, width, resizeTo } = preprocessor;
  // Options speak of 0…1; a model that takes 0…255 has its numbers on that scale.
  const scaled = (values: readonly number[], key: string) =>
    perChannel(numbers(values, key, "The option"), channels, key, "The option").map(
      (v) => v * 255 * rescaleFactor,
    );
  return {
    ...preprocessor,
    ...(size === undefined ? {} : { height: size, width: size }),
    ...(size === undefined || resizeTo === undefined
      ? {}
      : { resizeTo: Math.round((resizeTo * size) / Math.min(height, width)) }),
    ...(mean ? { mean: scaled(mean, "mean") } : {}),
    ...(std ? { std: scaled(std, "std") } : {}),
  };
}

/** The same as Hugging Face's keys; transformers and transformers.js read it to the same images. */
export function formatPreprocessor(preprocessor: ImagePreprocessor): Readonly<Record<string, unknown>> {
  const {
    height,
    width,
    channels,
    rescaleFactor,
    mean,
    std,
    resize,
    resizeTo,
    resample = "bilinear",
    channelOrder,
  } = preprocessor;
  const square = resizeTo ?? Math.min(height, width);
  const geometry = {
    exact: { image_processor_type: "ViTImageProcessor", do_resize: true, size: { height, width } },
    "exact-crop": {
      image_processor_type: "DeiTImageProcessor",
      do_resize: true,
      size: { height: square, width: square },
    },
    crop: { image_processor_type: "CLIPImageProcessor", do_resize: true, size: { shortest_edge: square } },
  }[resize];
  return {
    ...geometry,
    ...(resize === "exact" ? {} : { do_center_crop: true, crop_size: { height, width } }),
    resample: numberOfResample[resample],
    do_rescale: rescaleFactor !== 1,
    rescale_factor: rescaleFactor,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
    do_convert_rgb: channels === 3,
    ...(channels === 1 ? { do_convert_grayscale: true } : {}),
    ...(channelOrder === "bgr" ? { do_flip_channel_order: true } : {}),
  };
}
