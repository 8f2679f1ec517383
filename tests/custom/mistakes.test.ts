import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseOptions } from "../../src/app/options/parse.ts";
import { tuneOptions } from "../../src/app/options/tune.ts";
import { saveNpz } from "../../src/formats/npz.node.ts";
import { saveOnnx } from "../../src/formats/onnx/file.node.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { Graph } from "../../src/graph/ir.ts";
import { float32, int64, type Tensor } from "../../src/graph/tensor.ts";
import { DiapasonError, predict, type TuneInput } from "../../src/index.ts";
import { diapason } from "../cli/command-line.ts";
import { policyExamples } from "./tiny-policy.ts";
import { eventsOf, policyFolder } from "./tools.ts";

const { folder, at, base } = policyFolder();

describe("a mistake ends in one clear error and leaves nothing behind", () => {
  const without = (name: string) => {
    const arrays = policyExamples(20);
    arrays.delete(name);
    return arrays;
  };
  const mistakes: readonly (readonly [
    string,
    Partial<TuneInput>,
    string,
    string,
    ReadonlyMap<string, Tensor>?,
  ])[] = [
    ["no loss", { loss: undefined }, "app/no-loss", '"action", "value", "gait", "version"'],
    ["an unknown output", { loss: "mse:actoin=wanted" }, "tasks/unknown-output", "actoin"],
    ["an unknown array", { loss: "mse:action=want" }, "tasks/unknown-array", '"want"'],
    ["another shape", { loss: "mse:value=wanted" }, "tasks/loss-shape", "[batch, 1]"],
    ["an output without examples", { loss: "mse:version=return" }, "tasks/bad-output", '"version"'],
    ["an input missing", {}, "tasks/missing-input", '"obs" float32 [batch, 4]', without("obs")],
    [
      "an input of another width",
      {},
      "tasks/input-shape",
      "[examples, 3]",
      new Map([...policyExamples(20), ["obs", float32([20, 3], new Float32Array(60))]]),
    ],
    [
      "a class number too large",
      { loss: "cross-entropy:gait=label" },
      "data/bad-value",
      "holds 7 at example 4",
      new Map([...policyExamples(5), ["label", int64([5], [0, 1, 2, 0, 7])]]),
    ],
    [
      "shares of classes that are none",
      { loss: "cross-entropy:gait=shares" },
      "data/bad-value",
      "expected shares of the classes, 0 to 1",
      new Map([...policyExamples(5), ["shares", float32([5, 3], new Array<number>(15).fill(-1))]]),
    ],
    ["a loss file that is not there", { loss: "nowhere.onnx" }, "formats/file-unreadable", "nowhere.onnx"],
    ["an option for images", { labelSmoothing: 0.1 }, "app/bad-option", '"labelSmoothing"'],
    ["a metric for another shape", { metric: ["r2:value=wanted"] }, "tasks/loss-shape", "r2"],
    [
      "NaN in the data",
      {},
      "evaluate/not-finite",
      "train",
      new Map([...policyExamples(20), ["obs", float32([20, 4], new Float32Array(80).fill(Number.NaN))]]),
    ],
    ["a fixed input that is none", { fix: ["gain=1"] }, "tasks/missing-input", '"gain"'],
  ];
  test.each(mistakes.map((row) => [row[0], row] as const))(
    "%s",
    async (_, [name, options, code, says, arrays]) => {
      const data = at(`${name.replaceAll(" ", "-")}-train.npz`);
      await saveNpz(data, arrays ?? policyExamples(20));
      const before = readdirSync(folder);
      const error = await eventsOf(base("mistaken", { data, ...options })).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(DiapasonError);
      const { code: found, message, fix } = error as DiapasonError;
      expect([found, `${message} ${fix}`]).toEqual([code, expect.stringContaining(says)]);
      expect(readdirSync(folder)).toEqual(before);
    },
  );
  test("a loss graph that reads no output of the model", async () => {
    const graph = new Graph("other");
    const logits = graph.addInput("logits", "float32", ["batch", 3]);
    graph.addOutput(new GraphBuilder(graph).op("ReduceMean", [logits], { keepdims: 0 }, ["loss"]));
    await saveOnnx(graph, at("other-loss.onnx"));
    await expect(eventsOf(base("mistaken", { loss: at("other-loss.onnx") }))).rejects.toThrow(
      /reads "logits", which is neither an output of the model/,
    );
  });
  test("an id beyond the table that it is looked up in", async () => {
    const graph = new Graph("table");
    const g = new GraphBuilder(graph);
    const ids = graph.addInput("user", "int64", ["batch"]);
    const table = graph.addInitializer("table", float32([4, 2], new Float32Array(8)));
    const rows = g.op("Gather", [table, g.op("Cast", [ids], { to: 6 })], { axis: 0 }, ["row"]);
    graph.addOutput(rows);
    await saveOnnx(graph, at("table.onnx"));
    await saveNpz(at("users.npz"), new Map([["user", int64([3], [0, 3, 4])]]));
    const asked = predict({ model: at("table.onnx"), task: "custom", inputs: [at("users.npz")] });
    await expect(asked.next()).rejects.toThrow(
      'holds 4 at example 2; expected row numbers of "table", -4 to 3',
    );
  });
  test("one metric may stand for a list", () => {
    expect(parseOptions(tuneOptions, { ...base("x"), metric: "mae:a=b" }).metric).toEqual(["mae:a=b"]);
  });
  test("a loss for images", async () => {
    const options = base("mistaken", { task: "image-classification" });
    await expect(eventsOf(options)).rejects.toThrow(
      '"loss" is given, and the task image-classification has no use for it (custom has)',
    );
  });
  test("a file of outputs in a format that is none", async () => {
    const asked = predict({
      model: at("policy.onnx"),
      task: "custom",
      inputs: [at("train.npz")],
      out: at("said.csv"),
    });
    await expect(asked.next()).rejects.toThrow('".csv"');
  });
});

test("whoever reads the output of a command may stop reading", async () => {
  await saveNpz(at("many.npz"), policyExamples(3000, "many"));
  const words = ["predict", at("policy.onnx"), at("many.npz"), "--task", "custom", "--json"];
  const { code, err } = await diapason(words, {
    cwd: folder,
    onOutput: (_, child) => child.stdout?.destroy(),
  });
  // ended by a signal, as commands in a pipe are: by no error of its own
  expect([code, err]).toEqual([null, expect.not.stringContaining("EPIPE")]);
});
