import type { Tensor } from "../../graph/tensor.ts";
import type { Model } from "../model.ts";
import { wordsOf } from "../same-tensor.ts";
import type { Layer } from "./layers.ts";
import type { AdapterMethodName } from "./spec.ts";

/** Arrays by parameter name. */
export type ArraysByName = ReadonlyMap<string, Float32Array>;

/** One tensor of an adapter, as the graph and as PEFT's file have it. */
export interface AdapterTensor {
  /** The initializer of the adapted graph. */
  readonly parameter: string;
  /** Its name in adapter_model.safetensors, without "base_model.model.". */
  readonly key: string;
  /** Its sizes there. */
  readonly dims: readonly number[];
  /** Whether the graph holds the transpose. */
  readonly isTransposed?: true;
}

/** What was put on one layer. */
export interface AdaptedLayer {
  /** The layer, its values being the adapted graph's. */
  readonly layer: Layer;
  readonly rank: number;
  readonly alpha: number;
  /** What B·A is multiplied by. */
  readonly scale: number;
  /** IA3: the layer's input is multiplied, not its output. */
  readonly isFeedforward: boolean;
  readonly tensors: readonly AdapterTensor[];
  /** PiSSA: the pair that was taken out of the weight, which must be added to be the base again. */
  readonly takenOut?: { readonly a: Float32Array; readonly b: Float32Array };
}

/** An adapter on a base model: what was asked for, with every default filled in, and what came of it. */
export interface Adapter {
  readonly method: AdapterMethodName;
  readonly base: Model;
  readonly rank: number;
  readonly alpha: number;
  /** Whether B·A is divided by the root of the rank. */
  readonly isRankStabilized: boolean;
  readonly layers: readonly AdaptedLayer[];
  /** Layers that none was put on: names must not mean one of these. */
  readonly spared: readonly string[];
  /** Parameters of the base that are tuned as a whole. */
  readonly saved: readonly string[];
  /** Running statistics of BatchNormalizations among those, which an adapter's file holds as well. */
  readonly statistics: readonly string[];
  readonly bias: "none" | "all" | "lora_only";
  /** Biases of the base that move. */
  readonly biases: readonly string[];
  readonly dropout: number;
}

/**
 * A model with an adapter: its graph computes with the adapter, its parameters are the adapter's and what is tuned beside
 * it, in the base's blocks. Everything else is frozen.
 */
export interface AdaptedModel extends Model {
  readonly adapter: Adapter;
}

/** The elements of a float32 tensor, as a view where its bytes lie well. */
export function floatsOf(tensor: Tensor): Float32Array {
  const { buffer, byteOffset, length } = wordsOf(tensor);
  return new Float32Array(buffer, byteOffset, length);
}

/** The value of a parameter: a new one where training gave it, else the graph's. */
export const currentOf = (model: Model, name: string, values: ArraysByName): Float32Array =>
  values.get(name) ?? floatsOf(model.graph.get(name).constant!);

/** A matrix [rows, columns] as [columns, rows]. */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) turned[j * rows + i] = values[i * columns + j]!;
  return turned;
}
