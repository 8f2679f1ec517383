import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { loadOnnx } from "../../src/formats/onnx/file.node.ts";
import { readOnnx } from "../../src/formats/onnx/reader.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import type { Attribute, Graph, Value } from "../../src/graph/ir.ts";
import { bodiesOf } from "../../src/graph/ir.ts";
import { interpret } from "../../src/graph/kernels/interpret.ts";
import { ndArray } from "../../src/graph/kernels/nd-array.ts";
import { normalize } from "../../src/graph/passes/normalize.ts";
import { print } from "../../src/graph/print.ts";
import { bitsOf, type DataType, type Tensor } from "../../src/graph/tensor.ts";

/** Files of tools/fixtures/formats_onnx.py: every kind of content that ONNX has, as its own library writes it. */
const folder = resolve(import.meta.dirname, "../fixtures/formats");
const files = readdirSync(folder).filter((name) => name.endsWith(".onnx"));
const read = (name: string) => readOnnx(new Uint8Array(readFileSync(join(folder, name))));

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const tensorContent = ({ dtype, dims, data, strings }: Tensor) => [dtype, dims, hex(data.read()), strings];
const valueContent = ({ name, dtype, shape, opaqueType, constant }: Value) => [
  name,
  dtype,
  shape,
  opaqueType && hex(opaqueType),
  constant && tensorContent(constant),
];

/** Everything a graph says, in bodies too. */
function contentOf(graph: Graph): unknown {
  const attributeContent = ({ type, value }: Attribute): unknown => {
    if (type === "graph") return contentOf(value);
    if (type === "graphs") return value.map(contentOf);
    if (type === "tensor") return tensorContent(value);
    return type === "tensors" ? value.map(tensorContent) : [type, value];
  };
  return {
    text: print(graph),
    metadata: graph.outer ? [] : [...graph.metadata],
    values: [...graph.inputs, ...graph.initializers, ...graph.outputs].map(valueContent),
    nodes: graph.nodes.map((node) => [
      node.name,
      node.outputs.map((output) => output && valueContent(output)),
      [...node.attributes].map(([key, attribute]) => [key, attributeContent(attribute)]),
    ]),
  };
}

describe("what ONNX's own library wrote is read, written and read again as it was", () => {
  test("there are files", () => expect(files.length).toBeGreaterThanOrEqual(11));

  test.each(files)("%s", (name) => {
    const graph = read(name);
    expect(contentOf(readOnnx(writeOnnx(graph)))).toEqual(contentOf(graph));
  });

  test("weights in files beside it", async () => {
    const graph = await loadOnnx(join(folder, "external/model.onnx"));
    const numbers = new Float32Array(
      Uint8Array.from(readFileSync(join(folder, "external/weights.bin"))).buffer,
      0,
      28,
    );
    const held = (name: string) => graph.get(name).constant!.data.read().slice().buffer;
    expect(new Float32Array(held("w"))).toEqual(numbers.subarray(16));
    expect(new Float32Array(held("bias"))).toEqual(numbers.subarray(16, 19));
    expect(new BigInt64Array(held("codes"))).toEqual(BigInt64Array.of(0n, 1n, 2n));
    expect(contentOf(readOnnx(writeOnnx(graph)))).toEqual(contentOf(graph));
  });
});

describe("elements of every type", () => {
  const held = new Map([...read("types.onnx").initializers].map(({ name, constant }) => [name, constant!]));
  const types = (Object.keys(bitsOf) as DataType[]).filter((type) => type !== "string");
  /** ONNX's name of a type. */
  const named = (type: DataType) => type.replace(/^float32$/, "float").replace(/^float64$/, "double");

  test.each(types)("%s: raw bytes, the typed field and what the library makes are the same", (type) => {
    const raw = held.get(`${named(type)}.raw`)!;
    expect([raw.dtype, raw.dims, raw.data.length]).toEqual([type, [5], Math.ceil((5 * bitsOf[type]) / 8)]);
    for (const form of ["typed", "made"]) {
      const other = held.get(`${named(type)}.${form}`)!;
      expect([form, tensorContent(other)]).toEqual([form, tensorContent(raw)]);
    }
    expect(tensorContent(held.get(`${named(type)}.empty`)!)).toEqual([type, [0], "", undefined]);
  });

  test("text in any script, a byte order mark included", () => {
    expect(held.get("words")!.strings).toEqual(["", "größer", "\ufeffmark", "日本"]);
  });
});

test("facts about the file, its texts and its metadata stay", () => {
  expect(Object.fromEntries(read("custom.onnx").metadata)).toMatchObject({
    author: "nobody",
    größe: "klein",
    empty: "",
    "onnx:ir_version": "8",
    "onnx:producer_name": "tools/fixtures/formats_onnx.py",
    "onnx:domain": "org.example",
    "onnx:model_version": "12",
    "onnx:doc_string": "about\nthe model",
    "onnx:graph_doc_string": "about the graph",
  });
});

test("attributes of every kind, to the byte and the last digit", () => {
  const { attributes } = read("custom.onnx").nodes[0]!;
  const value = (key: string) => attributes.get(key)!.value;
  expect(value("an_int")).toBe(-(2n ** 62n));
  expect(value("ints")).toEqual([1, -2, 2n ** 60n]);
  expect(value("floats")).toEqual([0.5, Number.POSITIVE_INFINITY, -0]);
  expect(value("bytes_of_no_text")).toEqual(Uint8Array.of(0xff, 0, 0xfe));
  expect([value("a_text"), value("a_mark"), value("texts")]).toEqual(["größer", "\ufeffx", ["a", "ß"]]);
  expect([attributes.get("a_type")!.type, attributes.get("a_sparse")!.type]).toEqual(["opaque", "opaque"]);
});

test("sizes named by what is no word are symbols, two for two names, in every input alike", () => {
  const shapes = Object.fromEntries(read("sizes.onnx").inputs.map(({ name, shape }) => [name, shape]));
  expect(shapes).toEqual({ a: ["n_1", 2], b: ["n_1_2", "d1?"], c: ["gr_e", "_2d"], d: ["n_1", "n_1_3"] });
});

test("functions leave nothing of themselves: calls in bodies and in functions too", () => {
  const graph = read("functions.onnx");
  const nodes = function* (within: Graph): Generator<string> {
    for (const node of within.nodes) {
      yield `${node.domain} ${node.op}`;
      for (const body of bodiesOf(node)) yield* nodes(body);
    }
  };
  const domains = new Set([...nodes(graph)].map((text) => text.split(" ")[0]));
  expect(domains).toEqual(new Set(["", "com.microsoft"]));
  expect(graph.opsets.get("com.microsoft")).toBe(1);
});

interface Described {
  readonly dtype: string;
  readonly dims: readonly number[];
  readonly values: readonly (number | boolean)[];
}
interface Run {
  readonly inputs: { readonly [name: string]: Described };
  readonly outputs: { readonly [name: string]: Described };
}
const { runs } = JSON.parse(readFileSync(join(folder, "runs.json"), "utf8")) as {
  runs: { readonly [name: string]: Run };
};

test.each(Object.keys(runs))("%s.onnx means what ONNX Runtime makes of it", (name) => {
  const { inputs, outputs } = runs[name]!;
  const graph = readOnnx(writeOnnx(read(`${name}.onnx`)));
  normalize(graph);
  const feeds = Object.entries(inputs).map(
    ([key, { dtype, dims, values }]) => [key, ndArray(dtype as DataType, dims, values.map(Number))] as const,
  );
  const made = interpret(graph, new Map(feeds));
  expect([...made.keys()]).toEqual(Object.keys(outputs));
  for (const [key, { dims, values }] of Object.entries(outputs)) {
    const got = made.get(key)!;
    expect(got.dims).toEqual(dims);
    for (const [i, value] of values.entries()) expect(got.data[i]).toBeCloseTo(Number(value), 5);
  }
});
