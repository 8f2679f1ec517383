import { DiapasonError } from "../../base/errors.ts";
import { attributesOf, intsOf } from "../attributes.ts";
import type { Dim, Shape } from "../dim.ts";
import type { Node, Value } from "../ir.ts";
import { partText } from "../node-text.ts";
import type { AttributesOf, OpName } from "../schemas.ts";
import type { DataType } from "../tensor.ts";
import { knownDims, knownNumbers } from "./known-dims.ts";

/** Sizes of which some may be unknown. */
export type OpenShape = readonly (Dim | undefined)[];

/** What a rule can tell of one output. `values`: its elements, where they are known. */
export interface Found {
  readonly dtype?: DataType | undefined;
  readonly shape?: OpenShape | undefined;
  readonly values?: readonly Dim[] | undefined;
}

/** What a rule sees of a node. */
export class Ask<N extends OpName = OpName> {
  readonly node: Node;
  readonly attributes: AttributesOf<N>;

  constructor(node: Node, name: N) {
    this.node = node;
    this.attributes = attributesOf(node, name);
  }
  get inputs(): readonly (Value | undefined)[] {
    return this.node.inputs;
  }
  shape(input: number): Shape | undefined {
    return this.inputs[input]?.shape;
  }
  dtype(input: number): DataType | undefined {
    return this.inputs[input]?.dtype;
  }
  /** Elements of an input, where known. */
  values(input: number): readonly Dim[] | undefined {
    return knownDims(this.inputs[input]);
  }
  /** Whole numbers that an input holds or, in the spelling of older opsets, an attribute; undefined where unknown. */
  ints(input: number, olderAttribute: string): readonly number[] | undefined {
    return knownNumbers(this.inputs[input]) ?? intsOf(this.node, olderAttribute);
  }
  /** Whether `ints` is absent in both spellings, which is another thing than unknown. */
  isAbsent(input: number, olderAttribute: string): boolean {
    return this.inputs[input] === undefined && !this.node.attributes.has(olderAttribute);
  }
  /** Says that the shapes of a node do not fit together. */
  mismatch(what: string, fix: string): never {
    return mismatch(this.node, what, fix);
  }
}

export type ShapeRule<N extends OpName> = (ask: Ask<N>) => readonly Found[];

/** Text of a shape as errors print it. */
export const shapeText = (shape: OpenShape | undefined): string =>
  shape === undefined ? "[?]" : `[${shape.map((dim) => dim ?? "?").join(",")}]`;

export function mismatch(node: Node, what: string, fix: string): never {
  const shapes = node.inputs.flatMap((input) => (input ? [shapeText(input.shape)] : []));
  throw new DiapasonError("graph/shape-mismatch", `${partText(node)} ${shapes.join(" · ")}: ${what}.`, fix);
}

/**
 * The shape that shapes broadcast to. A symbol against 1 is the symbol, against another number that number; different
 * symbols give an unknown size.
 */
export function broadcast(node: Node, shapes: readonly (OpenShape | undefined)[]): OpenShape | undefined {
  if (!shapes.every((shape) => shape !== undefined)) return undefined;
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.flatMap((shape) => {
      const at = axis - rank + shape.length;
      return at < 0 ? [] : [shape[at]];
    });
    return sizes.reduce(
      (a, b) => {
        if (a === 1 || a === b) return b;
        if (b === 1) return a;
        if (typeof a === "number" && typeof b === "number")
          return mismatch(
            node,
            `the sizes ${a} and ${b} meet in axis ${axis - rank} and neither is 1`,
            "Make the sizes equal, or 1 where a side is to be repeated.",
          );
        if (typeof a === "number") return a;
        return typeof b === "number" ? b : undefined;
      },
      1 as Dim | undefined,
    );
  });
}

/** Sizes as elements of a shape tensor; undefined unless all are whole. */
export const asSizes = (values: readonly Dim[] | undefined): Shape | undefined =>
  values?.every((dim) => typeof dim === "string" || Number.isInteger(dim)) ? values : undefined;

/** Whether every size is a number. */
export const allNumbers = (shape: Shape | undefined): shape is readonly number[] =>
  shape?.every((dim) => typeof dim === "number") ?? false;
