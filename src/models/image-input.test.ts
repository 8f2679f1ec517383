import { describe, expect, test } from "vitest";
import type { Dim } from "../graph/dim.ts";
import { Graph } from "../graph/ir.ts";
import { float32 } from "../graph/tensor.ts";
import { findImageInput } from "./image-input.ts";

function inputOf(shape: Dim[], kernelChannels?: number) {
  const graph = new Graph("g");
  graph.addInput("mask", "float32", ["batch", 5]);
  const x = graph.addInput("x", "float32", shape);
  if (kernelChannels) {
    const kernel = graph.addInitializer(
      "w",
      float32([1, kernelChannels, 1, 1], new Float32Array(kernelChannels)),
    );
    graph.addNode("Conv", [x, kernel]);
  }
  const found = findImageInput(graph);
  return found && [found.layout, found.channels, found.height, found.width];
}

describe("the image input", () => {
  test("channels first or last", () => {
    expect(inputOf(["batch", 3, 32, 48])).toEqual(["nchw", 3, 32, 48]);
    expect(inputOf([1, 28, 28, 1])).toEqual(["nhwc", 1, 28, 28]);
  });
  test("symbolic sizes", () =>
    expect(inputOf(["batch", 3, "height", "width"])).toEqual(["nchw", 3, undefined, undefined]));
  test("all symbolic: the first kernel tells", () =>
    expect(inputOf(["batch", "channels", "height", "width"], 3)).toEqual(["nchw", 3, undefined, undefined]));
  test("other channels and other ranks are no images", () => {
    expect(inputOf(["batch", 6, 40, 40])).toBeUndefined();
    expect(inputOf(["batch", 3, 32])).toBeUndefined();
    expect(inputOf(["batch", "channels", "height", "width"], 4)).toBeUndefined();
  });
});
