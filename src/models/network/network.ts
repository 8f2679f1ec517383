import { bug } from "../../base/errors.ts";
import { GraphBuilder, range, rankOf } from "../../graph/builder.ts";
import type { Dim, Shape } from "../../graph/dim.ts";
import { dropoutInput } from "../../graph/dropout-input.ts";
import { Graph, type Value } from "../../graph/ir.ts";
import type { DataType } from "../../graph/tensor.ts";
import { type ActivationName, activate } from "./activations.ts";
import type { DropoutPlace, DropoutShares } from "./dropout-shares.ts";
import type { Fresh, NetworkWeights } from "./network-weights.ts";

/** How a network is to be built, where it can be built in more than one way. */
export interface NetworkOptions {
  /** Number of classes of a classifier. */
  readonly classes: number;
  /** Height and width of images, for networks that take any. Default: the config's. */
  readonly imageSize?: readonly [number, number] | undefined;
  /**
   * Where the tokens of a decoder stand. "counted": from 0 in each example. "given": as the input `position_ids`, which
   * packed examples and generation need. Default "counted".
   */
  readonly positions?: "counted" | "given";
  /** Several examples lie in one row, told apart by the input `segment_ids` [batch, tokens]; attention stays inside each. */
  readonly segments?: boolean;
  /** What training leaves out of an encoder of texts: the masks are inputs that the loop draws. Default: nothing. */
  readonly dropout?: DropoutShares | undefined;
  /** Keys and values of earlier tokens are inputs, and those of all tokens are outputs, as generation needs. */
  readonly cache?: boolean;
}

interface Shared {
  readonly g: GraphBuilder;
  readonly weights: NetworkWeights;
  readonly options: NetworkOptions;
  readonly made: Map<string, Value>;
  readonly dropped: Map<DropoutPlace, number>;
}

/**
 * What an architecture builds with: a graph, and the weights of a checkpoint under a path.
 *
 * `at("encoder.layer.0")` is the same network seen from a path; names given to the other methods are below it. Methods
 * that take a weight's name make it on first use and give the same one again, which is how weights are tied.
 */
export class Network {
  readonly path: string;
  readonly #shared: Shared;

  private constructor(shared: Shared, path: string) {
    this.#shared = shared;
    this.path = path;
  }
  static start(name: string, weights: NetworkWeights, options: NetworkOptions): Network {
    const graph = new Graph(name, [
      ["", 21],
      ["com.microsoft", 1],
    ]);
    return new Network(
      { g: new GraphBuilder(graph), weights, options, made: new Map(), dropped: new Map() },
      "",
    );
  }

  get g(): GraphBuilder {
    return this.#shared.g;
  }
  get graph(): Graph {
    return this.g.graph;
  }
  get options(): NetworkOptions {
    return this.#shared.options;
  }
  /** The network as seen from a path below this one; "" is this one. */
  at(path: string | number): Network {
    return new Network(this.#shared, joined(this.path, `${path}`));
  }

  /** The graph's input of this name, added on first use. */
  input(name: string, dtype: DataType, shape: Shape): Value {
    const known = this.graph.find(name);
    if (known && !this.graph.inputs.includes(known)) bug(`"${name}" is a value of the network, not an input`);
    return known ?? this.graph.addInput(name, dtype, shape);
  }
  /** Makes a value an output of the graph under a name. */
  output(name: string, value: Value): void {
    this.graph.rename(value, name);
    this.graph.addOutput(value);
  }

  /** A weight of the checkpoint, or a fresh one where the checkpoint need not have it. */
  weight(name: string, dims: readonly number[], fresh: Fresh): Value {
    const full = joined(this.path, name);
    const known = this.#shared.made.get(full);
    if (known) return known;
    const { tensor, storedType } = this.#shared.weights.take(full, dims, fresh);
    const value = this.graph.addInitializer(full, tensor);
    if (storedType) value.storedType = storedType;
    this.#shared.made.set(full, value);
    return value;
  }
  /** Whether the checkpoint has a weight of this name. */
  has(name: string): boolean {
    return this.#shared.weights.has(joined(this.path, name));
  }

  /** x · Wᵀ + b. x: [..., width] -> [..., out]. Weights: `name.weight` [out, width], `name.bias` [out]. */
  linear(name: string, x: Value, out: number, { bias = true }: { readonly bias?: boolean } = {}): Value {
    const width = numberAt(x, -1);
    const weight = this.weight(`${name}.weight`, [out, width], "matrix");
    const offset = bias ? this.weight(`${name}.bias`, [out], "zeros") : undefined;
    return this.affine(x, weight, offset);
  }
  /** x · Wᵀ + b over weights at hand. W: [out, width]. */
  affine(x: Value, weight: Value, bias?: Value): Value {
    if (rankOf(x) === 2) return this.g.op("Gemm", [x, weight, bias], { transB: 1 });
    const product = this.g.product(x, weight, { transB: true });
    return bias ? this.g.add(product, bias) : product;
  }
  /** Rows of `name.weight` [count, width]. ids: int64 [...] -> [..., width]. */
  embedding(name: string, ids: Value, count: number, width: number): Value {
    return this.g.op("Gather", [this.weight(`${name}.weight`, [count, width], "matrix"), ids], { axis: 0 });
  }
  /** Over the last axis, with `name.weight` and, unless told otherwise, `name.bias`. */
  layerNorm(
    name: string,
    x: Value,
    epsilon: number,
    { bias = true }: { readonly bias?: boolean } = {},
  ): Value {
    const width = numberAt(x, -1);
    const scale = this.weight(`${name}.weight`, [width], "ones");
    const shift = bias ? this.weight(`${name}.bias`, [width], "zeros") : undefined;
    return this.g.op("LayerNormalization", [x, scale, shift], { axis: -1, epsilon });
  }
  /** x / √(mean(x²) + ε) ⊙ `name.weight`, over the last axis. `isScaledFromOne`: the weight is stored less 1. */
  rmsNorm(
    name: string,
    x: Value,
    epsilon: number,
    { isScaledFromOne = false }: { readonly isScaledFromOne?: boolean } = {},
  ): Value {
    const stored = this.weight(`${name}.weight`, [numberAt(x, -1)], isScaledFromOne ? "zeros" : "ones");
    const scale = isScaledFromOne ? this.g.add(stored, 1) : stored;
    return this.g.op("SimplifiedLayerNormalization", [x, scale], { axis: -1, epsilon });
  }
  /** A convolution of images [batch, channels, height, width] with `name.weight` [out, channels / groups, kernel, kernel]. */
  conv(name: string, x: Value, out: number, options: ConvOptions): Value {
    const { kernel, stride = 1, padding = 0, groups = 1, bias = true, dilation = 1 } = options;
    const channels = numberAt(x, 1) / groups;
    const weight = this.weight(`${name}.weight`, [out, channels, kernel, kernel], "matrix");
    const offset = bias ? this.weight(`${name}.bias`, [out], "zeros") : undefined;
    const [top, left, bottom, right] = typeof padding === "number" ? range(4).map(() => padding) : padding;
    return this.g.op("Conv", [x, weight, offset], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      dilations: [dilation, dilation],
      pads: [top!, left!, bottom!, right!],
      group: groups,
    });
  }
  /** BatchNormalization with the checkpoint's running statistics. */
  batchNorm(name: string, x: Value, epsilon = 1e-5): Value {
    const channels = numberAt(x, 1);
    const [scale, shift, mean, variance] = (
      [
        ["weight", "ones"],
        ["bias", "zeros"],
        ["running_mean", "zeros"],
        ["running_var", "ones"],
      ] as const
    ).map(([slot, fresh]) => this.weight(`${name}.${slot}`, [channels], fresh));
    return this.g.op("BatchNormalization", [x, scale, shift, mean, variance], { epsilon });
  }
  /** x without a share of its elements, where the network is to be trained so; what is left is raised. */
  dropped(place: DropoutPlace, name: string, x: Value): Value {
    const share = this.options.dropout?.[place] ?? 0;
    if (share === 0) return x;
    this.#shared.dropped.set(place, share);
    const input = this.graph.freshName(dropoutInput(share, joined(this.path, name)));
    return this.g.mul(x, this.graph.addInput(input, "float32", x.shape));
  }
  /** Where the network drops something, and how much of it. */
  get dropout(): ReadonlyMap<DropoutPlace, number> {
    return this.#shared.dropped;
  }
  /** An activation by the name that a config has for it. */
  activation(name: ActivationName, x: Value): Value {
    return activate(this.g, name, x);
  }
  /** 0 … tokens−1 for ids [batch, tokens]: int64 [tokens]. */
  countedPositions(ids: Value): Value {
    const { g } = this;
    const tokens = g.reshape(g.sizeOf(ids, 1), []);
    return g.op("Range", [g.constant([0], "int64", []), tokens, g.constant([1], "int64", [])]);
  }
  /** The first token of each example. [batch, tokens, width] -> [batch, width]. */
  firstToken(x: Value): Value {
    return this.g.op("Gather", [x, this.g.constant([0], "int64", [])], { axis: 1 });
  }
}

export interface ConvOptions {
  readonly kernel: number;
  readonly stride?: number;
  /** On every side, or [top, left, bottom, right]. */
  readonly padding?: number | readonly [number, number, number, number];
  readonly groups?: number;
  readonly dilation?: number;
  readonly bias?: boolean;
}

const joined = (path: string, name: string): string => [path, name].filter((part) => part !== "").join(".");

/** A size that is a number; a negative axis counts from the end. */
export function numberAt(x: Value, axis: number): number {
  const size: Dim | undefined = x.shape?.at(axis);
  return typeof size === "number" ? size : bug(`axis ${axis} of "${x.name}" is ${size}, not a number`);
}
