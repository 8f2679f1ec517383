import { DiapasonError } from "../../base/errors.ts";
import { type GraphBuilder, numbers } from "../builder.ts";
import type { Node, Value } from "../ir.ts";
import { nodeText } from "../node-text.ts";
import type { AttributesOf, OpName } from "../schemas.ts";

/** What an expansion sees of the operator it takes apart. */
export interface Composite<N extends OpName = OpName> {
  /** Appends in the place of the node. */
  readonly g: GraphBuilder;
  readonly node: Node;
  readonly attrs: AttributesOf<N>;
  /** The inputs. Absent ones are undefined, which an expansion that reads an optional input checks with `has`. */
  readonly x: Inputs;
  has(input: number): boolean;
}

/** Typed without holes, so that an expansion can name the inputs it reads. */
interface Inputs extends ReadonlyArray<Value> {
  readonly 0: Value;
  readonly 1: Value;
  readonly 2: Value;
  readonly 3: Value;
  readonly 4: Value;
  readonly 5: Value;
  readonly 6: Value;
  readonly 7: Value;
}

/** A composite operator by simpler ones: its output, or its outputs in order; those left out are not made. */
export type Expansion<N extends OpName = OpName> = (
  composite: Composite<N>,
) => Value | readonly (Value | undefined)[];

/** A family of the table of expansions. */
export type Expansions = { readonly [N in OpName]?: Expansion<N> };

/** Refuses a form of a composite operator. */
export function noExpansion(node: Node, why: string): never {
  throw new DiapasonError(
    "graph/no-expansion",
    `${nodeText(node)} cannot be taken apart: ${why}.`,
    "Freeze the parameters whose gradient passes through it, or export the model without it.",
  );
}

/** Sizes of a value that must be numbers. @throws graph/no-expansion */
export function sizesOf(node: Node, value: Value, what: string, from = 0): readonly number[] {
  const shape = value.shape?.slice(from);
  return (
    numbers(shape) ??
    noExpansion(
      node,
      `it needs ${what} of "${value.name}" as numbers; known is [${shape?.join(", ") ?? "?"}]`,
    )
  );
}
