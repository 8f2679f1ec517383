/** One labelled image. `id`: stable across machines (path relative to the dataset's root, "/" as separator). */
export interface ImageExample {
  readonly id: string;
  readonly path: string;
  /** Class number, an index into the dataset's `classes`. */
  readonly label: number;
}

export type SplitName = "train" | "validation" | "test";

/** Something worth telling the user about their data; it does not stop the run. */
export interface DataFinding {
  readonly kind: string;
  readonly message: string;
}

/** Labelled images in splits. `classes` are sorted by name unless the caller fixed them. */
export interface ImageDataset {
  readonly root: string;
  readonly classes: readonly string[];
  readonly splits: { readonly [S in SplitName]: readonly ImageExample[] };
  /** How the splits came about, for the user: "folders", "seeded stratified split of train (10 %)". */
  readonly origin: string;
  readonly findings: readonly DataFinding[];
}

export type Resample = "nearest" | "bilinear" | "bicubic" | "lanczos";

/** What turns an image file into the model's input: Hugging Face's preprocessor_config.json, resolved. */
export interface ImagePreprocessor {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
  /** Multiplies 0…255 pixels before normalisation: 1/255, or 1 where the model wants 0…255. */
  readonly rescaleFactor: number;
  /** Per channel, subtracted and divided by after rescaling. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /**
   * "exact": resized to height × width. "crop": shorter side resized to `resizeTo`, then the centre cropped.
   * "exact-crop": resized to the square `resizeTo` × `resizeTo`, then the centre cropped (DeiT).
   */
  readonly resize: "exact" | "crop" | "exact-crop";
  /** Pixels; absent with "crop": the shorter of height and width. */
  readonly resizeTo?: number;
  /** Filter of resizing, by Pillow's names; absent: "bilinear". Each averages over enough pixels when it shrinks. */
  readonly resample?: Resample;
  /** Order of the three colour channels; absent: "rgb". */
  readonly channelOrder?: "rgb" | "bgr";
  readonly layout: "nchw" | "nhwc";
}

/** Images ready for the graph. */
export interface ImageBatch {
  readonly ids: readonly string[];
  /** [batch, channels, height, width], or [batch, height, width, channels] for layout "nhwc". */
  readonly pixels: Float32Array;
  readonly dims: readonly number[];
  /** Class numbers, [batch]; with mixup the class of the first image. */
  readonly labels: Int32Array;
  /** Target distribution, [batch, classes]: one-hot, smoothed or mixed. */
  readonly targets: Float32Array;
}

/** Random changes to training images; every draw is seeded by (seed, epoch, example id). */
export interface AugmentOptions {
  /** Probability of a horizontal mirror, 0…1. */
  readonly flip?: number;
  /**
   * "pad": black pixels on each side before a random crop back to size. "resized": a random part of the image, from
   * `minArea` (0…1] to all of its area and 3:4 to 4:3 wide, resized to the model's size.
   */
  readonly crop?:
    | { readonly kind: "pad"; readonly pixels: number }
    | { readonly kind: "resized"; readonly minArea: number };
  /** Brightness, contrast and saturation, each multiplied by a factor from 1 − color to 1 + color, 0…1. */
  readonly color?: number;
  /** RandAugment: operations per image and their magnitude 0…10. */
  readonly randAugment?: { readonly operations: number; readonly magnitude: number };
  /** Beta(α, α) of mixup; 0 or absent: none. */
  readonly mixup?: number;
}

export interface BatchOptions {
  readonly examples: readonly ImageExample[];
  readonly batchSize: number;
  readonly classes: number;
  readonly seed: number;
  /** Decides order and augmentation; evaluation passes 0. */
  readonly epoch: number;
  readonly shuffle: boolean;
  readonly augment?: AugmentOptions;
  /** Label smoothing of `targets`, 0 ≤ s < 1. */
  readonly smoothing?: number;
  /** Batches to leave out at the start: where a resumed epoch goes on. */
  readonly skip?: number;
}

/** Decodes, augments and batches images off the main thread, a few batches ahead. */
export interface ImageLoader {
  readonly preprocessor: ImagePreprocessor;
  batches(options: BatchOptions): AsyncIterable<ImageBatch>;
  close(): Promise<void>;
}
