import type { Shape } from "./dim.ts";
import { dataTypeOf } from "./element-types.ts";
import { numbersOf } from "./infer/known-dims.ts";
import type { Attribute, Graph, Node, Value } from "./ir.ts";
import { sizeOf, type Tensor } from "./tensor.ts";

/** Constants of at most so many elements are written out. */
const inlineElements = 8;

/**
 * A graph as text: inputs, constants, nodes in their order, outputs. The same graph gives the same text.
 *
 * A node is a line such as `%y: float32[batch, 10] = Gemm(%x, %w) {transB: 1}`; `_` is an absent input or output, a small
 * constant that a pass made stands in its place, and the bodies of If, Loop and Scan follow their node, indented. The nodes
 * of a backward pass stand under what they go back through.
 */
export const print = (graph: Graph): string => `${lines(graph).join("\n")}\n`;

function lines(graph: Graph): string[] {
  const opsets = [...graph.opsets].map(([domain, version]) => `${domain || "onnx"} ${version}`).join(", ");
  const inputs = new Set(graph.inputs);
  const constants = [...graph.initializers].filter((value) => !inputs.has(value) && !isLiteral(value));
  return [
    `graph ${JSON.stringify(graph.name)} (${opsets})`,
    ...graph.inputs.map(
      (value) => `  input ${typed(value)}${value.constant ? ` = ${tensorText(value.constant)}` : ""}`,
    ),
    ...constants.map((value) => `  constant ${typed(value)} = ${tensorText(value.constant!)}`),
    ...graph.nodes.flatMap((node, i) => {
      const [heading, before] = [headingOf(node), headingOf(graph.nodes[i - 1])];
      return [...(heading === before ? [] : [heading]), ...nodeLines(node)].map((line) => `  ${line}`);
    }),
    `  output ${graph.outputs.map((value) => `%${value.name}`).join(", ")}`,
  ];
}

/** What the nodes are called, a dot and a number behind it, that go back through the operator that gives a value. */
export const backName = (value: string): string => `${value}.back`;

/** The value that a node of this name goes back through; undefined for a node of the forward pass. */
export const wentBackThrough = (name: string): string | undefined => /^(.+)\.back\.\d+$/.exec(name)?.[1];

function headingOf(node: Node | undefined): string {
  const through = wentBackThrough(node?.name ?? "");
  return through === undefined ? "# forward" : `# back through %${through}`;
}

function nodeLines(node: Node): string[] {
  const outputs = node.outputs.map((output) => (output ? typed(output) : "_")).join(", ");
  const inputs = node.inputs.map((input) => (input ? argument(input) : "_")).join(", ");
  const op = node.domain === "" ? node.op : `${node.domain}.${node.op}`;
  const plain: string[] = [];
  const bodies: string[] = [];
  for (const [key, attribute] of [...node.attributes].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const graphs =
      attribute.type === "graph" ? [attribute.value] : attribute.type === "graphs" ? attribute.value : [];
    if (graphs.length === 0) plain.push(`${key}: ${typeText(key, attribute) ?? attributeText(attribute)}`);
    for (const graph of graphs) bodies.push(`${key}:`, ...lines(graph).map((line) => `  ${line}`));
  }
  const attributes = plain.length > 0 ? ` {${plain.join(", ")}}` : "";
  return [`${outputs} = ${op}(${inputs})${attributes}`, ...bodies.map((line) => `  ${line}`)];
}

const argument = (value: Value): string =>
  isLiteral(value) ? tensorText(value.constant!) : `%${value.name}`;

/** A small constant that has no name but the one a builder gives it. */
const isLiteral = ({ name, constant }: Value): boolean =>
  constant !== undefined && /^constant(_\d+)?$/.test(name) && sizeOf(constant.dims) <= 4;

const typed = (value: Value): string =>
  `%${value.name}: ${value.opaqueType ? "opaque" : (value.dtype ?? "?")}${value.shape ? dimsText(value.shape) : "[?]"}`;

const dimsText = (shape: Shape): string => `[${shape.join(", ")}]`;

/** The elements of a small tensor, "…" for a large one; its type and sizes stand at the value. */
function tensorText(tensor: Tensor): string {
  if (sizeOf(tensor.dims) > inlineElements) return "…";
  const elements = tensor.strings?.map((s) => JSON.stringify(s)) ?? numbersOf(tensor);
  if (!elements) return "…";
  return tensor.dims.length === 0 ? String(elements[0]) : `[${elements.join(", ")}]`;
}

/** The name of the type that an attribute gives as a number; undefined for any other attribute. */
const typeText = (key: string, { type, value }: Attribute): string | undefined =>
  type === "int" && typeKeys.has(key) ? dataTypeOf(Number(value)) : undefined;
const typeKeys: ReadonlySet<string> = new Set(["to", "dtype", "output_dtype"]);

function attributeText(attribute: Attribute): string {
  switch (attribute.type) {
    case "tensor":
      return `${attribute.value.dtype}${dimsText(attribute.value.dims)} ${tensorText(attribute.value)}`;
    case "tensors":
      return `[${attribute.value.map((t) => `${t.dtype}${dimsText(t.dims)} ${tensorText(t)}`).join(", ")}]`;
    case "string":
      return stringText(attribute.value);
    case "strings":
      return `[${attribute.value.map(stringText).join(", ")}]`;
    case "ints":
    case "floats":
      return `[${attribute.value.join(", ")}]`;
    case "opaque":
      return `opaque of ${attribute.value.byteLength} bytes`;
    default:
      return String(attribute.value);
  }
}

const stringText = (value: string | Uint8Array): string =>
  typeof value === "string" ? JSON.stringify(value) : `${value.byteLength} bytes`;
