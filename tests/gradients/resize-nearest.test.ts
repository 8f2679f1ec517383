import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { writeOnnx } from "../../src/formats/onnx/writer.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph } from "../../src/graph/ir.ts";
import { coordinates } from "./imaging-resize.ts";

const roundings = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"];
/** Sizes and factors at which some places lie half-way or on an element but for the last digit. */
const axes = [
  [9, 1.2],
  [15, 1.1],
  [33, 0.3],
  [33, 0.4],
  [7, 0.6],
  [4, 0.5],
  [5, 1],
] as const;

/** Loss and x·dx of Σ w ⊙ resize(x), which is linear in x: they are equal. */
async function bothSides(attributes: Record<string, string>, size: number, scale: number, isOpen: boolean) {
  const graph = new Graph("resize", [["", 21]]);
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", "float32", [isOpen ? "size" : size, 2]);
  const y = g.op("Resize", [x, undefined, g.constant([scale, 1.5])], { mode: "nearest", ...attributes });
  const rows = Math.floor(Math.fround(Math.fround(scale) * size));
  const w = g.constant(
    Array.from({ length: 3 * rows }, (_, i) => Math.cos(1.3 * i + 0.4)),
    "float32",
    [rows, 3],
  );
  graph.addOutput(g.op("ReduceSum", [g.mul(y, w)], { keepdims: 0 }, ["loss"]));
  const backward = differentiate(graph, { loss: "loss", parameters: ["x"] });
  const values = Float32Array.from({ length: 2 * size }, (_, i) => Math.sin(1.7 * i + 1));
  const session = await InferenceSession.create(writeOnnx(backward.graph), { logSeverityLevel: 3 });
  const found = await session.run({ x: new Tensor("float32", values, [size, 2]) });
  await session.release();
  const gradient = found["x.grad"]!.data as Float32Array;
  return [found["loss"]!.data[0] as number, values.reduce((sum, v, i) => sum + v * gradient[i]!, 0)] as const;
}

test.each(coordinates.flatMap((how) => roundings.map((rounding) => [how, rounding] as const)))(
  "goes back to the elements that the runtime took: %s, %s",
  async (coordinate_transformation_mode, nearest_mode) => {
    for (const [size, scale] of axes) {
      for (const isOpen of [false, true]) {
        const attributes = { coordinate_transformation_mode, nearest_mode };
        const [loss, along] = await bothSides(attributes, size, scale, isOpen);
        expect(along, `${size} by ${scale}${isOpen ? ", open" : ""}`).toBeCloseTo(loss, 4);
      }
    }
  },
);
