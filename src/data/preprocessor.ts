import { entryOf } from "../base/entry-of.ts";
import type { ImagePreprocessor } from "./dataset.ts";
import { geometryOf, type InputFacts } from "./preprocessor-geometry.ts";
import {
  badPreprocessor,
  isOn,
  numbers,
  perChannel,
  pillowNumbers,
  resampleOf,
} from "./preprocessor-values.ts";

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

/**
 * Reads the content of a preprocessor_config.json.
 *
 * Knows the keys of ViT-, DeiT-, ConvNeXt-, CLIP-, SigLIP-, EfficientNet- and MobileNet-like processors: `size` as a number,
 * [h, w], {height, width} or {shortest_edge}, `crop_size`, `do_center_crop`, `crop_pct`, `do_rescale`, `rescale_factor`,
 * `do_normalize`, `image_mean`, `image_std`, `resample`, `do_convert_grayscale`, `do_flip_channel_order`, EfficientNet's
 * `rescale_offset` and `include_top`, and timm's and torchvision's `mean`, `std`, `interpolation`, `input_size`,
 * `resize_size`. `where` names the file in errors.
 * @throws data/bad-preprocessor.
 */
export function parsePreprocessor(json: unknown, where: string, input: InputFacts): ImagePreprocessor {
  if (json === null || typeof json !== "object" || Array.isArray(json)) {
    throw badPreprocessor(where, "is not a JSON object", "Write the keys that transformers writes.");
  }
  const given = Object.entries(json).map(([key, value]) => [entryOf(aliases, key) ?? key, value] as const);
  const type = String(Object.fromEntries(given)["image_processor_type"] ?? "").replace(
    /(ImageProcessor(Fast|Pil)?|FeatureExtractor)$/,
    "",
  );
  if (unlikeOthers.has(type))
    throw badPreprocessor(
      where,
      `is of the type ${type}, which resizes images by a rule of its own`,
      "Resize the images yourself, and write a ViTImageProcessor's keys, or delete the file and give size, mean and std.",
    );
  const config: Record<string, unknown> = {
    ...defaultsOf[Object.hasOwn(defaultsOf, type) ? type : "ViT"],
    // what no class of transformers wrote means the shorter side where a crop follows
    ...(type === "" ? { default_to_square: Object.fromEntries(given)["do_center_crop"] !== true } : {}),
    ...Object.fromEntries(given),
  };

  const { mean, std } = statisticsOf(config, where);
  if (std.some((s) => s === 0))
    throw badPreprocessor(where, "has an image_std of 0", "Give the deviation of each channel.");
  const isGrey =
    config["do_convert_grayscale"] === true ||
    (mean.length === 1 && given.some(([key]) => key === "image_mean"));
  const channels = input.channels ?? (isGrey ? 1 : 3);
  const rescaleFactor = !isOn(config["do_rescale"]) ? 1 : (config["rescale_factor"] ?? 1 / 255);
  if (typeof rescaleFactor !== "number" || !Number.isFinite(rescaleFactor) || rescaleFactor === 0) {
    throw badPreprocessor(
      where,
      `has the rescale_factor ${JSON.stringify(rescaleFactor)}`,
      "Give a number such as 0.00392156862745098 (1/255).",
    );
  }
  const geometry = geometryOf(config, type, where, input);
  for (const side of ["height", "width"] as const) {
    if (input[side] !== undefined && input[side] !== geometry[side]) {
      throw badPreprocessor(
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
    resample: pillowNumbers[resample],
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
