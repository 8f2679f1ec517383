import { expect, test } from "vitest";
import { buildNetwork } from "./build-network.ts";

const fresh = (config: Readonly<Record<string, unknown>>) =>
  buildNetwork({
    config,
    tensors: undefined,
    source: "a test",
    seed: 0,
    labels: ["a", "b"],
    imageSize: [32, 32],
  });

const narrow = {
  model_type: "mobilenet_v2",
  architectures: ["MobileNetV2ForImageClassification"],
  depth_multiplier: 0.25,
};

test("a narrow MobileNetV2 keeps 1280 channels before its classifier only where its output is fine-grained", () => {
  const widthOf = (more: object) =>
    fresh({ ...narrow, ...more }).graph.get("classifier.weight").constant!.dims[1];
  expect(widthOf({ finegrained_output: true })).toBe(1280);
  expect(widthOf({ finegrained_output: false })).toBe(320);
});

test("a window larger than the last stage's patches is refused, by name", () => {
  const swin = { model_type: "swin", image_size: 32, embed_dim: 12, depths: [1, 1], num_heads: [2, 2] };
  expect(() => fresh({ ...swin, window_size: 5 })).toThrow(
    expect.objectContaining({
      code: "models/bad-config",
      message: expect.stringContaining("window_size = 5"),
    }),
  );
});
