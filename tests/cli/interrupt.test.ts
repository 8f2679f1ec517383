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
import { saveOnnx } from "../../src/formats/onnx/file.node.ts";
import { Graph } from "../../src/graph/ir.ts";
import { float32, int64 } from "../../src/graph/tensor.ts";
import { type CommandOptions, diapason } from "./command-line.ts";
import { eventsIn, layOutDigits, statesOfRuns, stepsIn, tuneHead } from "./command-line-digits.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-interrupt-"));
const at = (...names: string[]) => join(folder, ...names);
const run = (words: readonly string[], options: Partial<CommandOptions> = {}) =>
  diapason(words, { cwd: folder, ...options });
const weights = (name: string) => readFileSync(at(name, "model.safetensors")).toString("base64");

beforeAll(async () => {
  await layOutDigits(folder);
  expect((await run(tuneHead("whole"))).code).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Sends Ctrl-C, or another signal, once what was printed shows that it is time. */
function interruptAt(
  isTime: (out: string) => boolean,
  signal: NodeJS.Signals = "SIGINT",
): Pick<CommandOptions, "onOutput"> {
  let isSent = false;
  return {
    onOutput(out, child) {
      if (isSent || !isTime(out)) return;
      isSent = true;
      child.kill(signal);
    },
  };
}
/** Sends Ctrl-C again as soon as the first one was heard. */
function onceMore(): Pick<CommandOptions, "onNotice"> {
  let isSent = false;
  return {
    onNotice(err, child) {
      if (isSent || !err.includes("press Ctrl-C again")) return;
      isSent = true;
      child.kill("SIGINT");
    },
  };
}
const notice = "Stopping after this step; press Ctrl-C again to leave at once.";

describe("Ctrl-C while tuning", () => {
  test("once: it ends after the step, and goes on to the weights of a run without a break", async () => {
    const stopped = await run(
      tuneHead("once"),
      interruptAt((out) => stepsIn(out).length >= 5),
    );
    expect([stopped.code, stopped.signal]).toEqual([130, null]);
    expect(stopped.err).toContain(notice);
    expect(stopped.err).not.toContain("code:");
    expect(eventsIn(stopped.out).at(-1)).toMatchObject({ type: "run-end", reason: "stopped" });
    expect(existsSync(at("once"))).toBe(false);
    expect(await statesOfRuns(at("runs"))).toMatchObject({ once: "unfinished", whole: "finished" });
    const resumed = await run(["resume", "runs/once", "--json"]);
    expect([resumed.code, stepsIn(resumed.out)[0]]).toEqual([0, stepsIn(stopped.out).at(-1)! + 1]);
    expect(weights("once")).toBe(weights("whole"));
  });

  test.skipIf(process.platform === "win32")(
    "a terminal that closes: it ends after the step too",
    async () => {
      const stopped = await run(
        tuneHead("hung-up"),
        interruptAt((out) => stepsIn(out).length >= 3, "SIGHUP"),
      );
      expect([stopped.code, stopped.signal]).toEqual([null, "SIGHUP"]);
      expect(eventsIn(stopped.out).at(-1)).toMatchObject({ type: "run-end", reason: "stopped" });
      expect(await statesOfRuns(at("runs"))).toMatchObject({ "hung-up": "unfinished" });
      expect((await run(["resume", "runs/hung-up"])).code).toBe(0);
      expect(weights("hung-up")).toBe(weights("whole"));
    },
  );

  test("twice before the first step: it leaves at once, and nothing behind", async () => {
    const words = "tune --model model --data digits --out twice --json".split(" ");
    const left = await run(words, {
      ...interruptAt((out) => out.includes('"type":"found"')),
      ...onceMore(),
    });
    expect([left.code, left.signal]).toEqual([null, "SIGINT"]); // which a shell calls 130
    expect(left.err).toContain(notice);
    expect(eventsIn(left.out).map(({ type }) => type)).toEqual(["found"]);
    expect([existsSync(at("twice")), existsSync(at("runs/twice"))]).toEqual([false, false]);
  });

  test("twice among the steps: the run can go on all the same", async () => {
    const left = await run(tuneHead("both"), {
      ...interruptAt((out) => stepsIn(out).length >= 3),
      ...onceMore(),
    });
    expect(left.signal ?? left.code).toBeOneOf(["SIGINT", 130]); // the step may have ended meanwhile
    expect(await statesOfRuns(at("runs"))).toMatchObject({ both: "unfinished" });
    expect((await run(["resume", "runs/both"])).code).toBe(0);
    expect(weights("both")).toBe(weights("whole"));
  });
});

describe("Ctrl-C while judging", () => {
  test("evaluate ends without a judgement and without a file", async () => {
    const words = "evaluate whole --data many --batch-size 1 --predictions said.jsonl --json".split(" ");
    const left = await run(
      words,
      interruptAt((out) => out.includes('"type":"progress"')),
    );
    expect([left.code, left.signal, existsSync(at("said.jsonl"))]).toEqual([130, null, false]);
    expect(left.out).not.toContain('"type":"evaluated"');
    expect(left.err.trim().split("\n").at(-1)).toBe(notice);
  });

  test("predict ends with what it has said", async () => {
    const images = readdirSync(at("many/3")).map((name) => join("many/3", name));
    const words = ["predict", "whole", ...images, "--batch-size", "1", "--json"];
    const left = await run(
      words,
      interruptAt((out) => out.includes('"type":"prediction"')),
    );
    expect([left.code, left.signal, left.err]).toEqual([130, null, expect.stringContaining(notice)]);
    expect(left.err).not.toContain("code:");
    const said = eventsIn(left.out).filter(({ type }) => type === "prediction");
    expect(said.length).toBeGreaterThan(0);
    expect(said.length).toBeLessThan(images.length);
  });
});

describe("weights that lie in temporary files", () => {
  const temporary = at("temporary");
  const predict = "predict wide.onnx rows.jsonl --task custom --batch-size 1 --json".split(" ");
  beforeAll(async () => {
    mkdirSync(temporary);
    const graph = new Graph("wide");
    const [rows, columns] = [2, 2 ** 21 + 1];
    const x = graph.addInput("x", "float32", ["batch", rows]);
    const weight = graph.addInitializer(
      "weight",
      float32([rows, columns], new Float32Array(rows * columns).fill(1)),
    );
    const product = graph.addNode("MatMul", [x, weight]).outputs[0]!;
    const axes = graph.addInitializer("axes", int64([1], [1]));
    graph.addOutput(graph.addNode("ReduceMean", [product, axes], { outputs: ["y"] }).outputs[0]!);
    await saveOnnx(graph, at("wide.onnx"));
    writeFileSync(at("rows.jsonl"), '{"x": [1, 2]}\n'.repeat(200));
  });
  const wereThere = () => readdirSync(temporary).length > 0;

  test("go when the command ends", async () => {
    let were = false;
    const onOutput = () => {
      were ||= wereThere();
    };
    const done = await run(predict, { env: { TMPDIR: temporary }, onOutput });
    expect([done.code, were, readdirSync(temporary)]).toEqual([0, true, []]);
  });

  test("go when whoever reads has read enough", async () => {
    const left = await run(predict, {
      env: { TMPDIR: temporary },
      onOutput: (_, child) => void child.stdout!.destroy(),
    });
    expect([left.signal, readdirSync(temporary)]).toEqual(["SIGINT", []]);
  });
});
