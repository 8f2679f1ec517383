import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { openCheckpoint } from "../../src/formats/checkpoint.node.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph, type Value } from "../../src/graph/ir.ts";
import { interpret, type NdArray } from "../../src/graph/kernels/interpret.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { floatsOf } from "../../src/models/adapters/adapted.ts";
import { mergeAdapter } from "../../src/models/adapters/merge.ts";
import { loadPeftAdapter } from "../../src/models/adapters/peft.node.ts";
import { readPeftConfig } from "../../src/models/adapters/peft-config.ts";
import { describeModel } from "../../src/models/describe.ts";
import type { Model } from "../../src/models/model.ts";
import { assets, haveAssets } from "../assets.ts";

type Weights = ReadonlyMap<string, Tensor>;
type Body = (g: GraphBuilder, x: Value, weight: (name: string) => Value) => Value;

/** The base networks of PEFT's regression tests (tests/regression/test_regression.py), whose input is 0 … 89. */
const bodies: {
  readonly [base: string]: { readonly ids?: true; readonly shape: readonly number[]; readonly body: Body };
} = {
  mlp: {
    shape: [9, 10],
    body: (g, x, w) =>
      linear(
        g,
        g.op("Relu", [linear(g, x, w("lin0.weight"), w("lin0.bias"))]),
        w("lin1.weight"),
        w("lin1.bias"),
      ),
  },
  conv2d: {
    shape: [2, 5, 3, 3],
    body: (g, x, w) => {
      const conv = g.op("Conv", [x, w("conv2d.weight"), w("conv2d.bias")], { kernel_shape: [3, 3] });
      return linear(g, g.op("Flatten", [g.op("Relu", [conv])]), w("lin0.weight"), w("lin0.bias"));
    },
  },
  emb_conv1d: {
    ids: true,
    shape: [9, 10],
    body: (g, x, w) => {
      const rows = g.op("Gather", [w("emb.weight"), x], { axis: 0 });
      const mixed = g.op("Relu", [g.add(g.matmul(rows, w("conv1d.weight")), w("conv1d.bias"))]);
      return linear(g, g.op("Flatten", [mixed]), w("lin0.weight"), w("lin0.bias"));
    },
  },
};

const linear = (g: GraphBuilder, x: Value, weight: Value, bias: Value) =>
  g.op("Gemm", [x, weight, bias], { transB: 1 });

function networkOf(base: string, weights: Weights): Model {
  const { ids, shape, body } = bodies[base]!;
  const graph = new Graph(base, [
    ["", 21],
    ["com.microsoft", 1],
  ]);
  const g = new GraphBuilder(graph);
  const x = graph.addInput("x", ids ? "int64" : "float32", ["batch", ...shape.slice(1)]);
  const weight = (name: string) => graph.addInitializer(name, weights.get(`${base}/${name}`)!);
  const y = g.op("LogSoftmax", [body(g, x, weight)], { axis: -1 }, ["y"]);
  graph.addOutput(y);
  const rest = { labels: undefined, notes: [], config: {}, source: base, transposed: new Set<string>() };
  return describeModel({ graph, inputName: "x", ...rest });
}

function outputOf(model: Model, base: string): number[] {
  const { ids, shape } = bodies[base]!;
  const data = Float64Array.from({ length: 90 }, (_, i) => i);
  const x: NdArray = { dtype: ids ? "int64" : "float32", dims: shape, data };
  return [...interpret(model.graph, new Map([["x", x]])).get("y")!.data].map(Number);
}

const adapters = [
  ["lora_mlp", "mlp"],
  ["ia3_mlp", "mlp"],
  ["ia3_no_ff_mlp", "mlp"],
  ["lora_conv2d", "conv2d"],
  ["ia3_conv2d", "conv2d"],
  ["lora_emb_conv1d", "emb_conv1d"],
] as const;

describe.skipIf(!haveAssets)(
  "adapters of PEFT 0.6.1 give the outputs that PEFT stored (needs the assets)",
  () => {
    test.each(adapters)("%s", async (name, base) => {
      const folder = assets(`peft-adapters/regression/${name}/0.6.1`);
      const bases = fileURLToPath(new URL("../fixtures/adapters/regression.safetensors", import.meta.url));
      const model = networkOf(base, (await openCheckpoint(bases)).tensors);
      const [stored] = (await openCheckpoint(join(folder, "output.pt"))).tensors.values();
      const wanted = floatsOf(stored!);
      const adapted = await loadPeftAdapter(folder, model);
      for (const one of [adapted, mergeAdapter(adapted)])
        for (const [i, value] of outputOf(one, base).entries())
          expect(Math.abs(value - wanted[i]!) / Math.max(1, Math.abs(wanted[i]!))).toBeLessThan(1e-5);
      // without it the outputs are others
      expect(outputOf(model, base).some((value, i) => Math.abs(value - wanted[i]!) > 1e-2)).toBe(true);
    });

    test("configs from the wild are read, whatever wrote them; AdaLoRA is refused by name", () => {
      const root = assets("peft-adapters");
      const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) =>
        file.endsWith("adapter_config.json"),
      );
      const methods = files.map((file) => {
        try {
          return `${file.split("/").at(-3) ?? ""}/${file.split("/").at(-2)}: ${readPeftConfig(readFileSync(join(root, file), "utf8"), file).method}`;
        } catch (error) {
          return (error as Error).message.replace(/^\S+/, "…");
        }
      });
      expect(methods.sort()).toMatchInlineSnapshot(`
        [
          "/lora-opt-350m: lora",
          "/monteclora-roberta-mrpc: lora",
          "/mt0-large-ia3: ia3",
          "/trl-kto-anthropic-hh: lora",
          "ia3_conv2d/0.6.1: ia3",
          "ia3_mlp/0.6.1: ia3",
          "ia3_no_ff_mlp/0.6.1: ia3",
          "ia3_opt-350m/0.6.1: ia3",
          "lora_conv2d/0.6.1: lora",
          "lora_emb_conv1d/0.6.1: lora",
          "lora_mlp/0.6.1: lora",
          "lora_mlp_modules_to_save/0.6.1: lora",
          "lora_opt-350m/0.6.1: lora",
          "… has the peft_type "ADALORA"; Diapason reads adapters of the types LORA and IA3.",
        ]
      `);
    });
  },
);
