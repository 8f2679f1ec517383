import type { Graph, Value } from "../graph/ir.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Architecture, HeadKind } from "./architecture.ts";
import type { DropoutPlace } from "./network/dropout-shares.ts";

/** A named float tensor of the model that training may change. Its value is the graph's initializer of the same name. */
export interface Parameter {
  /** The checkpoint's own name. */
  readonly name: string;
  readonly value: Value;
  readonly elements: number;
  /** Matrices and kernels decay; biases, scales and other vectors do not. */
  readonly decays: boolean;
  /** Multiplier on the learning rate of its block; absent: 1. */
  readonly rate?: number;
}

/** An ordered group of parameters, counted from the input end; what freezing counts. The last one is the head. */
export interface Block {
  readonly name: string;
  readonly parameters: readonly string[];
  /** BatchNormalization nodes' running statistics (mean and variance initializers) that belong to the block. */
  readonly buffers: readonly string[];
}

/** A network with what is known about it. `graph` is normalised and has shapes; its batch dim is symbolic. */
export interface Model {
  readonly graph: Graph;
  readonly parameters: readonly Parameter[];
  readonly blocks: readonly Block[];
  /** The image input; of a graph that takes no images, its first input. */
  readonly input: Value;
  /** Logits [batch, classes] of a classifier, else whatever the graph gives first. */
  readonly output: Value;
  /** Class names in order of the output, when the model is a labelled classifier. */
  readonly labels: readonly string[] | undefined;
  /** Parameters whose tensor in the graph is the transpose of the checkpoint's: saved the checkpoint's way round. */
  readonly transposed: ReadonlySet<string>;
  /** Notes for the user on what was found or inferred ("mean and deviation not given: ImageNet's are used"). */
  readonly notes: readonly string[];
  /** Hugging Face config.json where there was one. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Where it came from: a path as given. */
  readonly source: string;
  /** Sizes that symbols beside the batch usually have, for estimates: tokens of a text. */
  readonly usualSizes?: ReadonlyMap<string, number>;
  /** What built the graph, where it was not read from an ONNX file. */
  readonly network?: BuiltNetwork;
}

/** How an architecture built a network. */
export interface BuiltNetwork {
  readonly architecture: Architecture;
  readonly head: HeadKind;
  /** transformers' class for it. */
  readonly className: string;
  /** Names of the weights that the checkpoint did not give. */
  readonly fresh: ReadonlySet<string>;
  /** Height and width of images that it was built for, where it takes any. */
  readonly imageSize?: readonly [number, number] | undefined;
  /** Tensors of the checkpoint that the network does not read and that are saved with it, by name. */
  readonly kept: ReadonlyMap<string, Tensor>;
  /** What training leaves out of it, none of it 0; empty for a network that is to be run. */
  readonly dropout: ReadonlyMap<DropoutPlace, number>;
}
