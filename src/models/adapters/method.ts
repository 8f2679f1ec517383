import type { Graph, Value } from "../../graph/ir.ts";
import type { AdaptedLayer, AdapterTensor } from "./adapted.ts";
import type { Layer, LayerKind } from "./layers.ts";

/** What a method is told of the layer it adapts. */
export interface Placement {
  readonly graph: Graph;
  readonly layer: Layer;
  readonly rank: number;
  readonly alpha: number;
  /** Whether B·A is divided by the root of the rank, not by the rank. */
  readonly isRankStabilized: boolean;
  readonly seed: number;
  readonly dropout: number;
  /** IA3: the layer's input is scaled, not its output. */
  readonly isFeedforward: boolean;
  /** LoRA+: how many times as fast as A B moves. */
  readonly rateRatio: number;
}

/** A parameter that a method made. */
export interface MadeParameter extends AdapterTensor {
  readonly value: Value;
  readonly decays: boolean;
  readonly rate?: number;
}

/** A layer adapted: its graph is rewritten. */
export interface Placed extends Pick<AdaptedLayer, "rank" | "scale" | "takenOut"> {
  readonly made: readonly MadeParameter[];
}

/** New values of a layer's own parameters. */
export interface MergedLayer {
  readonly weight: Float32Array;
  readonly bias?: Float32Array;
}

/** A way to adapt layers. */
export interface LayerMethod {
  readonly kinds: readonly LayerKind[];
  /** Whether convolutions in several groups can be adapted. */
  readonly takesGroups?: true;
  /** Rewrites the graph around a layer so that it computes with the adapter. */
  place(placement: Placement): Placed;
  /** The layer's weight and bias with the adapter in them. `weight`, `bias`: the base's. */
  merge(
    adapted: AdaptedLayer,
    base: { readonly weight: Float32Array; readonly bias: Float32Array | undefined },
    values: (parameter: string) => Float32Array,
  ): MergedLayer;
}

/** A row of the table of methods. */
export interface AdapterMethod {
  /** As a sentence names it. */
  readonly title: string;
  /** Highest rate with AdamW unless told otherwise: about ten times that of tuning everything. */
  readonly learningRate: number;
  /** Alpha unless told otherwise. */
  alpha(rank: number): number;
  /** What is done to layers; absent where only biases of the base move. */
  readonly layers?: LayerMethod;
  /** B·A is divided by the root of the rank. */
  readonly isRankStabilized?: true;
  /** Whose default target modules it has. */
  readonly targets: "lora" | "ia3";
  /** How PEFT's config calls it; absent where PEFT has no such adapter. */
  readonly peft?: { readonly type: "LORA" | "IA3"; readonly flags: Readonly<Record<string, boolean>> };
  /** What of the base moves beside its head: which biases unless told otherwise. */
  readonly bias: "none" | "all";
  /** Whether vectors of the base that move do so as fast as LoRA+'s B. */
  readonly vectorsAreFast?: true;
}
