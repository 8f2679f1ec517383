import { expect, test } from "vitest";
import type { Dim } from "./dim.ts";
import { type Attribute, Graph } from "./ir.ts";
import { type Window, windowOf } from "./window.ts";

/** The window of a node over one spatial axis with a kernel of size 3, unless the attributes say otherwise. */
function windowAlong(
  op: string,
  size: Dim,
  attributes: { readonly [key: string]: number | string },
): Window | undefined {
  const graph = new Graph("window");
  const x = graph.addInput("x", "float32", [1, 4, size]);
  const weight = op.startsWith("Conv") ? graph.addInput("weight", "float32", [4, 4, 3]) : undefined;
  const lists = Object.entries({ ...(weight ? {} : { kernel_shape: 3 }), ...attributes });
  return windowOf(
    graph.addNode(op, weight ? [x, weight] : [x], {
      attributes: lists.map(([key, value]): [string, Attribute] => {
        if (typeof value === "string") return [key, { type: "string", value }];
        if (key === "ceil_mode") return [key, { type: "int", value }];
        return [key, { type: "ints", value: key === "pads" ? [value, value] : [value] }];
      }),
    }),
  );
}
const text = (window: Window | undefined) =>
  window && `pads ${window.pads.join()} output ${window.output.join()}`;

test.each<[string, Dim, { readonly [key: string]: number | string }, string | undefined]>([
  ["Conv", 9, {}, "pads 0,0 output 7"],
  ["Conv", 9, { pads: 1, strides: 2 }, "pads 1,1 output 5"],
  ["Conv", 9, { dilations: 3 }, "pads 0,0 output 3"],
  ["Conv", 10, { auto_pad: "SAME_UPPER", strides: 2 }, "pads 0,1 output 5"],
  ["Conv", 10, { auto_pad: "SAME_LOWER", strides: 2 }, "pads 1,0 output 5"],
  ["Conv", 10, { auto_pad: "VALID", strides: 2, pads: 1 }, "pads 0,0 output 4"],
  ["Conv", 0, { auto_pad: "SAME_UPPER" }, "pads 1,1 output 0"],
  ["Conv", "width", { pads: 1 }, "pads 1,1 output width"],
  ["Conv", "width", { auto_pad: "SAME_UPPER" }, "pads 1,1 output width"],
  ["Conv", "width", { auto_pad: "SAME_UPPER", strides: 2 }, undefined],
  ["ConvTranspose", 5, { strides: 2 }, "pads 0,0 output 11"],
  ["ConvTranspose", 5, { strides: 2, pads: 1, output_padding: 1 }, "pads 1,1 output 10"],
  ["ConvTranspose", 5, { strides: 2, output_shape: 10 }, "pads 1,0 output 10"],
  ["ConvTranspose", 5, { strides: 2, output_shape: 10, auto_pad: "SAME_UPPER" }, "pads 0,1 output 10"],
  ["ConvTranspose", 5, { strides: 2, auto_pad: "SAME_LOWER" }, "pads 1,0 output 10"],
  ["ConvTranspose", "width", { strides: 2, pads: 1 }, "pads 1,1 output 2*width-1"],
  ["MaxPool", 8, { strides: 2, ceil_mode: 1 }, "pads 0,0 output 4"],
  ["MaxPool", "width", { strides: 2, ceil_mode: 1 }, "pads 0,0 output width/2"],
  // ONNX Runtime 1.30 leaves the window that would start in the padding after the input out.
  ["AveragePool", 7, { kernel_shape: 2, strides: 3, pads: 1, ceil_mode: 1 }, "pads 1,1 output 3"],
  ["AveragePool", "width", { kernel_shape: 2, strides: 3, pads: 1, ceil_mode: 1 }, "pads 1,1 output "],
])("%s over %s with %j", (op, size, attributes, expected) =>
  expect(text(windowAlong(op, size, attributes))).toBe(expected),
);
