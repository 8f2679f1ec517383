import { describe, expect, test } from "vitest";
import { Graph } from "../../graph/ir.ts";
import { float32, inMemory } from "../../graph/tensor.ts";
import { readOnnx } from "./reader.ts";
import { ownFile, skeletonOf } from "./skeleton.ts";
import { writeOnnx } from "./writer.ts";

/** x · w + b with w of `size` squared numbers, as the bytes of a file. */
function file(size: number): Uint8Array {
  const graph = new Graph("weights");
  const x = graph.addInput("x", "float32", ["batch", size]);
  const w = graph.addInitializer(
    "w",
    float32(
      [size, size],
      Float32Array.from({ length: size * size }, (_, i) => i),
    ),
  );
  const b = graph.addInitializer("b", float32([1], [3]));
  const product = graph.addNode("MatMul", [x, w]).outputs[0]!;
  graph.addOutput(graph.addNode("Add", [product, b], { outputs: ["y"] }).outputs[0]!);
  return writeOnnx(graph);
}

/** Parts of a file in memory, counting what is read of it. */
function parts(bytes: Uint8Array) {
  const seen = { bytes: 0 };
  const range = (offset: number, length: number) => ({
    length,
    read() {
      seen.bytes += length;
      return bytes.slice(offset, offset + length);
    },
  });
  return { range, seen };
}

describe("the skeleton of an ONNX file", () => {
  test("states large weights by their place, and the rest as it was", () => {
    const bytes = file(512);
    const { range, seen } = parts(bytes);
    const skeleton = skeletonOf(bytes.length, range)!;
    expect(skeleton.length).toBeLessThan(1000);
    expect(seen.bytes).toBeLessThan(bytes.length / 2);
    const places: string[] = [];
    const graph = readOnnx(skeleton, {
      external(location, offset, length = 0) {
        places.push(location);
        return range(offset, length);
      },
    });
    expect(places).toEqual([ownFile]);
    expect(Buffer.compare(writeOnnx(graph), writeOnnx(readOnnx(bytes)))).toBe(0);
  });

  test("of a model with small weights is the file itself", () => {
    const bytes = file(8);
    expect(skeletonOf(bytes.length, parts(bytes).range)).toEqual(bytes);
  });

  test("is not made of what is no sequence of fields", () => {
    const bytes = file(512);
    expect(skeletonOf(bytes.length - 7, parts(bytes.subarray(0, -7)).range)).toBeUndefined();
    expect(skeletonOf(5, parts(Uint8Array.of(0x0b, 0, 0, 0, 0)).range)).toBeUndefined();
    expect(skeletonOf(3, parts(Uint8Array.of(0xff, 0xff, 0xff)).range)).toBeUndefined();
  });

  test("leaves a tensor alone that states another place", () => {
    const graph = new Graph("elsewhere");
    const data = inMemory(new Uint8Array(1 << 16));
    graph.addOutput(graph.addInitializer("w", { dtype: "uint8", dims: [1 << 16], data }));
    const bytes = writeOnnx(graph, { place: () => ({ location: "data", offset: 16 }) });
    expect(skeletonOf(bytes.length, parts(bytes).range)).toEqual(bytes);
  });
});
