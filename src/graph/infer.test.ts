import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { GraphBuilder } from "./builder.ts";
import type { Dim } from "./dim.ts";
import { isComposite } from "./expansions/expand.ts";
import { inferShapes, knownNumbers } from "./infer.ts";
import { type Attribute, Graph, type Value } from "./ir.ts";
import { type OpName, schemas } from "./schemas.ts";
import { type DataType, float32, int64, type Tensor } from "./tensor.ts";

interface Row {
  readonly op: string;
  readonly title: string;
  readonly inputs: readonly ([DataType, Dim[], number[]?] | null)[];
  readonly attributes: { readonly [key: string]: number | string | readonly number[] };
  readonly outputs: readonly [DataType, readonly (Dim | null)[] | null][];
}
const path = new URL("../../tests/fixtures/shape-inference.json", import.meta.url);
const { rows } = JSON.parse(readFileSync(path, "utf8")) as { readonly rows: readonly Row[] };

function attributeOf(value: number | string | readonly number[]): Attribute {
  if (typeof value === "string") return { type: "string", value };
  return typeof value === "number" ? { type: "int", value } : { type: "ints", value };
}

function graphOf(row: Row): Graph {
  const graph = new Graph("row");
  const inputs = row.inputs.map((input, i) => {
    if (!input) return undefined;
    const [dtype, dims, values] = input;
    return values
      ? graph.addInitializer(`x${i}`, int64(dims as number[], values))
      : graph.addInput(`x${i}`, dtype, dims);
  });
  const node = graph.addNode(row.op, inputs, {
    attributes: Object.entries(row.attributes).map(([key, value]) => [key, attributeOf(value)] as const),
    outputs: row.outputs.map((_, i) => `y${i}`),
  });
  for (const output of node.outputs) graph.addOutput(output!);
  return graph;
}

describe("the shapes that ONNX's own inference gives", () => {
  test.each(rows.map((row) => [`${row.op} ${row.title || JSON.stringify(row.attributes)}`, row] as const))(
    "%s",
    (_, row) => {
      const graph = graphOf(row);
      inferShapes(graph);
      const found = graph.outputs.map(({ dtype, shape }, i) => {
        const told = row.outputs[i]![1];
        return [dtype, told && (shape?.map((dim, axis) => (told[axis] === null ? null : dim)) ?? "unknown")];
      });
      expect(found).toEqual(row.outputs);
    },
  );

  test("every operator without an expansion has a row, but those that ONNX does not infer at opset 21", () => {
    const withBodies = ["If", "Loop", "Scan"];
    const elsewhere = [
      ...withBodies,
      "com.microsoft.Gelu",
      "com.microsoft.FusedMatMul",
      "com.microsoft.QuantizeLinear",
      "com.microsoft.DequantizeLinear",
      "Swish",
      "BitShift",
      "Constant",
    ];
    const inRows = new Set([...rows.map((row) => row.op), ...elsewhere]);
    expect(Object.keys(schemas).filter((op) => !isComposite(op as OpName) && !inRows.has(op))).toEqual([]);
  });
});

/** Applies operators one after the other; a step reads values by name or constants. */
function chain(inputs: { readonly [name: string]: readonly Dim[] }, steps: readonly Step[]): Graph {
  const graph = new Graph("chain");
  for (const [name, shape] of Object.entries(inputs)) graph.addInput(name, "float32", shape);
  for (const [output, op, reads, attributes = {}, domain = ""] of steps)
    graph.addNode(
      op,
      reads.map((read, i): Value => {
        if (typeof read === "string") return graph.get(read);
        return graph.addInitializer(
          `${output}_${i}`,
          typeof read === "number" ? int64([], [read]) : listed(read),
        );
      }),
      {
        outputs: [output],
        domain,
        attributes: Object.entries(attributes).map(([key, value]) => [key, attributeOf(value)] as const),
      },
    );
  inferShapes(graph);
  return graph;
}
const listed = (read: readonly number[] | Tensor): Tensor =>
  "dtype" in read ? read : int64([read.length], read);
type Step = readonly [
  output: string,
  op: string,
  reads: readonly (string | number | readonly number[] | Tensor)[],
  attributes?: { readonly [key: string]: number | string | readonly number[] },
  domain?: string,
];

describe("sizes computed in the graph", () => {
  test("the reshape of an exported attention", () => {
    const graph = chain({ x: ["batch", "tokens", 768] }, [
      ["shape", "Shape", ["x"]],
      ["b", "Gather", ["shape", 0]],
      ["t", "Gather", ["shape", 1]],
      ["b1", "Unsqueeze", ["b", [0]]],
      ["t1", "Unsqueeze", ["t", [0]]],
      ["width", "Div", [768, 12]],
      ["w1", "Unsqueeze", ["width", [0]]],
      ["sizes", "Concat", ["b1", "t1", [12], "w1"], { axis: 0 }],
      ["heads", "Reshape", ["x", "sizes"]],
      ["merged", "Reshape", ["heads", [0, -1, 768]]],
      ["rows", "Reshape", ["x", [-1, 768]]],
    ]);
    expect(graph.get("heads").shape).toEqual(["batch", "tokens", 12, 64]);
    expect(graph.get("merged").shape).toEqual(["batch", "tokens", 768]);
    expect(graph.get("rows").shape).toEqual(["batch*tokens", 768]);
  });
  test("an Expand whose −1 is replaced by 1", () => {
    const graph = chain({ x: ["batch", 1, 6] }, [
      ["shape", "Shape", ["x"], { end: 1 }],
      ["wanted", "Concat", ["shape", [-1, 6]], { axis: 0 }],
      ["open", "Equal", ["wanted", [-1, -1, -1]]],
      ["ones", "ConstantOfShape", [[3]]],
      ["one", "Cast", ["ones"], { to: 7 }],
      ["one1", "Add", ["one", 1]],
      ["sizes", "Where", ["open", "one1", "wanted"]],
      ["y", "Expand", ["x", "sizes"]],
    ]);
    expect(graph.get("y").shape).toEqual(["batch", 1, 6]);
  });
  test("an Expand to rows of two axes, of which none is −1", () => {
    const graph = chain({ x: ["batch", 2, 6], mask: [1, 6] }, [
      ["rows", "Reshape", ["x", [-1, 6]]],
      ["wanted", "Shape", ["rows"]],
      ["open", "Equal", ["wanted", [-1, -1]]],
      ["sizes", "Where", ["open", [1, 1], "wanted"]],
      ["y", "Expand", ["mask", "sizes"]],
    ]);
    expect(graph.get("y").shape).toEqual(["2*batch", 6]);
  });
  test("the pads of an older PyTorch export", () => {
    const graph = chain({ x: ["batch", 16, 8, 8] }, [
      [
        "pairs",
        "Reshape",
        [
          [0, 0, 0, 0, 2, 3, 0, 0],
          [-1, 2],
        ],
      ],
      ["back", "Slice", ["pairs", [-1], [-(2 ** 31)], [0], [-1]]],
      ["columns", "Transpose", ["back"], { perm: [1, 0] }],
      ["pads", "Reshape", ["columns", [-1]]],
      ["y", "Pad", ["x", "pads"]],
    ]);
    expect(graph.get("y").shape).toEqual(["batch", 21, 8, 8]);
  });
  test("padding that keeps a ceiling of the size, computed in floats and clipped at 0", () => {
    const graph = chain({ x: ["batch", 16, 9, 9] }, [
      ["shape", "Shape", ["x"]],
      ["size", "Gather", ["shape", 2]],
      ["real", "Cast", ["size"], { to: 1 }],
      ["half", "Div", ["real", float32([], [2])]],
      ["made", "Ceil", ["half"]],
      ["walked", "Mul", ["made", float32([], [2])]],
      ["reach", "Add", ["walked", float32([], [1])]],
      ["missing", "Sub", ["reach", "real"]],
      ["pad", "Clip", ["missing", float32([], [0])]],
      ["whole", "Cast", ["pad"], { to: 7 }],
      ["end", "Unsqueeze", ["whole", [0]]],
      ["pads", "Concat", [[0, 0, 0, 0, 0, 0, 0], "end"], { axis: 0 }],
      ["y", "Pad", ["x", "pads"]],
    ]);
    expect(graph.get("y").shape).toEqual(["batch", 16, 9, 11]);
  });
  test("a position table cut to the tokens", () => {
    const graph = chain({ ids: ["batch", "tokens"] }, [
      ["shape", "Shape", ["ids"]],
      ["t", "Gather", ["shape", [1]]],
      ["table", "Slice", [float32([1, 512], new Float32Array(512)), [0], "t", [1]]],
      ["from1", "Slice", ["ids", [1], [2 ** 53], [1]]],
      ["first", "Slice", ["ids", [0], [-1], [1]]],
    ]);
    expect(graph.get("table").shape).toEqual([1, "tokens"]);
    expect(graph.get("from1").shape).toEqual(["batch", "tokens-1"]);
    expect(graph.get("first").shape).toEqual(["batch", "tokens-1"]);
  });
  test("two strided convolutions of an image of any size", () => {
    const weight = (out: number, inner: number): Tensor =>
      float32([out, inner, 3, 3], new Float32Array(out * inner * 9));
    const strided = { strides: [2, 2], pads: [1, 1, 1, 1] };
    const graph = chain({ x: ["batch", 3, "height", 224] }, [
      ["a", "Conv", ["x", weight(8, 3)], strided],
      ["b", "Conv", ["a", weight(8, 8)], strided],
      ["flat", "Flatten", ["b"]],
    ]);
    expect(graph.get("b").shape).toEqual(["batch", 8, "(height+3)/4", 56]);
    expect(graph.get("flat").shape).toEqual(["batch", "448*((height+3)/4)"]);
  });
  test("a product of transposed sides", () => {
    const graph = chain({ a: ["batch", 5, 3], b: ["batch", 5, 7] }, [
      ["y", "FusedMatMul", ["a", "b"], { transA: 1 }, "com.microsoft"],
    ]);
    expect(graph.get("y").shape).toEqual(["batch", 3, 7]);
  });
});

describe("numbers computed in the graph are those that a runtime computes", () => {
  test("products of sizes and factors are rounded to their type", () => {
    const graph = new Graph("a factor");
    const g = new GraphBuilder(graph);
    const sizes = g.cast(g.op("Shape", [graph.addInput("x", "float32", [3, 10])]), "float32");
    // 0.7 is a little less in float32, its product with 10 is 7 all the same
    const scaled = g.cast(g.op("Floor", [g.mul(sizes, 0.7)]), "int64");
    expect(knownNumbers(scaled)).toEqual([2, 7]);
  });

  test("a remainder has the sign of the divisor, with fmod that of the dividend", () => {
    const g = new GraphBuilder(new Graph("remainders"));
    const [a, b] = [g.ints([-5, 5]), g.ints([3, -3])];
    expect(knownNumbers(g.op("Mod", [a, b]))).toEqual([1, -1]);
    expect(knownNumbers(g.op("Mod", [a, b], { fmod: 1 }))).toEqual([-2, 2]);
  });
});

describe("what cannot be told", () => {
  test("different symbols broadcast to a new one, named after the value", () => {
    const graph = chain({ a: ["n"], b: ["m"] }, [["y", "Add", ["a", "b"]]]);
    expect(graph.get("y").shape).toEqual(["y.0"]);
  });
  test("names that no symbol may hold stay apart", () => {
    const graph = chain({ a: ["n"], b: ["m"] }, [
      ["/y", "Add", ["a", "b"]],
      [":y", "Add", ["a", "b"]],
    ]);
    expect(graph.get("/y").shape).not.toEqual(graph.get(":y").shape);
  });
  test("hints of the file fill what is open and lose against what is found", () => {
    const graph = new Graph("hints");
    const a = graph.addInput("a", "float32", ["n", 3]);
    const b = graph.addInput("b", "float32", ["m", 3]);
    const y = graph.addNode("Add", [a, b], { outputs: ["y"] }).outputs[0]!;
    y.shape = [4, 5];
    const other = graph.addNode("Mystery", [y], { outputs: ["z"], domain: "somewhere" }).outputs[0]!;
    other.shape = ["k", 2];
    inferShapes(graph);
    expect(y.shape).toEqual([4, 3]);
    expect(other.shape).toEqual(["k", 2]);
  });
  test("a MaxUnpool of open sizes has those that its window implies", () => {
    const graph = new Graph("unpool");
    const [x, at] = [["x", "float32"] as const, ["at", "int64"] as const].map(([name, dtype]) =>
      graph.addInput(name, dtype, ["batch", 3, "height", "width"]),
    );
    const y = graph.addNode("MaxUnpool", [x, at], {
      attributes: [["kernel_shape", { type: "ints", value: [2, 2] }]],
    }).outputs[0]!;
    inferShapes(graph);
    expect(y.shape).toEqual(["batch", 3, "height+1", "width+1"]);
  });
  test("of an operator that is made of others type and axes are told without the sizes", () => {
    const graph = new Graph("grid");
    const theta = graph.addInput("theta", "float32", ["batch", 2, 3]);
    const size = graph.addInput("size", "int64", [4]);
    const y = graph.addNode("AffineGrid", [theta, size]).outputs[0]!;
    inferShapes(graph);
    expect([y.dtype, y.shape]).toEqual(["float32", ["batch", "affinegrid.1", "affinegrid.2", 2]]);
  });
  test("open dims of inputs get a name each", () => {
    const graph = new Graph("open");
    const a = graph.addInput("a", "float32", ["d0?", 3]);
    const b = graph.addInput("b", "float32", ["d0?", 3]);
    inferShapes(graph);
    expect([a.shape, b.shape]).toEqual([
      ["a.0", 3],
      ["b.0", 3],
    ]);
  });
  test("branches that agree give the shape of an If", () => {
    const graph = new Graph("branches");
    const x = graph.addInput("x", "float32", ["batch", 3]);
    const condition = graph.addInput("condition", "bool", []);
    const body = (op: string) => {
      const inner = new Graph(op, graph.opsets, graph);
      inner.addOutput(inner.addNode(op, [x], { outputs: [`${op}_out`] }).outputs[0]!);
      return { type: "graph", value: inner } as const;
    };
    const attributes = [["then_branch", body("Relu")] as const, ["else_branch", body("Neg")] as const];
    const [y] = graph.addNode("If", [condition], { attributes, outputs: ["y"] }).outputs;
    inferShapes(graph);
    expect([y!.dtype, y!.shape]).toEqual(["float32", ["batch", 3]]);
  });
});

test("a reduction that counts more axes than there are, of numbers unknown, has no known shape", () => {
  const graph = new Graph("axes");
  const x = graph.addInput("x", "float32", [2, 3]);
  const axes = graph.addInput("axes", "int64", [5]);
  const attributes = [["keepdims", { type: "int", value: 0 }]] as const;
  const [y] = graph.addNode("ReduceSum", [x, axes], { attributes, outputs: ["y"] }).outputs;
  inferShapes(graph);
  expect(y!.shape).toBeUndefined();
});

describe("shapes that do not fit", () => {
  test.each<[string, () => Graph]>([
    ["a product", () => chain({ a: [32, 384], b: [768, 10] }, [["y", "MatMul", ["a", "b"]]])],
    ["a sum", () => chain({ a: [2, 3], b: [2, 4] }, [["y", "Add", ["a", "b"]]])],
    ["a reshape", () => chain({ a: [2, 3] }, [["y", "Reshape", ["a", [4, 2]]]])],
    ["a reshape with an open size", () => chain({ a: [2, 3] }, [["y", "Reshape", ["a", [4, -1]]]])],
    ["a concatenation", () => chain({ a: [2, 3], b: [3, 3] }, [["y", "Concat", ["a", "b"], { axis: 1 }]])],
    ["a squeeze", () => chain({ a: [2, 3] }, [["y", "Squeeze", ["a", [0]]]])],
    ["parts", () => chain({ a: [2, 3] }, [["y", "Split", ["a", [1, 1]], { axis: 1 }]])],
    ["channels", () => chain({ a: [1, 4, 9], w: [8, 3, 3] }, [["y", "Conv", ["a", "w"]]])],
    [
      "letters",
      () => chain({ a: [2, 3], b: [4, 2] }, [["y", "Einsum", ["a", "b"], { equation: "ij,jk->ik" }]]),
    ],
  ])("%s", (_, build) =>
    expect(build).toThrowError(expect.objectContaining({ code: "graph/shape-mismatch" })),
  );

  test("the message names what was found and what was expected", () =>
    expect(() => chain({ a: [32, 384], b: [768, 10] }, [["y", "MatMul", ["a", "b"]]])).toThrowError(
      "MatMul [32,384] · [768,10]: the left side has 384 columns, the right side has 768 rows.",
    ));
});
