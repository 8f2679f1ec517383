import { create, type Message, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import {
  type GraphProtoSchema,
  AttributeProto_AttributeType as Kind,
  ModelProtoSchema,
  type NodeProtoSchema,
  type TensorProtoSchema,
} from "../../src/formats/onnx/onnx.generated.ts";
import { readOnnx } from "../../src/formats/onnx/reader.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { print } from "../../src/graph/print.ts";

type GraphInit = MessageInitShape<typeof GraphProtoSchema>;
type NodeInit = MessageInitShape<typeof NodeProtoSchema>;
type ModelInit = Exclude<MessageInitShape<typeof ModelProtoSchema>, Message>;

const bytesOf = (graph: GraphInit, more: ModelInit = {}) =>
  toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, { irVersion: 10n, opsetImport: [{ version: 21n }], graph, ...more }),
  );
const read = (graph: GraphInit, more?: ModelInit) => readOnnx(bytesOf(graph, more));
const node = (opType: string, input: string[], output: string[], more: NodeInit = {}): NodeInit => ({
  opType,
  input,
  output,
  ...more,
});
const tensor = (name: string, value = 1): MessageInitShape<typeof TensorProtoSchema> => ({
  name,
  dataType: 1,
  dims: [1n],
  floatData: [value],
});
const body = (name: string, g: GraphInit): Exclude<NodeInit, Message> => ({
  attribute: [{ name, type: Kind.GRAPH, g }],
});
const branches = (g: GraphInit) => body("then_branch", g);
const [x, y] = [{ name: "x" }, { name: "y" }];
const relu = node("Relu", ["x"], ["y"]);

/** Graphs that do not hold together, and what is said of them. */
const broken: readonly (readonly [what: string, graph: GraphInit, says: string])[] = [
  [
    "two initializers of one name",
    { input: [x], node: [relu], output: [y], initializer: [tensor("w"), tensor("w", 2)] },
    'two initializers are called "w"',
  ],
  [
    "a sparse initializer of another one's name",
    {
      initializer: [tensor("w")],
      sparseInitializer: [
        {
          values: { name: "w", dataType: 1, dims: [0n] },
          indices: { dataType: 7, dims: [0n] },
          dims: [1n],
        },
      ],
    },
    'two initializers are called "w"',
  ],
  ["two inputs of one name", { input: [x, x], node: [relu], output: [y] }, 'two inputs are called "x"'],
  ["an input that a node makes", { input: [x, y], node: [relu], output: [y] }, 'two values are called "y"'],
  [
    "an initializer that a node makes",
    { input: [x], node: [relu], output: [y], initializer: [tensor("y")] },
    'two values are called "y"',
  ],
  [
    "two nodes that make one value",
    { input: [x], node: [relu, relu], output: [y] },
    'two values are called "y"',
  ],
  [
    "a node that makes a value twice",
    { input: [x], node: [node("Split", ["x"], ["y", "y"])], output: [y] },
    'two values are called "y"',
  ],
  [
    "an attribute given twice",
    {
      input: [x],
      node: [
        node("LeakyRelu", ["x"], ["y"], { attribute: [1, 2].map((f) => ({ name: "alpha", type: 1, f })) }),
      ],
      output: [y],
    },
    'has two attributes "alpha"',
  ],
  [
    "a body with two inputs of one name",
    { input: [x], node: [node("If", ["x"], ["y"], branches({ input: [x, x], output: [x] }))], output: [y] },
    'two inputs are called "x"',
  ],
  [
    "a body with two initializers of one name",
    {
      input: [x],
      node: [
        node(
          "If",
          ["x"],
          ["y"],
          branches({ initializer: [tensor("w"), tensor("w")], output: [{ name: "w" }] }),
        ),
      ],
      output: [y],
    },
    'two initializers are called "w"',
  ],
  [
    "an output that nothing makes",
    { input: [x], node: [relu], output: [{ name: "z" }] },
    '"z" is made by no',
  ],
  [
    "an input of a node that nothing makes",
    { input: [x], node: [node("Add", ["x", "z"], ["y"])], output: [y] },
    'reads "z", which nothing makes',
  ],
  [
    "a read from around a body that nothing makes",
    {
      input: [x],
      node: [
        node("If", ["x"], ["y"], branches({ node: [node("Neg", ["z"], ["a"])], output: [{ name: "a" }] })),
      ],
      output: [y],
    },
    'reads "z", which nothing makes',
  ],
  [
    "nodes that read in a circle",
    {
      input: [x],
      node: [node("Add", ["x", "b"], ["a"]), node("Neg", ["a"], ["b"])],
      output: [{ name: "a" }],
    },
    "made from its own result",
  ],
];

describe("a graph that does not hold together is refused, and why", () => {
  test.each(broken)("%s", (_, graph, says) => {
    expect(() => read(graph)).toThrow(
      expect.objectContaining({ code: "formats/onnx-bad-graph", message: expect.stringContaining(says) }),
    );
  });

  const call = (name: string, from: string, to: string) => node(name, [from], [to], { domain: "own" });
  const f = (name: string, nodes: NodeInit[]) => ({
    name,
    domain: "own",
    input: ["a"],
    output: ["b"],
    node: nodes,
  });
  test.each([
    ["calls itself", [f("F", [call("F", "a", "b")])], "calls itself"],
    [
      "is there twice",
      [f("F", [node("Neg", ["a"], ["b"])]), f("F", [node("Abs", ["a"], ["b"])])],
      "two functions",
    ],
    [
      "unfolds without end",
      Array.from({ length: 30 }, (_, i) =>
        f(i === 0 ? "F" : `F${i}`, [call(`F${i + 1}`, "a", "c"), call(`F${i + 1}`, "c", "b")]),
      ),
      "unfold to more than",
    ],
    [
      "calls too deep",
      [...Array.from({ length: 40 }, (_, i) => f(i === 0 ? "F" : `F${i}`, [call(`F${i + 1}`, "a", "b")]))],
      "more than 32 deep",
    ],
    ["hands an input on", [{ ...f("F", []), output: ["a"] }], 'names "a" twice'],
  ])("a function that %s", (_, functions, says) => {
    expect(() => read({ input: [x], node: [call("F", "x", "y")], output: [y] }, { functions })).toThrow(
      expect.objectContaining({ code: "formats/onnx-bad-graph", message: expect.stringContaining(says) }),
    );
  });
});

test("an output named twice, which ONNX allows, is there twice", () => {
  const graph = read({ input: [x], node: [relu], output: [y, y] });
  expect(graph.outputs.map(({ name }) => name)).toEqual(["y", "y_1"]);
  expect(print(readOnnx(writeOnnx(graph)))).toBe(print(graph));
});

test("a name that a body has for itself hides the one around it", () => {
  const inner = { node: [node("Neg", ["x"], ["z"])], initializer: [tensor("x", 7)], output: [{ name: "z" }] };
  const graph = read({ input: [x], node: [node("If", ["x"], ["y"], branches(inner))], output: [y] });
  const then = graph.nodes[0]!.attributes.get("then_branch")!;
  expect(then.type === "graph" && then.value.nodes[0]!.inputs[0]!.constant).toBeTruthy();
});

test("what a branch of If declares as an input is the value around it", () => {
  const inner = { input: [x], node: [node("Neg", ["x"], ["z"])], output: [{ name: "z" }] };
  const graph = read({ input: [x], node: [node("If", ["x"], ["y"], branches(inner))], output: [y] });
  const then = graph.nodes[0]!.attributes.get("then_branch")!;
  if (then.type !== "graph") throw new Error("there is no branch");
  expect([then.value.inputs, then.value.nodes[0]!.inputs]).toEqual([[], [graph.get("x")]]);
});

test("an If whose branches declare what they read stands behind what makes it", () => {
  const inner = { input: [{ name: "made" }], node: [node("Neg", ["made"], ["z"])], output: [{ name: "z" }] };
  const made = node("Relu", ["x"], ["made"]);
  const graph = read({ input: [x], node: [node("If", ["x"], ["y"], branches(inner)), made], output: [y] });
  expect(graph.nodes.map(({ op }) => op)).toEqual(["Relu", "If"]);
  const then = graph.nodes[1]!.attributes.get("then_branch")!;
  if (then.type !== "graph") throw new Error("there is no branch");
  expect(then.value.nodes[0]!.inputs).toEqual([graph.get("made")]);
});

test("a Split whose last part has no name is cut into as many parts", () => {
  const graph = read({ input: [x], node: [node("Split", ["x"], ["y", ""])], output: [y] });
  expect(graph.nodes[0]!.outputs.map((output) => output?.name)).toEqual(["y", "y.unread_1"]);
  expect(readOnnx(writeOnnx(graph)).nodes[0]!.outputs).toHaveLength(2);
});

test("20,000 nodes backwards are read in a moment", () => {
  const nodes = Array.from({ length: 20_000 }, (_, i) => node("Relu", [`v${i}`], [`v${i + 1}`]));
  const bytes = bytesOf({ input: [{ name: "v0" }], node: nodes.reverse(), output: [{ name: "v20000" }] });
  const start = process.cpuUsage();
  expect(readOnnx(bytes).nodes[0]!.inputs[0]!.name).toBe("v0");
  // processor time in µs, several times what it takes; a pass over all that wait for each node takes many times as long
  expect(process.cpuUsage(start).user).toBeLessThan(2_500_000);
});
