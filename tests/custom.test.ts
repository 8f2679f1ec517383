import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseOptions, tuneOptions } from "../src/app/options.ts";
import { loadNpz, saveNpz } from "../src/formats/npz.node.ts";
import { loadOnnx, saveOnnx } from "../src/formats/onnx/file.node.ts";
import { loadSafetensors } from "../src/formats/safetensors.node.ts";
import { GraphBuilder } from "../src/graph/builder.ts";
import { Graph } from "../src/graph/ir.ts";
import { float32, int64, type Tensor, tensorOf } from "../src/graph/tensor.ts";
import {
  DiapasonError,
  evaluate,
  inspect,
  predict,
  report,
  resume,
  type Saved,
  type Scored,
  type TuneInput,
  type TuneVerbEvent,
  tune,
} from "../src/index.ts";
import { assets, haveAssets } from "./assets.ts";
import { diapason } from "./command-line.ts";
import { normals, policyExamples, tinyPolicy } from "./tiny-policy.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-custom-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (...names: string[]) => join(folder, ...names);

beforeAll(async () => {
  await saveOnnx(tinyPolicy(), at("policy.onnx"));
  await saveNpz(at("train.npz"), policyExamples(250));
});

const base = (name: string, more: Partial<TuneInput> = {}): TuneInput => ({
  task: "custom",
  model: at("policy.onnx"),
  data: at("train.npz"),
  out: at(name),
  run: at(`${name}-run`),
  loss: "mse:action=wanted",
  plan: "full",
  learningRate: 1e-2,
  epochs: 4,
  ...more,
});

async function events(options: TuneInput): Promise<TuneVerbEvent[]> {
  const list: TuneVerbEvent[] = [];
  for await (const event of tune(options)) list.push(event);
  return list;
}
const last = async (options: TuneInput): Promise<Saved> => (await events(options)).at(-1) as Saved;

async function scored(options: Parameters<typeof evaluate>[0]): Promise<Scored> {
  let found: Scored | undefined;
  for await (const event of evaluate(options)) if (event.type === "scored") found = event;
  return found!;
}

const weights = (name: string) => readFileSync(at(name, "model.safetensors"));

describe("a graph tuned by a declared loss", () => {
  test("learns, keeps its interface, and moves only what the loss reads", async () => {
    const all = await events(base("plain", { metric: ["r2:action=wanted"] }));
    const saved = all.at(-1) as Saved;
    expect(saved.after.metrics["loss"]).toBeLessThan(saved.before.metrics["loss"]! / 5);
    expect(saved.after.metrics["r2"]).toBeGreaterThan(0.8);
    expect([saved.unit, saved.goal, saved.split, saved.after.examples]).toEqual([
      "examples",
      "r2",
      "validation",
      25,
    ]);
    expect(saved.pValue).toBeLessThan(0.01);
    const found = all[0] as Extract<TuneVerbEvent, { type: "found" }>;
    expect(found.data.examples).toEqual({ train: 225, validation: 25, test: 0 });
    expect(found.data.arrays).toContain('"wanted" float64 [examples, 2]');
    expect(found.notes.join(" ")).toContain("neither the model nor the loss reads: return, label");
    const graph = await loadOnnx(at("plain/onnx/model.onnx"));
    expect(graph.inputs.map(({ name }) => name)).toEqual(["obs", "memory"]);
    expect(graph.outputs.map(({ name }) => name)).toEqual(["action", "value", "gait", "version"]);
    const original = tinyPolicy();
    const moved = [...original.initializers]
      .filter(({ name, constant }) => {
        const now = graph.find(name)?.constant;
        return now && Buffer.compare(now.data.read(), constant!.data.read()) !== 0;
      })
      .map(({ name }) => name);
    expect(moved.sort()).toEqual([
      "actor.bias",
      "actor.weight",
      "body.0.bias",
      "body.0.weight",
      "body.1.bias",
      "body.1.weight",
    ]);
    expect(readdirSync(saved.out).sort()).toEqual([
      "README.md",
      "config.json",
      "model.safetensors",
      "onnx",
      "report.html",
    ]);
    expect(readFileSync(join(saved.out, "README.md"), "utf8")).toContain("`mse:action=wanted`");
    expect(readFileSync(saved.report, "utf8")).toContain("r2 on the validation examples");
    expect((await loadSafetensors(at("plain/model.safetensors"))).tensors.has("critic.weight")).toBe(true);
  });

  test("evaluate and predict need no more than the folder and arrays", async () => {
    await saveNpz(at("new.npz"), policyExamples(37, "new"));
    const whole = await scored({ model: at("plain"), data: at("new.npz"), predictions: at("losses.jsonl") });
    const small = await scored({ model: at("plain"), data: at("new.npz"), batchSize: 5 });
    expect(small.metrics["loss"]).toBeCloseTo(whole.metrics["loss"]!, 6);
    expect(small.metrics["r2"]).toBeCloseTo(whole.metrics["r2"]!, 6);
    const lines = readFileSync(at("losses.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { id: string; loss: number });
    expect(lines).toHaveLength(37);
    expect(lines.reduce((sum, { loss }) => sum + loss, 0) / 37).toBeCloseTo(whole.metrics["loss"]!, 6);
    expect(whole.worst[0]).toEqual(lines.toSorted((a, b) => b.loss - a.loss)[0]);

    for await (const event of predict({ model: at("plain"), images: [at("new.npz")], out: at("said.npz") }))
      if (event.type === "written")
        expect(event.outputs.map(({ name }) => name)).toEqual(["action", "value", "gait"]);
    const said = await loadNpz(at("said.npz"));
    const action = new Float32Array(new Uint8Array(said.get("action")!.data.read()).buffer);
    const wanted = new Float64Array(
      new Uint8Array(policyExamples(37, "new").get("wanted")!.data.read()).buffer,
    );
    const mse = action.reduce((sum, x, i) => sum + (x - wanted[i]!) ** 2, 0) / action.length;
    expect(mse).toBeCloseTo(whole.metrics["loss"]!, 6);
    // Only what the outputs asked for need is read: no "wanted" in these arrays.
    writeFileSync(at("two.jsonl"), '{"obs": [0, 0, 0, 0]}\n{"obs": [1, 2, 3, 4]}\n');
    const printed: unknown[] = [];
    for await (const event of predict({ model: at("plain"), images: [at("two.jsonl")], outputs: ["value"] }))
      if (event.type === "outputs") printed.push(event);
    expect(printed).toEqual([
      { type: "outputs", id: "two.jsonl#0", outputs: { value: [expect.any(Number)] } },
      { type: "outputs", id: "two.jsonl#1", outputs: { value: [expect.any(Number)] } },
    ]);
    for await (const _ of predict({ model: at("plain"), images: [at("two.jsonl")], out: at("said.jsonl") }))
      void _;
    expect(JSON.parse(readFileSync(at("said.jsonl"), "utf8").split("\n")[1]!).value).toEqual(
      (printed[1] as { outputs: { value: number[] } }).outputs.value,
    );
  });

  test("a sum over several outputs, judged on a test split", async () => {
    mkdirSync(at("splits"));
    await saveNpz(at("splits/train.npz"), policyExamples(150));
    await saveNpz(at("splits/validation.npz"), policyExamples(40, "validation"));
    await saveNpz(at("splits/test.npz"), policyExamples(50, "test"));
    const saved = await last(
      base("sum", {
        data: at("splits"),
        loss: "mse:action=wanted + 0.5*huber(delta=2):value=return + 0.2*cross-entropy:gait=label",
        metric: ["accuracy:gait=label", "mae:action=wanted", "mae:value=return"],
        epochs: 25,
      }),
    );
    expect([saved.split, saved.after.examples, saved.goal]).toEqual(["test", 50, "accuracy"]);
    expect(Object.keys(saved.after.metrics)).toEqual(["loss", "accuracy", "mae:action", "mae:value"]);
    expect(saved.after.metrics["accuracy"]).toBeGreaterThan(saved.before.metrics["accuracy"]! + 0.2);
    expect(saved.after.metrics["mae:value"]).toBeLessThan(saved.before.metrics["mae:value"]!);
    const judged = await scored({ model: at("sum"), data: at("splits"), split: "test" });
    expect(judged.metrics).toEqual(saved.after.metrics);
    await expect(scored({ model: at("sum"), data: at("splits"), split: "all" })).rejects.toThrow(
      "files of their own",
    );
  });

  test("arrays may weigh examples and mask elements", async () => {
    const weighted = policyExamples(60);
    // Half of the targets are wrong, and do not count.
    const wrong = new Float64Array(new Uint8Array(weighted.get("wanted")!.data.read()).buffer);
    for (let i = 60; i < 120; i++) wrong[i] = 1000;
    weighted.set("wanted", tensorOf("float64", [60, 2], wrong));
    weighted.set(
      "weights",
      float32(
        [60],
        Float32Array.from({ length: 60 }, (_, i) => Number(i < 30)),
      ),
    );
    await saveNpz(at("weighted.npz"), weighted);
    const saved = await last(base("weighted", { data: at("weighted.npz"), epochs: 20 }));
    expect(saved.after.metrics["loss"]).toBeLessThan(1);
    weighted.set("counts", weighted.get("weights")!);
    weighted.delete("weights");
    await saveNpz(at("masked.npz"), weighted);
    const masked = await last(
      base("masked", { data: at("masked.npz"), loss: "mse(mask=counts):action=wanted", epochs: 20 }),
    );
    expect(masked.after.metrics["loss"]).toBeCloseTo(saved.after.metrics["loss"]!, 4);
  });

  test("a stopped run goes on to the very same weights", async () => {
    await last(base("whole", { seed: 3 }));
    const stop = new AbortController();
    for await (const event of tune(base("parts", { seed: 3 }), { signal: stop.signal }))
      if (event.type === "step" && event.step === 11) stop.abort();
    expect(existsSync(at("parts"))).toBe(false);
    let end: TuneVerbEvent | undefined;
    for await (const event of resume({ run: at("parts-run") })) end = event;
    expect(end?.type).toBe("saved");
    expect(weights("parts").equals(weights("whole"))).toBe(true);
    // A recipe keeps what its task takes, and nothing of other tasks.
    const recipe = readFileSync(at("parts-run/recipe.yaml"), "utf8");
    expect(recipe).toContain("loss: mse:action=wanted");
    expect(recipe).not.toContain("augment");
    for await (const event of report({ run: at("parts-run"), out: at("again.html") }))
      expect(event.finished).toBe(true);
  });
});

describe("a loss that is a graph", () => {
  /** mean(w · mean((action − wanted)²)), as a user would export it. */
  async function lossFile(name: string, hasWeights: boolean): Promise<string> {
    const graph = new Graph("loss");
    const g = new GraphBuilder(graph);
    const action = graph.addInput("action", "float32", ["N", 2]);
    const wanted = graph.addInput("wanted", "float32", ["N", 2]);
    const w = hasWeights ? graph.addInput("weights", "float32", ["N"]) : undefined;
    const each = g.mean(g.square(g.sub(action, wanted)), [1]);
    graph.addOutput(w ? g.div(g.sum(g.mul(w, each), [0]), g.sum(w, [0])) : g.mean(each, [0]));
    await saveOnnx(graph, at(name));
    return at(name);
  }

  test("with weights it is the declared loss", async () => {
    const options = { plan: "full", epochs: 3, seed: 1 } as const;
    const declared = await last(base("declared", options));
    const graph = await last(base("by-graph", { ...options, loss: await lossFile("weighted.onnx", true) }));
    expect(graph.after.metrics["loss"]).toBeCloseTo(declared.after.metrics["loss"]!, 5);
    expect(graph.pValue).toBeUndefined();
  });

  test("without weights short batches are left out, which is said; the folder keeps the loss", async () => {
    const all = await events(base("no-weights", { loss: await lossFile("plain.onnx", false) }));
    const [found] = all;
    expect((found as { notes: readonly string[] }).notes.join(" ")).toContain(
      "1 of 225 training examples are left out",
    );
    expect(all.filter(({ type }) => type === "step")).toHaveLength(4 * 7);
    rmSync(at("plain.onnx"));
    expect(readdirSync(at("no-weights"))).toContain("loss.onnx");
    const again = await scored({ model: at("no-weights"), data: at("train.npz"), batchSize: 250 });
    expect(again.metrics["loss"]).toBeLessThan(0.5);
    await expect(
      scored({ model: at("no-weights"), data: at("train.npz"), predictions: at("none.jsonl") }),
    ).rejects.toThrow("does not tell examples apart");
  });
});

test("inputs may be fixed to a number, with sizes that count examples or not", async () => {
  const graph = tinyPolicy();
  const g = new GraphBuilder(graph);
  const gain = graph.addInput("gain", "float32", []);
  const state = graph.addInput("state", "float32", [2, "n", 2]);
  const action = graph.get("action");
  graph.removeOutput(action);
  const scaled = g.add(g.mul(action, gain), g.mean(state, [0]));
  graph.addOutput(scaled);
  graph.rename(scaled, "scaled");
  await saveOnnx(graph, at("stateful.onnx"));
  const options = { model: at("stateful.onnx"), loss: "mse:scaled=wanted" };
  await expect(last(base("free", options))).rejects.toThrow('reads "gain" float32 []');
  const saved = await last(base("fixed", { ...options, fix: ["gain=0.5", "state=0.25"] }));
  expect(saved.after.metrics["loss"]).toBeLessThan(saved.before.metrics["loss"]! / 4);
  expect((await loadOnnx(at("fixed/onnx/model.onnx"))).inputs.map(({ name }) => name)).toContain("state");
  expect((await scored({ model: at("fixed"), data: at("train.npz") })).examples).toBe(250);
});

test("a fixed input decides an If, and the weights of its branch move", async () => {
  const graph = new Graph("rates");
  const g = new GraphBuilder(graph);
  const obs = graph.addInput("obs", "float32", ["n", 4]);
  const rate = graph.addInput("rate", "int64", []);
  const branch = (name: string) => {
    const body = new Graph(name, graph.opsets, graph);
    const weight = body.addInitializer(`${name}.weight`, float32([4, 2], normals(name, 8)));
    const product = body.addNode("MatMul", [obs, weight], { outputs: [`${name}.action`] }).outputs[0]!;
    body.addOutput(Object.assign(product, { dtype: "float32", shape: ["n", 2] }));
    return { type: "graph", value: body } as const;
  };
  const node = graph.addNode("If", [g.equal(rate, 16000)], {
    outputs: ["action"],
    attributes: [
      ["then_branch", branch("fast")],
      ["else_branch", branch("slow")],
    ],
  });
  graph.addOutput(Object.assign(node.outputs[0]!, { dtype: "float32", shape: ["n", 2] }));
  await saveOnnx(graph, at("rates.onnx"));
  const options = { model: at("rates.onnx"), learningRate: 0.1, epochs: 10 };
  const all = await events(base("rated", { ...options, fix: ["rate=16000"] }));
  expect((all[0] as { notes: readonly string[] }).notes.join(" ")).toContain("no input rate");
  const saved = all.at(-1) as Saved;
  expect(saved.after.metrics["loss"]).toBeLessThan(saved.before.metrics["loss"]! / 10);
  expect(
    Object.keys(Object.fromEntries((await loadSafetensors(at("rated/model.safetensors"))).tensors)),
  ).toEqual(["fast.weight"]);
  expect((await scored({ model: at("rated"), data: at("train.npz") })).metrics["loss"]).toBeLessThan(1);
});

test("probabilities that the graph does not show are not taken for logits", async () => {
  const graph = tinyPolicy();
  const g = new GraphBuilder(graph);
  // The square root of the squares hides the Softmax.
  const hidden = g.sqrt(g.square(graph.get("gait")));
  graph.addOutput(g.op("Identity", [hidden], {}, ["odds"]));
  await saveOnnx(graph, at("odds.onnx"));
  const options = { model: at("odds.onnx"), loss: "cross-entropy:odds=label" };
  await expect(events(base("odds", options))).rejects.toThrow(
    "its 3 classes lie between 0 and 1 and sum to 1",
  );
  const told = await events(
    base("told", { ...options, loss: "cross-entropy(from=probabilities):odds=label" }),
  );
  const open = await events(base("open", { loss: "cross-entropy:gait=label" }));
  const loss = (list: readonly TuneVerbEvent[]) => (list.at(-1) as Saved).before.metrics["loss"]!;
  expect(loss(told)).toBeCloseTo(loss(open), 4);
});

test("inspect shows every input and output", async () => {
  for await (const { inputs, outputs, parameters } of inspect({ model: at("policy.onnx") })) {
    expect(inputs.map(({ name, shape }) => [name, shape])).toEqual([
      ["obs", ["batch", 4]],
      ["memory", ["batch", 7]],
    ]);
    expect(outputs.map(({ name }) => name)).toEqual(["action", "value", "gait", "version"]);
    expect(parameters).toBe(4 * 16 + 16 + 16 * 16 + 16 + 16 * 6 + 6);
  }
});

test("a value inside the graph may be compared, and stays inside", async () => {
  const graph = tinyPolicy();
  const choice = new GraphBuilder(graph).op("ArgMax", [graph.get("gait")], { axis: 1, keepdims: 0 }, [
    "choice",
  ]);
  graph.addOutput(choice);
  for (const name of ["action", "value", "gait", "version"]) graph.removeOutput(graph.get(name));
  await saveOnnx(graph, at("choice.onnx"));
  const options = {
    model: at("choice.onnx"),
    loss: "cross-entropy:gait=label",
    metric: ["accuracy:gait=label"],
  };
  const saved = await last(base("choice", { ...options, epochs: 10 }));
  expect(saved.after.metrics["accuracy"]).toBeGreaterThan(saved.before.metrics["accuracy"]!);
  expect((await loadOnnx(at("choice/onnx/model.onnx"))).outputs.map(({ name }) => name)).toEqual(["choice"]);
  expect((await scored({ model: at("choice"), data: at("train.npz") })).metrics["accuracy"]).toBeGreaterThan(
    0.5,
  );
});

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
      const error = await events(base("mistaken", { data, ...options })).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(DiapasonError);
      const { code: found, message, fix } = error as DiapasonError;
      expect([found, `${message} ${fix}`]).toEqual([code, expect.stringContaining(says)]);
      expect(readdirSync(folder)).toEqual(before);
    },
  );
  test("one metric may stand for a list", () => {
    expect(parseOptions(tuneOptions, { ...base("x"), metric: "mae:a=b" }).metric).toEqual(["mae:a=b"]);
  });
  test("a loss for images", async () => {
    const options = base("mistaken", { task: "image-classification" });
    await expect(events(options)).rejects.toThrow(
      '"loss" is given, and the task image-classification has no use for it',
    );
  });
  test("a file of outputs in a format that is none", async () => {
    const asked = predict({ model: at("plain"), images: [at("train.npz")], out: at("said.csv") });
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
  expect([code, err]).toEqual([0, expect.not.stringContaining("EPIPE")]);
});

/** Real graphs with made-up data: of each the file, its loss, and arrays for a number of examples. */
const wild: readonly {
  readonly name: string;
  readonly file: RegExp;
  readonly loss: string;
  readonly arrays: (n: number) => Map<string, Tensor>;
  readonly options?: Partial<TuneInput>;
}[] = [
  {
    name: "a policy that walks",
    file: /^8428be75.*Walker\.onnx$/,
    loss: "mse:deterministic_continuous_actions=target",
    arrays: (n) =>
      new Map([
        ["obs_0", float32([n, 243], normals("obs", n * 243))],
        ["target", float32([n, 39], normals("t", n * 39).map(Math.tanh))],
      ]),
  },
  {
    name: "a policy that sorts, with an action mask",
    file: /Sorter_TFModels_Sorter\.onnx$/,
    loss: "cross-entropy:discrete_actions=choice",
    arrays: (n) =>
      new Map([
        ["vector_observation", float32([n, 18], normals("v", n * 18))],
        ["obs_0", float32([n, 20, 23], normals("o", n * 460))],
        ["action_masks", float32([n, 9], new Float32Array(n * 9).fill(1))],
        [
          "choice",
          int64(
            [n],
            Array.from({ length: n }, (_, i) => i % 2),
          ),
        ],
      ]),
  },
  {
    name: "a voice detector over frames",
    file: /model_mini\.onnx$/,
    loss: "bce:output=speech",
    arrays: (n) =>
      new Map([
        ["input", float32([n, 8000], normals("i", n * 8000))],
        ["speech", float32([n, 2], new Float32Array(2 * n).fill(1))],
      ]),
  },
  {
    name: "a detector's head, where objects are",
    file: /^dog-qiuqiu.*FastestDet\.onnx$/,
    loss: "l1(mask=object):758=boxes",
    arrays: (n) =>
      new Map([
        ["input.1", float32([n, 3, 352, 352], normals("p", n * 3 * 352 * 352))],
        ["boxes", float32([n, 85, 22, 22], normals("b", n * 85 * 484))],
        [
          "object",
          tensorOf(
            "bool",
            [n, 1, 22, 22],
            Uint8Array.from({ length: n * 484 }, (_, i) => Number(i % 7 === 0)),
          ),
        ],
      ]),
    options: { batchSize: 4, plan: "head" },
  },
  {
    name: "a network that reads bytes",
    file: /standard_v3_1_model\.onnx$/,
    loss: "cross-entropy:target_label=label",
    arrays: (n) =>
      new Map([
        [
          "bytes",
          int64(
            [n, 2048],
            Array.from({ length: n * 2048 }, (_, i) => (i * 7) % 257),
          ),
        ],
        ["label", int64([n], new Array<number>(n).fill(3))],
      ]),
    options: { plan: "head" },
  },
];

const speech = (n: number) =>
  new Map<string, Tensor>([
    ["input", float32([n, 512], normals("frame", n * 512))],
    ["speech", float32([n, 1], new Float32Array(n).fill(1))],
  ]);

const recurrent: typeof wild = [
  {
    name: "a recurrent voice detector behind an If",
    file: /src_silero_vad_data_silero_vad\.onnx$/,
    loss: "bce:output=speech",
    arrays: speech,
    options: { fix: ["sr=16000", "state=0"], epochs: 8 },
  },
  {
    name: "one that takes one example at a time",
    file: /^127ffc92.*silero_vad\.onnx$/,
    loss: "mse:output=speech",
    arrays: (n) => speech(n).set("speech", float32([n, 2, 1], new Float32Array(2 * n).fill(1))),
    options: { fix: ["h0=0", "c0=0"], batchSize: 1 },
  },
];

describe.skipIf(!haveAssets)("graphs from the wild (skipped without the real models)", () => {
  test.each([...wild, ...recurrent])(
    "$name",
    { timeout: 120_000 },
    async ({ name, file, loss, arrays, options }) => {
      const found = readdirSync(assets("onnx")).find((one) => file.test(one));
      const data = at(`${name.replaceAll(/\W+/g, "-")}.npz`);
      await saveNpz(data, arrays(12));
      const out = name.replaceAll(/\W+/g, "-");
      const saved = await last(
        base(out, {
          model: assets(`onnx/${found}`),
          data,
          loss,
          epochs: 2,
          learningRate: 1e-3,
          batchSize: 6,
          ...options,
        }),
      );
      expect(saved.after.metrics["loss"]).toBeLessThan(saved.before.metrics["loss"]!);
      const original = await loadOnnx(assets(`onnx/${found}`));
      const tuned = await loadOnnx(at(out, "onnx/model.onnx"));
      const names = (graph: Graph) => graph.outputs.map((value) => value.name);
      expect(names(tuned)).toEqual(names(original));
    },
  );
  test("what takes one example at a time says so", async () => {
    const [, { file, loss, arrays, options }] = recurrent as [unknown, (typeof recurrent)[number]];
    const model = assets(`onnx/${readdirSync(assets("onnx")).find((one) => file.test(one))}`);
    await saveNpz(at("eight.npz"), arrays(8));
    const error = await events(
      base("eight", { model, data: at("eight.npz"), loss, ...options, batchSize: 4, validationShare: 0.5 }),
    ).catch((thrown: unknown) => thrown);
    expect((error as DiapasonError).fix).toContain("--batch-size 1");
  });
});
