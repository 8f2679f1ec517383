import type { GraphBuilder } from "../../src/graph/builder.ts";
import { range } from "../../src/graph/builder.ts";
import type { Value } from "../../src/graph/ir.ts";
import { type GradCase, grad } from "./grad-case.ts";
import { floats, one, whole, zero } from "./quantized-operators.ts";

const bytes = (g: GraphBuilder, dims: readonly number[]): Value =>
  g.constant(
    range(dims.reduce((n, dim) => n * dim, 1)).map((i) => (i * 89 + 31) % 256),
    "uint8",
    dims,
  );

const scales = (g: GraphBuilder, count: number, dims = [count]): Value =>
  g.constant(
    range(count).map((i) => 0.02 + 0.01 * (i % 3)),
    "float32",
    dims,
  );

const coded = { K: 24, N: 3, block_size: 16 } as const;

/** A layer of `bits` with 24 columns, in blocks of 16, and 3 rows. */
function blockwise(
  g: GraphBuilder,
  x: Value,
  bits: number,
  rest: readonly (Value | undefined)[] = [],
): Value {
  const attributes = { K: 24, N: 3, bits, block_size: 16 };
  const weight = [bytes(g, [3, 2, 2 * bits]), scales(g, 6)];
  return g.op("com.microsoft.MatMulNBits", [x, ...weight, ...rest], attributes);
}

/** Layers and tables of frozen whole numbers. */
export const quantizedWeights: { readonly [title: string]: GradCase } = {
  "com.microsoft.DynamicQuantizeMatMul with a bias that moves": grad(
    "2x3x4, 2",
    (g, x, bias) => {
      const weight = [whole(g, "int8", [4, 2]), floats(g, [0.1, 0.3]), g.constant([1, -2], "int8")];
      return g.square(g.op("com.microsoft.DynamicQuantizeMatMul", [x, ...weight, bias]));
    },
    { straightThrough: true },
  ),
  "com.microsoft.DynamicQuantizeMatMul, one scale": grad(
    "3x4",
    (g, x) => {
      const weight = [whole(g, "uint8", [4, 2]), one(g, 0.1), zero(g, 3)];
      return g.square(g.op("com.microsoft.DynamicQuantizeMatMul", [x, ...weight]));
    },
    { straightThrough: true },
  ),
  "com.microsoft.DynamicQuantizeLSTM, its bias moves too": grad("3x2x4, 1x16", (g, x, bias) => {
    const scale = () => g.constant([0.02], "float32", [1]);
    const at = g.constant([3], "int8");
    const weights = [whole(g, "int8", [1, 4, 8]), whole(g, "int8", [1, 2, 8])];
    const none = new Array<undefined>(4).fill(undefined);
    const inputs = [x, ...weights, bias, ...none, scale(), at, scale(), at];
    return g.node("com.microsoft.DynamicQuantizeLSTM", inputs, { hidden_size: 2 }, ["y", "h", "c"])
      .outputs as Value[];
  }),
  "com.microsoft.QMoE, gated, 4 bits, a bias that moves": grad(
    "3x32, 3x4, 4x32",
    (g, x, logits, bias) => {
      const first = [bytes(g, [4, 32, 16]), scales(g, 128, [4, 32])];
      const second = [bytes(g, [4, 32, 8]), scales(g, 128, [4, 32])];
      const inputs = [x, logits, ...first, bias, ...second];
      const activation = {
        activation_type: "swiglu",
        swiglu_fusion: 1,
        activation_alpha: 1.7,
        swiglu_limit: 3,
      };
      return g.op("com.microsoft.QMoE", inputs, { k: 2, expert_weight_bits: 4, ...activation });
    },
    { within: [-1, 1] },
  ),
  "com.microsoft.QMoE, 8 bits, three axes": grad("1x2x32, 2x4", (g, x, logits) => {
    const weights = [bytes(g, [4, 8, 32]), scales(g, 32, [4, 8]), undefined, bytes(g, [4, 32, 8])];
    const inputs = [x, logits, ...weights, scales(g, 128, [4, 32])];
    return g.op("com.microsoft.QMoE", inputs, { k: 2, expert_weight_bits: 8, activation_type: "silu" });
  }),
  "com.microsoft.MatMulNBits, 4 bits": grad("2x3x24", (g, x) => g.square(blockwise(g, x, 4))),
  "com.microsoft.MatMulNBits, 4 bits, symbolic": grad("2x24", (g, x) => g.square(blockwise(g, x, 4)), {
    symbolic: true,
  }),
  "com.microsoft.MatMulNBits, 4 bits, zero points, a bias that moves": grad("2x24, 3", (g, x, bias) =>
    g.square(blockwise(g, x, 4, [bytes(g, [3]), undefined, bias])),
  ),
  "com.microsoft.MatMulNBits, 2 bits, real zero points": grad("2x24", (g, x) =>
    g.square(blockwise(g, x, 2, [floats(g, [0.5, 1, 2, 1.5, 0, 3])])),
  ),
  "com.microsoft.MatMulNBits, 8 bits": grad("2x24", (g, x) => g.square(blockwise(g, x, 8))),
  "com.microsoft.MatMulNBits, columns in an order": grad("2x24", (g, x) => {
    const order = g.constant(
      range(24).map((i) => ((i * 5) % 24 > 12 ? 1 : 0)),
      "int32",
    );
    return g.square(blockwise(g, x, 4, [undefined, order]));
  }),
  "com.microsoft.MatMulNBits, columns in an order, packed zero points in the middle": grad("2x24", (g, x) => {
    const order = g.constant(
      range(24).map((i) => ((i * 5) % 24 > 12 ? 1 : 0)),
      "int32",
    );
    return g.square(blockwise(g, x, 4, [g.constant([0x88, 0x88, 0x88], "uint8"), order]));
  }),
  "com.microsoft.MatMulBnb4, 4-bit floats": grad("2x3x24", (g, x) =>
    g.square(
      g.op("com.microsoft.MatMulBnb4", [x, bytes(g, [36]), scales(g, 5)], { ...coded, quant_type: 0 }),
    ),
  ),
  "com.microsoft.MatMulBnb4, 4-bit normal floats, symbolic": grad(
    "2x24",
    (g, x) =>
      g.square(
        g.op("com.microsoft.MatMulBnb4", [x, bytes(g, [36]), scales(g, 5)], { ...coded, quant_type: 1 }),
      ),
    { symbolic: true },
  ),
  "com.microsoft.QAttention with a bias that moves": grad(
    "2x3x4, 12",
    (g, x, bias) => {
      const [scale, at] = [one(g, 0.02), zero(g, 100)];
      const q = g.op("QuantizeLinear", [x, scale, at]);
      const weight = whole(g, "int8", [4, 12]);
      const inputs = [q, weight, bias, scale, one(g, 0.3), undefined, at, zero(g, 0, "int8")];
      return g.op("com.microsoft.QAttention", inputs, { num_heads: 2 });
    },
    { straightThrough: true },
  ),
  "com.microsoft.QEmbedLayerNormalization, scales that move": grad(
    "scalar, scalar",
    (g, words, positions) => {
      const table = (rows: number) => bytes(g, [rows, 4]);
      const at = zero(g, 120);
      const ids = g.constant([2, 0, 6, 1, 1, 5], "int32", [2, 3]);
      const inputs = [
        ids,
        undefined,
        table(7),
        table(5),
        undefined,
        bytes(g, [4]),
        whole(g, "uint8", [4]),
        undefined,
      ];
      const unit = one(g, 0.1);
      const parameters = [words, positions, undefined, unit, unit, at, at, undefined, at, at];
      const { outputs } = g.node("com.microsoft.QEmbedLayerNormalization", [...inputs, ...parameters], {}, [
        "y",
        "m",
      ]);
      return outputs[0]!;
    },
  ),
  "com.microsoft.QLinearConv, channels last": grad(
    "1x5x4x2",
    (g, x) => {
      const [scale, at] = [one(g, 0.02), zero(g, 100)];
      const q = g.op("QuantizeLinear", [x, scale, at]);
      const weight = [whole(g, "int8", [3, 2, 3, 3]), one(g, 0.1), zero(g, 1, "int8")];
      const y = g.op("com.microsoft.QLinearConv", [q, scale, at, ...weight, one(g, 0.1), at], {
        channels_last: 1,
      });
      return g.square(g.op("DequantizeLinear", [y, one(g, 0.1), at]));
    },
    { straightThrough: true },
  ),
  "com.microsoft.GatherBlockQuantized, scales that move": grad("3x2", (g, scale) => {
    const at = g.constant([2, 0, 2, 1], "int64", [2, 2]);
    return g.op("com.microsoft.GatherBlockQuantized", [bytes(g, [3, 16]), at, scale], {
      bits: 4,
      block_size: 16,
    });
  }),
};
