import { describe, expect, test } from "vitest";
import { Graph, type Value } from "../graph/ir.ts";
import { float32, inMemory, int64, sizeOf, type Tensor } from "../graph/tensor.ts";
import { collectParameters } from "./parameters.ts";
import { sameTensor } from "./same-tensor.ts";

const ramp = (...dims: number[]) =>
  float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, (_, i) => i),
  );

const int8 = (dims: number[]): Tensor => ({
  dtype: "int8",
  dims,
  data: inMemory(new Uint8Array(sizeOf(dims))),
});

function build(make: (graph: Graph, x: Value) => Value) {
  const graph = new Graph("g");
  const output = make(graph, graph.addInput("x", "float32", ["batch", 3, 8, 8]));
  graph.addOutput(output);
  const { parameters, buffers, notes } = collectParameters(graph);
  return { names: parameters.map((p) => p.name), parameters, buffers: buffers.map((b) => b.name), notes };
}
const op = (graph: Graph, name: string, ...inputs: (Value | undefined)[]) =>
  graph.addNode(name, inputs).outputs[0]!;

describe("what counts as a parameter", () => {
  test("kernels decay, vectors do not, running statistics are buffers", () => {
    const { parameters, buffers } = build((g, x) => {
      const y = op(
        g,
        "Conv",
        x,
        g.addInitializer("conv.weight", ramp(4, 3, 1, 1)),
        g.addInitializer("conv.bias", ramp(4)),
      );
      const vectors = ["weight", "bias", "mean", "var"].map((name) =>
        g.addInitializer(`bn.${name}`, ramp(4)),
      );
      return op(g, "BatchNormalization", y, ...vectors);
    });
    expect(parameters.map((p) => [p.name, p.decays])).toEqual([
      ["conv.weight", true],
      ["conv.bias", false],
      ["bn.weight", false],
      ["bn.bias", false],
    ]);
    expect(buffers).toEqual(["bn.mean", "bn.var"]);
  });
  test("shapes and single settings are not, a named scale is", () => {
    const { names } = build((g, x) => {
      let y = op(g, "Conv", x, g.addInitializer("w", ramp(4, 3, 1, 1)));
      y = op(g, "Add", y, g.addInitializer("epsilon", ramp(1)));
      y = op(g, "Mul", y, g.addInitializer("logit_scale", ramp()));
      y = op(g, "Pow", y, g.addInitializer("exponents", ramp(4, 1, 1)));
      return op(g, "Reshape", y, g.addInitializer("shape", int64([2], [-1, 256])));
    });
    expect(names).toEqual(["w", "logit_scale"]);
  });
  test("weights under fake quantisation are, their scales are not", () => {
    const { names } = build((g, x) => {
      const [scale, zero] = [g.addInitializer("w.scale", ramp(4)), g.addInitializer("w.zero", int8([4]))];
      const rounded = op(g, "QuantizeLinear", g.addInitializer("w", ramp(4, 3, 1, 1)), scale, zero);
      return op(g, "Conv", x, op(g, "DequantizeLinear", rounded, scale, zero));
    });
    expect(names).toEqual(["w"]);
  });
  test("a number that is spread and also compared is a setting: it would move what is compared", () => {
    const { names } = build((g, x) => {
      const zero = g.addInitializer("const_fold_opt__1303", ramp());
      const start = op(g, "Expand", zero, g.addInitializer("sizes", int64([2], [3, 8])));
      const state = op(g, "MatMul", start, g.addInitializer("w", ramp(8, 8)));
      return op(g, "Where", op(g, "Less", x, zero), state, x);
    });
    expect(names).toEqual(["w"]);
  });
  test("tensors that stand in PyTorch's code, as anchors do, are none", () => {
    const { names } = build((g, x) => {
      const y = op(g, "Conv", x, g.addInitializer("w", ramp(4, 3, 1, 1)));
      const anchors = op(g, "Add", y, g.addInitializer("/rpn/Constant_29_output_0", ramp(4, 1, 1)));
      return op(g, "Add", anchors, g.addInitializer("onnx::Add_29", ramp(4, 1, 1)));
    });
    expect(names).toEqual(["w", "onnx::Add_29"]);
    const basis = (g: Graph, x: Value) =>
      op(g, "Conv", x, g.addInitializer("/Constant_1_output_0", ramp(4, 3, 1, 1)));
    const beside = build((g, x) => op(g, "Conv", basis(g, x), g.addInitializer("w", ramp(4, 4, 1, 1))));
    expect(beside.names).toEqual(["w"]);
    // a frozen module has no other names
    expect(build(basis).names).toEqual(["/Constant_1_output_0"]);
  });
  test.each([Number.NEGATIVE_INFINITY, -3.4028235e38, -1e4])(
    "a mask of %d that stands in a graph is none",
    (hidden) => {
      const { names } = build((g, x) => {
        const scores = op(g, "MatMul", x, g.addInitializer("weight", ramp(8, 2)));
        const mask = g.addInitializer("causal", float32([1, 2, 2], [0, hidden, 0, 0]));
        const places = g.addInitializer("places", float32([1, 2, 2], [0, -3, 0, 0]));
        return op(g, "Softmax", op(g, "Add", op(g, "Add", scores, mask), places));
      });
      expect(names).toEqual(["weight", "places"]);
    },
  );

  test("constants that normalise the input stay as they are, with a note; later vectors move", () => {
    const { names, notes } = build((g, x) => {
      let y = op(g, "Sub", x, g.addInitializer("pixel_average", ramp(1, 3, 1, 1)));
      y = op(g, "Conv", y, g.addInitializer("w", ramp(4, 3, 1, 1)));
      return op(g, "Add", y, g.addInitializer("b", ramp(4, 1, 1)));
    });
    expect(names).toEqual(["w", "b"]);
    expect(notes.join()).toContain("pixel_average");
  });
  test("a weight is found through Transpose, and a class token through Expand and Concat", () => {
    const { names } = build((g, x) => {
      const w = op(g, "Transpose", g.addInitializer("w", ramp(8, 8)));
      const token = op(
        g,
        "Expand",
        g.addInitializer("cls_token", ramp(1, 1, 1, 8)),
        g.addInitializer("s", int64([1], [1])),
      );
      return op(g, "Concat", op(g, "MatMul", x, w), token);
    });
    expect(names.sort()).toEqual(["cls_token", "w"]);
  });
  test("what does not reach the output is left out", () => {
    const { names } = build((g, x) => {
      op(g, "Conv", x, g.addInitializer("unused", ramp(4, 3, 1, 1)));
      return op(g, "Conv", x, g.addInitializer("used", ramp(4, 3, 1, 1)));
    });
    expect(names).toEqual(["used"]);
  });
  test("one initializer used twice is one parameter; equal and transposed copies are told", () => {
    const { names, notes } = build((g, x) => {
      const w = g.addInitializer("w", ramp(8, 8));
      const y = op(g, "MatMul", op(g, "MatMul", x, w), w);
      return op(
        g,
        "MatMul",
        op(g, "MatMul", y, g.addInitializer("copy", ramp(8, 8))),
        g.addInitializer("turned", turned(8)),
      );
    });
    expect(names).toEqual(["w", "copy", "turned"]);
    expect(notes).toContainEqual(expect.stringMatching(/"copy" is a copy of "w"/));
    expect(notes).toContainEqual(expect.stringMatching(/"turned" is a transposed copy of "w"/));
  });
});

/** The transpose of ramp(n, n). */
const turned = (n: number) =>
  float32(
    [n, n],
    Float32Array.from({ length: n * n }, (_, i) => (i % n) * n + Math.floor(i / n)),
  );

describe("comparing tensors", () => {
  test("weights that lie at an odd place in a Node buffer", () => {
    const file = Buffer.from([9, ...new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer)]);
    const data = { length: 24, read: () => file.subarray(1) };
    expect(sameTensor({ dtype: "float32", dims: [2, 3], data }, float32([3, 2], [1, 4, 2, 5, 3, 6]))).toBe(
      "transposed",
    );
  });
  test("equal, transposed, different", () => {
    const a = float32([2, 3], [1, 2, 3, 4, 5, 6]);
    expect(sameTensor(a, float32([2, 3], [1, 2, 3, 4, 5, 6]))).toBe("equal");
    expect(sameTensor(a, float32([3, 2], [1, 4, 2, 5, 3, 6]))).toBe("transposed");
    expect(sameTensor(a, float32([3, 2], [1, 2, 3, 4, 5, 6]))).toBeUndefined();
    expect(sameTensor(a, float32([6], [1, 2, 3, 4, 5, 6]))).toBeUndefined();
    expect(sameTensor(a, float32([2, 3], [1, 2, 3, 4, 5, 7]))).toBeUndefined();
  });
});
