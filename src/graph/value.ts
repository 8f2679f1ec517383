import type { Shape } from "./dim.ts";
import type { Graph } from "./ir.ts";
import type { DataType, Tensor } from "./tensor.ts";

/** An attribute's value. Graph attributes are the bodies of If, Loop and Scan. */
export type Attribute =
  | { readonly type: "int"; readonly value: number | bigint }
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "string"; readonly value: string | Uint8Array }
  | { readonly type: "tensor"; readonly value: Tensor }
  | { readonly type: "graph"; readonly value: Graph }
  | { readonly type: "ints"; readonly value: readonly (number | bigint)[] }
  | { readonly type: "floats"; readonly value: readonly number[] }
  | { readonly type: "strings"; readonly value: readonly (string | Uint8Array)[] }
  | { readonly type: "tensors"; readonly value: readonly Tensor[] }
  | { readonly type: "graphs"; readonly value: readonly Graph[] }
  /** Kept as its encoded bytes (sparse tensors, type protos, references inside functions). */
  | { readonly type: "opaque"; readonly kind: number; readonly value: Uint8Array };

/**
 * An edge of the graph: produced once (by a node, as a graph input or as a constant), read any number of times.
 *
 * `shape`: undefined while the rank is unknown. `constant`: set for initializers. `storedType`: the type that the file
 * has, where the graph computes in a wider one for the time being (passes/stored-types.ts). `detached`: to a gradient it
 * is a constant. Identity matters: compare with ===.
 */
export class Value {
  name: string;
  dtype: DataType | undefined;
  shape: Shape | undefined;
  constant: Tensor | undefined;
  storedType: DataType | undefined;
  detached = false;
  /** Types that are not tensors (sequence, optional, map, sparse) as their encoded TypeProto. */
  opaqueType: Uint8Array | undefined;
  /** @internal kept by Graph. */
  producerNode: Node | undefined;
  /** @internal kept by Graph: one entry per use, so a node that reads the value twice appears twice. */
  readonly useList: Node[] = [];

  constructor(name: string, dtype?: DataType, shape?: Shape, constant?: Tensor) {
    this.name = name;
    this.dtype = dtype;
    this.shape = shape;
    this.constant = constant;
  }
  get producer(): Node | undefined {
    return this.producerNode;
  }
  /** The nodes that read this value, each once, in the order they were connected. Outer-scope reads of subgraphs count. */
  get consumers(): readonly Node[] {
    return [...new Set(this.useList)];
  }
}

/** What a node is called in a file. */
export type NodeName = Pick<Node, "op" | "domain" | "name">;

/**
 * One operator application. Inputs may be absent (undefined) where ONNX allows it. Change it through Graph's methods.
 *
 * `origin`: the node of the file in whose place it stands, where an operator was taken apart or spelled anew; errors name
 * that one.
 */
export interface Node {
  readonly origin?: NodeName | undefined;
  readonly op: string;
  /** "" is ONNX's main domain. */
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly (Value | undefined)[];
  readonly attributes: ReadonlyMap<string, Attribute>;
}

/** Gives a copy of a value what is known of it. */
export function carryType(from: Value, to: Value): void {
  to.dtype = from.dtype;
  to.shape = from.shape;
  to.opaqueType = from.opaqueType;
  to.storedType = from.storedType;
  to.detached = from.detached;
}
