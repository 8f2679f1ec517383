// The embedded model's network: a residual network (He et al. 2016) over 8 × 8 grey images.
import { initialise } from "../../dist/app/demo/weights.js";
import { GraphBuilder } from "../../dist/graph/builder.js";
import { Graph } from "../../dist/graph/ir.js";
import { float32 } from "../../dist/graph/tensor.js";

const widths = [32, 64, 128];
const blocksInLayer = 2;

/**
 * pixel_values [batch, 1, 8, 8] -> logits [batch, classes]. The layers work on 8 × 8, 4 × 4 and 2 × 2; their names are
 * torchvision's (stem, layer1.0.conv1, …, head), weights are drawn from the seed.
 */
export function letterNetwork(classes, seed) {
  const graph = new Graph("letters");
  const g = new GraphBuilder(graph);
  const names = [];
  const weight = (name, dims) => {
    names.push(name);
    return graph.addInitializer(name, float32(dims, new Float32Array(dims.reduce((a, b) => a * b, 1))));
  };
  const layer = (op, name, inputs, attributes) => {
    const node = g.node(op, inputs, attributes);
    graph.setNodeName(node, `/${name.replaceAll(".", "/")}/${op}`);
    return node.outputs[0];
  };
  const convolution = (x, name, [from, to], size, stride = 1) => {
    const pad = (size - 1) / 2;
    const attributes = { kernel_shape: [size, size], strides: [stride, stride], pads: [pad, pad, pad, pad] };
    return layer("Conv", name, [x, weight(`${name}.weight`, [to, from, size, size])], attributes);
  };
  const normalised = (x, name, width) => {
    const vectors = ["weight", "bias", "running_mean", "running_var"].map((part) =>
      weight(`${name}.${part}`, [width]),
    );
    return layer("BatchNormalization", name, [x, ...vectors], { epsilon: 1e-5, momentum: 0.9 });
  };
  const relu = (x, name) => layer("Relu", name, [x], {});
  const residual = (x, name, [from, to], stride) => {
    const first = normalised(convolution(x, `${name}.conv1`, [from, to], 3, stride), `${name}.bn1`, to);
    const second = normalised(
      convolution(relu(first, `${name}.relu1`), `${name}.conv2`, [to, to], 3),
      `${name}.bn2`,
      to,
    );
    const isSame = from === to && stride === 1;
    const shortcut = isSame
      ? x
      : normalised(convolution(x, `${name}.downsample.0`, [from, to], 1, stride), `${name}.downsample.1`, to);
    return relu(g.add(second, shortcut), `${name}.relu2`);
  };

  let x = graph.addInput("pixel_values", "float32", ["batch", 1, 8, 8]);
  x = relu(normalised(convolution(x, "stem.conv", [1, widths[0]], 3), "stem.bn", widths[0]), "stem.relu");
  let from = widths[0];
  widths.forEach((to, i) => {
    for (let block = 0; block < blocksInLayer; block++) {
      x = residual(x, `layer${i + 1}.${block}`, [from, to], block === 0 && i > 0 ? 2 : 1);
      from = to;
    }
  });
  const features = g.op("Flatten", [g.op("GlobalAveragePool", [x])], { axis: 1 });
  const head = [weight("head.weight", [classes, from]), weight("head.bias", [classes])];
  const logits = layer("Gemm", "head", [features, ...head], { transB: 1 });
  graph.addOutput(logits);
  graph.rename(logits, "logits");
  initialise(graph, names, seed);
  return graph;
}
