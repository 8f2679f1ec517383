import { toFloat16 } from "../../base/half.ts";
import { opNameOf } from "../../graph/attributes.ts";
import { dataTypeOf, numberOf } from "../../graph/element-types.ts";
import { bodiesOf, capturedBy, type Graph, type Node, type Value } from "../../graph/ir.ts";
import { removeDead } from "../../graph/passes/remove-dead.ts";
import { type Tensor, tensorOf } from "../../graph/tensor.ts";
import { floatsOf } from "./few-bits.ts";

/** Operators that have no half precision, or need more of it: those that onnxconverter-common leaves out, and losses. */
const keptOps: ReadonlySet<string> = new Set([
  "CumSum",
  "DynamicQuantizeLinear",
  "LogSoftmax",
  "Max",
  "Min",
  "NegativeLogLikelihoodLoss",
  "NonMaxSuppression",
  "RandomNormalLike",
  "RandomUniformLike",
  "Range",
  "RoiAlign",
  "SoftmaxCrossEntropyLoss",
  "TopK",
  "Upsample",
  "com.microsoft.DynamicQuantizeMatMul",
  "com.microsoft.MatMulIntegerToFloat",
]);

/** Inputs that are float32 whatever the others are. */
const keptInputs: { readonly [op: string]: readonly number[] } = {
  Resize: [2],
  "com.microsoft.GroupNorm": [1, 2],
  "com.microsoft.SkipGroupNorm": [1, 2],
};

/** The largest finite number of float16, and the smallest above 0. */
const largest = 65_504;
const least = 2 ** -24;

/**
 * Makes a graph of float32 compute in float16, in place; its inputs and outputs stay float32.
 *
 * What is computed from whole numbers and vectors alone (places, angles, masks) stays float32 too: half precision does not
 * tell whole numbers above 2048 apart. So do bodies of If, Loop and Scan, operators outside the table, and those that
 * have no half precision. Numbers that float16 cannot hold become its largest, or its smallest above 0.
 * Result: what the user may want to know.
 */
export function toFloat16Graph(graph: Graph): string[] {
  const halving = new Halving(graph);
  for (const node of [...graph.nodes]) halving.visit(node);
  halving.restoreOutputs();
  removeDead(graph);
  return halving.notes();
}

class Halving {
  readonly #graph: Graph;
  /** Values that are float16 now. */
  readonly #halved = new Set<Value>();
  /** Values computed from whole numbers and vectors alone. */
  readonly #exact = new Set<Value>();
  readonly #narrow = new Map<Value, Value>();
  readonly #wide = new Map<Value, Value>();
  #clamped = 0;

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  visit(node: Node): void {
    const isKept = bodiesOf(node).length > 0 || !this.#hasHalves(node) || this.#staysExact(node);
    if (isKept) this.#keep(node);
    else this.#halve(node);
  }
  restoreOutputs(): void {
    for (const [i, output] of this.#graph.outputs.entries()) {
      if (!this.#halved.has(output)) continue;
      const { name } = output;
      const cast = this.#graph.addNode("Cast", [output], { attributes: [castTo("float32")] }).outputs[0]!;
      cast.dtype = "float32";
      cast.shape = output.shape;
      this.#graph.rename(output, this.#graph.freshName(`${name}_half`));
      this.#graph.rename(cast, name);
      this.#graph.setOutput(i, cast);
    }
  }
  notes(): string[] {
    if (this.#clamped === 0) return [];
    return [
      `${this.#clamped} weights are beyond what float16 holds (±${largest}) and became its largest number.`,
    ];
  }

  #hasHalves(node: Node): boolean {
    const name = opNameOf(node);
    return name !== undefined && !keptOps.has(name);
  }
  /** Whether a node computes from whole numbers and vectors alone; of floats it gives at least one. */
  #staysExact(node: Node): boolean {
    const floats = node.inputs.filter((input) => input?.dtype === "float32") as Value[];
    const isExact = (value: Value) =>
      this.#exact.has(value) || (isConstant(this.#graph, value) && isVector(value.constant!));
    if (!floats.every(isExact)) return false;
    for (const output of node.outputs) if (output?.dtype === "float32") this.#exact.add(output);
    return true;
  }

  #keep(node: Node): void {
    for (const [i, input] of node.inputs.entries())
      if (input && this.#halved.has(input)) this.#graph.setNodeInput(node, i, this.#widened(input, node));
    for (const captured of capturedBy(node))
      if (this.#halved.has(captured)) this.#widenCaptured(captured, node);
  }
  #halve(node: Node): void {
    const kept = keptInputs[opNameOf(node)!] ?? [];
    for (const [i, input] of node.inputs.entries()) {
      if (!input || kept.includes(i)) continue;
      if (input.dtype === "float32") this.#graph.setNodeInput(node, i, this.#narrowed(input, node));
    }
    for (const [key, attribute] of node.attributes) {
      if (attribute.type === "tensor" && attribute.value.dtype === "float32")
        this.#graph.setAttribute(node, key, { type: "tensor", value: this.#tensor(attribute.value) });
      if (
        attribute.type === "int" &&
        isTypeName.has(key) &&
        dataTypeOf(Number(attribute.value)) === "float32"
      )
        this.#graph.setAttribute(node, key, { type: "int", value: numberOf("float16") });
    }
    for (const output of node.outputs) {
      if (output?.dtype !== "float32") continue;
      output.dtype = "float16";
      this.#halved.add(output);
    }
  }

  /** The float16 form of a float32 value. */
  #narrowed(value: Value, reader: Node): Value {
    const known = this.#narrow.get(value);
    if (known) return known;
    const made = isConstant(this.#graph, value)
      ? this.#graph.addInitializer(this.#graph.freshName(`${value.name}_half`), this.#tensor(value.constant!))
      : this.#cast(value, "float16", reader);
    this.#narrow.set(value, made);
    return made;
  }
  #widened(value: Value, reader: Node): Value {
    const known = this.#wide.get(value);
    if (known) return known;
    const made = this.#cast(value, "float32", reader);
    this.#wide.set(value, made);
    return made;
  }
  #cast(value: Value, to: "float16" | "float32", before: Node): Value {
    const name = this.#graph.freshName(`${value.name}_${to}`);
    const options = { attributes: [castTo(to)], outputs: [name], before };
    const made = this.#graph.addNode("Cast", [value], options).outputs[0]!;
    made.dtype = to;
    made.shape = value.shape;
    return made;
  }
  /** Bodies read their float32 form; everybody else goes on reading the value itself. */
  #widenCaptured(value: Value, reader: Node): void {
    const graph = this.#graph;
    const others = value.consumers.filter((node) => node !== reader && graph.nodes.includes(node));
    const places = others.map(
      (node) => [node, node.inputs.flatMap((input, i) => (input === value ? [i] : []))] as const,
    );
    const wide = this.#widened(value, reader);
    graph.replaceUses(value, wide, { outputs: false });
    for (const [node, indices] of places) for (const i of indices) graph.setNodeInput(node, i, value);
    if (wide.producer) graph.setNodeInput(wide.producer, 0, value);
  }
  /** A tensor as float16, what it cannot hold as the nearest it can; infinities stay. */
  #tensor(tensor: Tensor): Tensor {
    const bits = Uint16Array.from(floatsOf(tensor), (value) => {
      const size = Math.abs(value);
      // an epsilon must not become 0
      if (size > 0 && size < least) return toFloat16(Math.sign(value) * least);
      if (!(size > largest && size < Number.POSITIVE_INFINITY)) return toFloat16(value);
      this.#clamped++;
      return toFloat16(Math.sign(value) * largest);
    });
    return tensorOf("float16", tensor.dims, bits);
  }
}

const isConstant = (graph: Graph, value: Value): boolean =>
  value.constant !== undefined && !graph.inputs.includes(value);

/** Whether at most one axis has more than one element. */
const isVector = ({ dims }: Tensor): boolean => dims.filter((size) => size !== 1).length <= 1;

/** Attributes that say the type of a node's output. */
const isTypeName: ReadonlySet<string> = new Set(["to", "dtype", "output_dtype", "output_datatype"]);

const castTo = (to: "float16" | "float32") => ["to", { type: "int", value: numberOf(to) }] as const;
