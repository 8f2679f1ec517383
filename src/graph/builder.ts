import { bug, DiapasonError } from "../base/errors.ts";
import { type AttributeInput, attributeOf, encode } from "./builder/encode.ts";
import { product, type Shape } from "./dim.ts";
import { numberOf } from "./element-types.ts";
import { inferNode } from "./infer.ts";
import { Graph, type Node, type Value } from "./ir.ts";
import { partText } from "./node-text.ts";
import { type OpName, type Schema, schemas } from "./schemas.ts";
import { type DataType, sizeOf, type Tensor } from "./tensor.ts";

/** A value, or a number that takes the type of the value it meets. */
export type Operand = Value | number;

/**
 * Appends operators to a graph, at its end or before a node, and knows the type and shape of each at once.
 *
 * The same operator on the same inputs is appended once: a second call gives the first call's value, unless the operator
 * draws random numbers. Methods named in lower case are the operators as mathematics writes them; everything else goes
 * through `op`.
 */
export class GraphBuilder {
  readonly graph: Graph;
  readonly #ids = new WeakMap<Value, number>();
  readonly #made = new Map<string, Node>();
  readonly #constants = new Map<string, Value>();
  readonly #before: Node | undefined;
  #next = 0;

  constructor(graph: Graph, before?: Node) {
    this.graph = graph;
    this.#before = before;
  }

  /** Appends an operator and gives its first output. `outputs`: names of its outputs; one that is new by default. */
  op(
    name: OpName,
    inputs: readonly (Value | undefined)[],
    attributes: { readonly [key: string]: AttributeInput } = {},
    outputs?: readonly string[],
  ): Value {
    return this.node(name, inputs, attributes, outputs).outputs[0]!;
  }
  /** The same, giving the node. */
  node(
    name: OpName,
    inputs: readonly (Value | undefined)[],
    attributes: { readonly [key: string]: AttributeInput } = {},
    outputs?: readonly string[],
  ): Node {
    const given = Object.entries(attributes).filter((entry) => entry[1] !== undefined);
    const encoded = given.map(([key, value]) => [key, attributeOf(key, value!)] as const);
    const dot = name.lastIndexOf(".");
    const [domain, op] = [name.slice(0, Math.max(dot, 0)), name.slice(dot + 1)];
    const isRepeatable = !given.some(([, value]) => value instanceof Graph);
    const ids = inputs.map((input) => input && this.#id(input));
    const spelledOut = given.map(([key, value]) => [key, spelled(value!)]);
    const key = isRepeatable ? JSON.stringify([name, ids, spelledOut, outputs]) : "";
    const known = isRepeatable ? this.#made.get(key) : undefined;
    if (known?.outputs[0]?.producer === known && known) return known;
    for (let at: Graph | undefined = this.graph; domain !== "" && at; at = at.outer)
      if (!at.opsets.has(domain)) at.opsets.set(domain, 1);
    const node = this.graph.addNode(op, inputs, {
      domain,
      attributes: encoded,
      outputs: outputs ?? [this.graph.freshName(op.toLowerCase())],
      ...(this.#before && { before: this.#before }),
    });
    inferNode(node);
    if (isRepeatable && !(schemas[name] as Schema).draws) this.#made.set(key, node);
    return node;
  }
  #id(value: Value): number {
    const id = this.#ids.get(value) ?? this.#next++;
    this.#ids.set(value, id);
    return id;
  }

  /** A constant, by default a vector; float32 unless said otherwise. Equal ones are one initializer. */
  constant(
    values: readonly number[],
    dtype: DataType = "float32",
    dims: readonly number[] = [values.length],
  ): Value {
    return this.tensor(encode(dtype, dims, values), `${dtype}[${dims}][${values.map(exactly)}]`);
  }
  /** A number of the type of `like`. */
  scalar(value: number, like: Value): Value {
    return this.constant([value], like.dtype ?? bug(`"${like.name}" has no type`), []);
  }
  ints(values: readonly number[]): Value {
    return this.constant(values, "int64");
  }
  /** A constant of `size` ones of the type of `like`. */
  ones(dims: readonly number[], like: Value): Value {
    return this.constant(new Array<number>(sizeOf(dims)).fill(1), like.dtype ?? "float32", dims);
  }
  /** An initializer that holds a tensor; `key` names equal ones. */
  tensor(tensor: Tensor, key: string): Value {
    const known = this.#constants.get(key);
    if (known && this.graph.find(known.name) === known) return known;
    const value = this.graph.addInitializer(this.graph.freshName("constant"), tensor);
    this.#constants.set(key, value);
    return value;
  }

  /** Sizes of a value as an int64 vector: a constant where they are numbers. */
  shapeOf(x: Value): Value {
    const sizes = numbers(x.shape);
    return sizes ? this.ints(sizes) : this.op("Shape", [x]);
  }
  /** One size as an int64 vector of length 1. */
  sizeOf(x: Value, axis: number): Value {
    const size = x.shape?.[axis];
    return typeof size === "number"
      ? this.ints([size])
      : this.op("Shape", [x], { start: axis, end: axis === -1 ? undefined : axis + 1 });
  }
  /** Number of elements over some axes (all by default), as a scalar of the type of `like`. */
  count(x: Value, like: Value, axes?: readonly number[]): Value {
    const sizes = axes && x.shape ? axes.map((axis) => x.shape![axis]!) : x.shape;
    const known = sizes && product(sizes);
    if (typeof known === "number") return this.scalar(known, like);
    if (!axes) return this.cast(this.op("Size", [x]), like);
    const counted = this.op("Gather", [this.shapeOf(x), this.ints(axes)]);
    return this.cast(this.op("ReduceProd", [counted], { keepdims: 0 }), like);
  }

  add = (a: Operand, b: Operand): Value => this.#both("Add", a, b);
  sub = (a: Operand, b: Operand): Value => this.#both("Sub", a, b);
  mul = (a: Operand, b: Operand): Value => this.#both("Mul", a, b);
  div = (a: Operand, b: Operand): Value => this.#both("Div", a, b);
  pow = (a: Operand, b: Operand): Value => this.#both("Pow", a, b);
  max = (a: Operand, b: Operand): Value => this.#both("Max", a, b);
  min = (a: Operand, b: Operand): Value => this.#both("Min", a, b);
  equal = (a: Operand, b: Operand): Value => this.#both("Equal", a, b);
  less = (a: Operand, b: Operand): Value => this.#both("Less", a, b);
  lessOrEqual = (a: Operand, b: Operand): Value => this.#both("LessOrEqual", a, b);
  greater = (a: Operand, b: Operand): Value => this.#both("Greater", a, b);
  greaterOrEqual = (a: Operand, b: Operand): Value => this.#both("GreaterOrEqual", a, b);
  neg = (x: Value): Value => this.op("Neg", [x]);
  abs = (x: Value): Value => this.op("Abs", [x]);
  exp = (x: Value): Value => this.op("Exp", [x]);
  log = (x: Value): Value => this.op("Log", [x]);
  sqrt = (x: Value): Value => this.op("Sqrt", [x]);
  square = (x: Value): Value => this.mul(x, x);
  #both(name: OpName, a: Operand, b: Operand): Value {
    const left = typeof a === "number" ? this.scalar(a, b as Value) : a;
    return this.op(name, [left, typeof b === "number" ? this.scalar(b, left) : b]);
  }
  /** x where the condition holds, y elsewhere. */
  where(condition: Value, x: Operand, y: Operand): Value {
    const left = typeof x === "number" ? this.scalar(x, y as Value) : x;
    return this.op("Where", [condition, left, typeof y === "number" ? this.scalar(y, left) : y]);
  }
  /** x with the element type of another value, or a given one. */
  cast(x: Value, to: Value | DataType): Value {
    const dtype = typeof to === "string" ? to : (to.dtype ?? bug(`"${to.name}" has no type`));
    return x.dtype === dtype ? x : this.op("Cast", [x], { to: numberOf(dtype) });
  }

  matmul(a: Value, b: Value): Value {
    return this.op("MatMul", [a, b]);
  }
  /** alpha · A'·B', each side transposed in its last two axes first where asked. */
  product(
    a: Value,
    b: Value,
    {
      transA = false,
      transB = false,
      alpha = 1,
    }: { transA?: boolean; transB?: boolean; alpha?: number } = {},
  ): Value {
    if (!transA && !transB && alpha === 1) return this.matmul(a, b);
    return this.op("com.microsoft.FusedMatMul", [a, b], { alpha, transA: +transA, transB: +transB });
  }

  transpose(x: Value, perm: readonly number[]): Value {
    return perm.every((axis, i) => axis === i) ? x : this.op("Transpose", [x], { perm });
  }
  /** The last two axes swapped. */
  swap(x: Value): Value {
    const rank = rankOf(x);
    return this.transpose(x, [...range(rank - 2), rank - 1, rank - 2]);
  }
  /** x with other sizes, one of which may be −1; 0 means no elements. */
  reshape(x: Value, shape: Value | readonly number[]): Value {
    if ("name" in shape) return this.op("Reshape", [x, shape]);
    const isSame = x.shape?.length === shape.length && shape.every((size, axis) => size === x.shape![axis]);
    return isSame ? x : this.op("Reshape", [x, this.ints(shape)], shape.includes(0) ? { allowzero: 1 } : {});
  }
  /** x with the sizes of another value of as many elements. */
  reshapeLike(x: Value, like: Value): Value {
    if (isSameShape(x.shape, like.shape)) return x;
    const open = like.shape?.filter((dim) => typeof dim === "string").length;
    const sizes = like.shape?.map((dim) => (typeof dim === "number" ? dim : -1));
    if (sizes && (open === 0 || (open === 1 && !sizes.includes(0)))) {
      const reshaped = this.reshape(x, sizes);
      if (like.shape) reshaped.shape = like.shape;
      return reshaped;
    }
    return this.reshapeTo(x, this.shapeOf(like));
  }
  /** x with run-time sizes, of which none is read as "copy". */
  reshapeTo(x: Value, shape: Value): Value {
    return this.op("Reshape", [x, shape], { allowzero: 1 });
  }
  /** x repeated to the sizes of another value, which its own broadcast to. */
  expandLike(x: Value, like: Value): Value {
    return isSameShape(x.shape, like.shape) ? x : this.op("Expand", [x, this.shapeOf(like)]);
  }
  unsqueeze(x: Value, axes: readonly number[]): Value {
    return axes.length === 0 ? x : this.op("Unsqueeze", [x, this.ints(axes)]);
  }
  squeeze(x: Value, axes: readonly number[]): Value {
    return axes.length === 0 ? x : this.op("Squeeze", [x, this.ints(axes)]);
  }
  concat(parts: readonly Value[], axis: number): Value {
    return parts.length === 1 ? parts[0]! : this.op("Concat", parts, { axis });
  }
  /** Consecutive parts of an axis, counted from the front. */
  split(x: Value, sizes: readonly number[], axis: number): readonly Value[] {
    const names = sizes.map((_, i) => this.graph.freshName(`part${i}_`));
    return this.node("Split", [x, this.ints(sizes)], { axis }, names).outputs as readonly Value[];
  }
  /** Elements from `starts` up to `ends`, which they do not reach, along some axes. */
  slice(
    x: Value,
    axes: readonly number[],
    starts: readonly number[],
    ends: readonly number[],
    steps: readonly number[] = axes.map(() => 1),
  ): Value {
    const isWhole = axes.every((axis, i) => starts[i] === 0 && ends[i] === x.shape?.[axis] && steps[i] === 1);
    if (isWhole) return x;
    const inputs = [starts, ends, axes, ...(steps.every((step) => step === 1) ? [] : [steps])];
    return this.op("Slice", [x, ...inputs.map((list) => this.ints(list))]);
  }
  /** Zeros around x (or less of it, where negative): at the begin of each axis, then at the end of each. */
  pad(x: Value, pads: readonly number[]): Value {
    return pads.every((count) => count === 0) ? x : this.op("Pad", [x, this.ints(pads)]);
  }
  /** Zeros of the type of `like` in run-time sizes. */
  zeros(shape: Value, like: Value): Value {
    const dtype = like.dtype ?? bug(`"${like.name}" has no type`);
    return this.op("ConstantOfShape", [shape], { value: encode(dtype, [1], [0]) });
  }
  zerosLike(x: Value): Value {
    return this.zeros(this.shapeOf(x), x);
  }

  sum(x: Value, axes: readonly number[], keepdims = false): Value {
    return axes.length === 0 ? x : this.op("ReduceSum", [x, this.ints(axes)], { keepdims: +keepdims });
  }
  mean(x: Value, axes: readonly number[], keepdims = false): Value {
    return axes.length === 0 ? x : this.op("ReduceMean", [x, this.ints(axes)], { keepdims: +keepdims });
  }
}

/** Numbers as texts of which JSON and String make one: NaN and infinities, 0 and −0. */
const exactly = (value: number): string => (Object.is(value, -0) ? "-0" : String(value));

/** An attribute as JSON tells it from others: numbers by what they are, tensors by their elements. */
function spelled(value: Exclude<AttributeInput, undefined>): unknown {
  if (typeof value === "number") return exactly(value);
  if (typeof value === "string") return [value];
  if (value instanceof Graph) return undefined;
  if ("dtype" in value) return [value.dtype, value.dims, value.strings ?? value.data.read().join()];
  return value.map((item) => (typeof item === "number" ? exactly(item) : [item]));
}

/** 0 … n−1, or from … to−1. */
export const range = (from: number, to?: number): number[] =>
  Array.from({ length: Math.max(0, to === undefined ? from : to - from) }, (_, i) =>
    to === undefined ? i : from + i,
  );

/** Sizes that are all numbers. */
export const numbers = (shape: Shape | undefined): readonly number[] | undefined =>
  shape?.every((dim) => typeof dim === "number") ? shape : undefined;

/** Whether two shapes are known and equal for certain. */
export const isSameShape = (a: Shape | undefined, b: Shape | undefined): boolean =>
  a !== undefined && a.length === b?.length && a.every((dim, axis) => dim === b[axis]);

/** Number of axes of a value. @throws graph/unknown-rank when inference could not tell it. */
export function rankOf(x: Value): number {
  if (x.shape) return x.shape.length;
  throw new DiapasonError(
    "graph/unknown-rank",
    `The number of axes of "${x.name}"${x.producer ? `, which ${partText(x.producer)} makes,` : ""} is not known.`,
    "Give the shapes of the graph's inputs, or learn the missing ones by running the graph on a probe batch.",
  );
}
