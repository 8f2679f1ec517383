import { type Attribute, badNode, type Node } from "./ir.ts";
import type { AttributeDefault } from "./schemas/schema.ts";
import { type AttributesOf, type OpName, type Schema, schemas } from "./schemas.ts";
import { float32, type Tensor, tensorOf } from "./tensor.ts";

const table: { readonly [op: string]: Schema } = schemas;

/** The row of the operator table a node belongs to; undefined for operators that are carried as they are. */
export function opNameOf(node: Pick<Node, "op" | "domain">): OpName | undefined {
  const name = node.domain === "" ? node.op : `${node.domain}.${node.op}`;
  return Object.hasOwn(table, name) ? (name as OpName) : undefined;
}

/** Whether an operator gives any number of outputs, of which one without a name counts: it says what a Split is cut into. */
export function givesMany(node: Pick<Node, "op" | "domain">): boolean {
  const name = opNameOf(node);
  return name !== undefined && table[name]!.outputs.at(-1)?.endsWith("*") === true;
}

/**
 * A node's attributes with defaults filled in and axes counted from the front where the rank they count is known.
 * Transpose's `perm` is filled in where the rank is known.
 * @throws graph/bad-node for an axis that the array has not.
 */
export function attributesOf<N extends OpName>(node: Node, name: N): AttributesOf<N> {
  const found: Record<string, AttributeDefault> = {};
  for (const [key, fallback] of Object.entries(table[name]!.attributes)) {
    const attribute = node.attributes.get(key);
    found[key] = attribute ? plain(attribute) : fallback;
    if (attribute && fallback !== undefined && kindOf(found[key]) !== kindOf(fallback))
      badNode(node, `has a ${attribute.type} for its attribute "${key}"`);
  }
  const rank = node.inputs[table[name]!.axisOf ?? 0]?.shape?.length;
  if (rank !== undefined) {
    if (typeof found["axis"] === "number") {
      const axis = fromFront(found["axis"], name === "OneHot" ? rank + 1 : rank);
      // a default that the array has no place for is one that nothing reads, as for a single number
      if (!(axis >= 0 && axis <= rank) && node.attributes.has("axis"))
        badNode(node, `names the axis ${found["axis"]} of an array of ${rank} axes`);
      found["axis"] = axis;
    }
    if (name === "Transpose" && !node.attributes.has("perm"))
      found["perm"] = Array.from({ length: rank }, (_, i) => rank - 1 - i);
  }
  return found as AttributesOf<N>;
}

const kindOf = (value: AttributeDefault): string => (Array.isArray(value) ? "list" : typeof value);

/** An axis counted from the front. */
export const fromFront = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** A number, text or list attribute as ordinary JavaScript. */
function plain(attribute: Attribute): AttributeDefault {
  switch (attribute.type) {
    case "int":
      return Number(attribute.value);
    case "float":
      return attribute.value;
    case "string":
      return text(attribute.value);
    case "ints":
      return attribute.value.map(Number);
    case "floats":
      return attribute.value;
    case "strings":
      return attribute.value.map(text);
    default:
      return undefined;
  }
}

const text = (value: string | Uint8Array): string =>
  typeof value === "string" ? value : new TextDecoder().decode(value);

/** A whole-number list attribute that a schema does not name (older spellings); undefined when absent. */
export function intsOf(node: Node, key: string): readonly number[] | undefined {
  const attribute = node.attributes.get(key);
  if (attribute?.type === "ints") return attribute.value.map(Number);
  return attribute?.type === "int" ? [Number(attribute.value)] : undefined;
}

/** A whole-number attribute as a tensor, exact beyond the safe integers; undefined when absent. */
export function int64Attribute(node: Node, key: string): Tensor | undefined {
  const attribute = node.attributes.get(key);
  if (attribute?.type === "int") return exactInt64([], [attribute.value]);
  return attribute?.type === "ints" ? exactInt64([attribute.value.length], attribute.value) : undefined;
}

const exactInt64 = (dims: readonly number[], values: readonly (number | bigint)[]): Tensor =>
  tensorOf("int64", dims, BigInt64Array.from(values, BigInt));

/** What a Constant node holds; undefined for sparse constants. */
export function constantOf(node: Node): Tensor | undefined {
  for (const [key, attribute] of node.attributes) {
    if (key === "value" && attribute.type === "tensor") return attribute.value;
    if (key === "value_float" && attribute.type === "float") return float32([], [attribute.value]);
    if (key === "value_floats" && attribute.type === "floats")
      return float32([attribute.value.length], attribute.value);
    if (key === "value_int" && attribute.type === "int") return exactInt64([], [attribute.value]);
    if (key === "value_ints" && attribute.type === "ints")
      return exactInt64([attribute.value.length], attribute.value);
    if (key === "value_string" && attribute.type === "string") return stringTensor([], [attribute.value]);
    if (key === "value_strings" && attribute.type === "strings")
      return stringTensor([attribute.value.length], attribute.value);
  }
  return undefined;
}

export const stringTensor = (dims: readonly number[], values: readonly (string | Uint8Array)[]): Tensor => ({
  ...tensorOf("string", dims, new Uint8Array(0)),
  strings: values.map(text),
});

/** The one element a ConstantOfShape node repeats; float32 0 where the node does not say. */
export function fillOf(node: Node): Tensor {
  const attribute = node.attributes.get("value");
  return attribute?.type === "tensor" ? attribute.value : float32([1], [0]);
}
