import { attributesOf } from "../attributes.ts";
import { GraphBuilder } from "../builder.ts";
import { bodiesOf, type Graph, type Node, type Value } from "../ir.ts";
import { type ByteSource, bitsOf, type Tensor } from "../tensor.ts";
import { removeDead } from "./remove-dead.ts";

/**
 * Writes products of ONNX Runtime's own domain as ONNX's MatMul, in place: constants are transposed once, everything
 * else by a Transpose, which ONNX Runtime fuses again where it pays.
 *
 * A product that stays is one of unknown rank, or one that moves the batch axis. A constant that others read as it is,
 * such as a table of words, is kept beside its transpose.
 */
export function plainProducts(graph: Graph): void {
  rewrite(graph, new Map());
  removeDead(graph);
}

/** Constants that were transposed, by what they are the transposes of. */
type Transposes = Map<Value, Value>;

function rewrite(graph: Graph, transposes: Transposes): void {
  for (const node of [...graph.nodes]) {
    for (const body of bodiesOf(node)) rewrite(body, transposes);
    if (node.domain === "com.microsoft" && node.op === "FusedMatMul") unfuse(graph, node, transposes);
  }
}

function unfuse(graph: Graph, node: Node, transposes: Transposes): void {
  const { transA, transB, transBatchA, transBatchB, alpha } = attributesOf(node, "com.microsoft.FusedMatMul");
  const [a, b] = node.inputs as readonly [Value, Value];
  const output = node.outputs[0]!;
  const isOpen = (value: Value, isTurned: number) => isTurned !== 0 && (value.shape?.length ?? 0) < 2;
  if (transBatchA !== 0 || transBatchB !== 0 || isOpen(a, transA) || isOpen(b, transB)) return;
  const g = new GraphBuilder(graph, node);
  const left = transA === 0 ? a : turned(g, a, transposes);
  const right = transB === 0 ? b : turned(g, b, transposes);
  const scaled = alpha === 1 ? left : g.mul(left, alpha);
  const product = g.matmul(scaled, right);
  const { name } = output;
  graph.replaceUses(output, product);
  graph.removeNodes(new Set([node]));
  graph.rename(product, name);
}

/** The last two axes swapped. */
function turned(g: GraphBuilder, x: Value, transposes: Transposes): Value {
  if (x.constant?.dims.length !== 2 || g.graph.inputs.includes(x)) return g.swap(x);
  // A table that is looked up as well is written once: ONNX Runtime swaps it as it opens the file.
  if (x.consumers.some(({ op }) => op === "Gather")) return g.swap(x);
  const known = transposes.get(x);
  if (known) return known;
  const owner = ownerOf(g.graph, x);
  const value = owner.addInitializer(owner.freshName(`${x.name}_transposed`), transposed(x.constant));
  value.storedType = x.storedType;
  transposes.set(x, value);
  return value;
}

/** The graph among this one and those around it that a constant belongs to. */
function ownerOf(graph: Graph, value: Value): Graph {
  let at = graph;
  while (!at.initializers.has(value) && at.outer) at = at.outer;
  return at;
}

/** A matrix with its axes swapped, made when its bytes are asked for, so that weights of a file stay there till then. */
function transposed({ dtype, dims, data }: Tensor): Tensor {
  const [rows, columns] = dims as readonly [number, number];
  const source: ByteSource = {
    length: data.length,
    read() {
      const from = Uint8Array.from(data.read());
      const to = new Uint8Array(from.length);
      const [read, written] = bitsOf[dtype] === 32 ? [from, to].map(words) : [from, to];
      const step = bitsOf[dtype] === 32 ? 1 : bitsOf[dtype] / 8;
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < columns; j++)
          for (let k = 0; k < step; k++)
            written![(j * rows + i) * step + k] = read![(i * columns + j) * step + k]!;
      return to;
    },
  };
  return { dtype, dims: [columns, rows], data: source };
}

const words = ({ buffer }: Uint8Array): Uint32Array => new Uint32Array(buffer);
