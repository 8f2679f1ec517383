import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lettersModel, unpackDigits } from "../../src/app/demo/data.node.ts";
import { verbs } from "../../src/app/index.node.ts";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/file.node.ts";
import { float32 } from "../../src/graph/tensor.ts";
import { cli, diapason } from "./command-line.ts";

let folder = "";
const at = (...names: string[]) => join(folder, ...names);
const run = (...words: string[]) => diapason(words, { cwd: folder });

/** Root may write anywhere, so as root a command runs as nobody, where nobody may read this folder and Node. */
const unprivileged = ((): { uid?: number } | undefined => {
  if (process.getuid?.() !== 0) return {};
  const { status } = spawnSync(process.execPath, [cli, "--version"], { uid: 65534 });
  return status === 0 ? { uid: 65534 } : undefined;
})();

/** Ten images of each of two digits, as class folders. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "diapason-cli-"));
  cpSync(lettersModel, at("model"), { recursive: true });
  await unpackDigits(at("digits"), { perClass: 10, validationPerClass: 2, seed: 0 });
  for (const name of ["3", "7"]) cpSync(at("digits/train", name), at("images", name), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A copy of the images that a test may spoil. */
function images(name: string): string {
  cpSync(at("images"), at(name), { recursive: true });
  return at(name);
}
const first = (dir: string) => join(dir, readdirSync(dir)[0]!);

/** Each spoils something and gives the words of a command; what must be said. */
const mistakes: readonly {
  readonly name: string;
  readonly words: () => string[] | Promise<string[]>;
  readonly says: string | RegExp;
  readonly code: string;
  readonly leavesRun?: boolean;
}[] = [
  {
    name: "a truncated ONNX file",
    words: () => {
      const bytes = readFileSync(join(lettersModel, "onnx/model.onnx"));
      writeFileSync(at("cut.onnx"), bytes.subarray(0, bytes.length / 2));
      return ["--model", "cut.onnx", "--data", "images"];
    },
    says: "cut.onnx",
    code: "formats/onnx-damaged",
  },
  {
    name: "weights outside the model's folder",
    words: async () => {
      await saveOnnx(await loadOnnx(join(lettersModel, "onnx/model.onnx")), at("far/model.onnx"), {
        externalAboveBytes: 0,
      });
      const text = readFileSync(at("far/model.onnx"), "latin1").replaceAll(
        "model.onnx_data",
        "../../etc/data_",
      );
      writeFileSync(at("far/model.onnx"), text, "latin1");
      return ["--model", "far/model.onnx", "--data", "images"];
    },
    says: "outside",
    code: "formats/onnx-external-outside",
  },
  {
    name: "NaN among the weights",
    words: async () => {
      const graph = await loadOnnx(join(lettersModel, "onnx/model.onnx"));
      const weight = [...graph.initializers].find((value) => value.constant!.dims.length === 4)!;
      const { dims } = weight.constant!;
      graph.setConstant(
        weight,
        float32(dims, new Float32Array(dims.reduce((a, b) => a * b)).fill(Number.NaN)),
      );
      await saveOnnx(graph, at("nan.onnx"));
      return ["--model", "nan.onnx", "--data", "images"];
    },
    says: "NaN",
    code: "evaluate/not-finite",
  },
  {
    name: "an image of 0 bytes",
    words: () => {
      writeFileSync(first(join(images("empty"), "3")), "");
      return ["--model", "model", "--data", "empty"];
    },
    says: "0 bytes",
    code: "data/empty-file",
  },
  {
    name: "an image that is none",
    words: () => {
      writeFileSync(first(join(images("broken"), "3")), "not an image");
      return ["--model", "model", "--data", "broken"];
    },
    says: /[37]\/.*\.png/,
    code: "data/broken-image",
  },
  {
    name: "a class with one image",
    words: () => {
      const dir = join(images("single"), "7");
      for (const name of readdirSync(dir).slice(1)) rmSync(join(dir, name));
      return ["--model", "model", "--data", "single"];
    },
    says: 'The class "7" has one image',
    code: "data/class-too-small",
  },
  {
    name: "labels in test that training never saw",
    words: () => {
      cpSync(at("images"), at("unseen/train"), { recursive: true });
      cpSync(at("images/3"), at("unseen/test/8"), { recursive: true });
      return ["--model", "model", "--data", "unseen"];
    },
    says: '"8"',
    code: "data/unknown-label",
  },
  {
    name: "a loss that is not finite",
    words: () => [
      "--model",
      "model",
      "--data",
      "images",
      "--run",
      "diverged",
      "--optimizer",
      "sgd",
      "--learning-rate",
      "1e30",
      "--clip-norm",
      "1e30",
    ],
    says: /smaller learning rate|lower the learning rate/,
    code: "",
    leavesRun: true,
  },
  {
    name: "an output folder inside the images",
    words: () => ["--model", "model", "--data", "images", "--out", "images/tuned"],
    says: "images/tuned",
    code: "app/overlapping-folders",
  },
  {
    name: "an output folder that holds the images, which --force would take along",
    words: () => {
      mkdirSync(at("work"));
      images("work/images");
      return ["--model", "model", "--data", "work/images", "--out", "work", "--force"];
    },
    says: "would be lost",
    code: "app/overlapping-folders",
  },
  {
    name: "the same behind a link",
    words: () => {
      symlinkSync(at("work"), at("beside"));
      return ["--model", "model", "--data", "beside/images", "--out", "work", "--force"];
    },
    says: "would be lost",
    code: "app/overlapping-folders",
  },
  {
    name: "no images",
    words: () => ["--model", "model", "--data", "./nowhere"],
    says: "nowhere",
    code: "data/not-found",
  },
  {
    name: "no model",
    words: () => ["--model", "images", "--data", "images"],
    says: "no .onnx file",
    code: "models/not-found",
  },
  {
    name: "a wrong flag",
    words: () => ["--epoch", "3"],
    says: 'Did you mean "--epochs"?',
    code: "app/unknown-option",
  },
  {
    name: "a flag of other tools",
    words: () => ["--freeze", "layer1"],
    says: 'Did you mean "--plan"?',
    code: "app/unknown-option",
  },
  {
    name: "a wrong plan",
    words: () => ["--model", "model", "--data", "images", "--plan", "haed"],
    says: '"head"',
    code: "tune/unknown-plan",
  },
  {
    name: "a wrong value of a flag that has choices",
    words: () => ["--model", "model", "--data", "images", "--schedule", "cosin"],
    says: 'Did you mean "cosine"?',
    code: "app/bad-option",
  },
  {
    name: "a number out of range",
    words: () => ["--model", "model", "--data", "images", "--epochs", "-1"],
    says: "epochs",
    code: "app/bad-option",
  },
  {
    name: "no options at all",
    words: () => [],
    says: '"model" and "data" are not given',
    code: "app/missing-option",
  },
];

describe("a mistake ends in one clear error and leaves nothing behind", () => {
  for (const { name, words, says, code, leavesRun } of mistakes)
    test(name, { timeout: 60_000 }, async () => {
      const given = await words();
      const out = given.includes("--out") ? [] : ["--out", "made"];
      const { code: exit, err } = await run("tune", ...given, ...out, "--run", "made-run");
      expect(err).toMatch(says);
      expect(err).toContain(`code: ${code}`);
      expect(err).not.toMatch(/\n {4}at /);
      expect(exit).toBe(2);
      // What had made steps keeps its run, to be looked into.
      const left = readdirSync(folder).filter((file) => /^made|\.tmp/.test(file));
      expect(left).toEqual(leavesRun ? ["made-run"] : []);
      rmSync(at("made-run"), { recursive: true, force: true });
    });

  test("an image of 0 bytes, asked for by name", async () => {
    writeFileSync(at("nothing.png"), "");
    const { code, err } = await run("predict", "model", "nothing.png");
    expect([code, err]).toEqual([2, expect.stringContaining('"nothing.png" has 0 bytes')]);
  });

  test("an output folder that exists is left as it is", async () => {
    mkdirSync(at("mine"));
    writeFileSync(at("mine/notes.txt"), "keep me");
    const { code, err } = await run("tune", "--model", "model", "--data", "images", "--out", "mine");
    expect([code, err]).toEqual([2, expect.stringContaining("--force")]);
    expect(readdirSync(at("mine"))).toEqual(["notes.txt"]);
  });

  test.skipIf(unprivileged === undefined)(
    "a folder that may not be written (skipped where only root can run this)",
    { timeout: 60_000 },
    async () => {
      mkdirSync(at("locked"));
      chmodSync(at("locked"), 0o555);
      chmodSync(folder, 0o755);
      for (const words of [
        "tune --model model --data images --out locked/tuned --run locked/run",
        "export model --to fp16 --out locked/export",
        "demo locked/demo",
      ]) {
        const { code, err } = await diapason(words.split(" "), { cwd: folder, ...unprivileged });
        expect([words, code, err]).toEqual([words, 2, expect.stringContaining("base/not-writable")]);
        expect(readdirSync(at("locked"))).toEqual([]);
      }
    },
  );
});

describe("the command line", () => {
  test("names the nearest command", async () => {
    const { code, err } = await run("tuen");
    expect([code, err]).toEqual([2, expect.stringContaining('"diapason tune"')]);
  });

  test.each(verbs.map((verb) => verb.name))("%s explains every option within 80 columns", async (name) => {
    const { code, out } = await run(name, "--help");
    expect(code).toBe(0);
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    for (const option of Object.keys(verbs.find((verb) => verb.name === name)!.options.shape)) {
      if (option !== "stages" && option !== "sizes")
        expect(out).toContain(`--${option.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`);
    }
  });

  test("without a command it shows the commands", async () => {
    const { code, out } = await run();
    expect(code).toBe(0);
    // each beside what it does, on one line
    expect(out).toMatch(/^ {2}resume <run> +go on with an interrupted run$/m);
    expect(out).toMatch(/^ {2}predict <model> <inputs\.\.\.> +say what/m);
  });

  test("what the system refuses is one clear error, without a stack", async () => {
    const { code, err } = await run("runs", "model/config.json");
    expect([code, err]).toEqual([2, expect.stringContaining("code: base/file-refused")]);
    expect(err).toContain('"model/config.json"');
    expect(err).not.toMatch(/\n {4}at /);
  });

  test("a mistake before any command points to the help of all", async () => {
    const { code, err } = await run("--json=yes");
    expect([code, err]).toEqual([2, expect.stringContaining('See "diapason --help"')]);
  });

  test("--json: objects on standard output, also for a mistake; words on standard error", async () => {
    const good = await run("inspect", "model", "--json");
    expect(
      good.out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).type),
    ).toEqual(["model"]);
    expect(good.err).toContain("Blocks");
    const bad = await run("inspect", "./nowhere", "--json");
    expect(JSON.parse(bad.out)).toMatchObject({ type: "error", code: "models/not-found" });
    expect(bad.code).toBe(2);
  });

  test.each([
    ["tune --help --json", { type: "help", command: "tune" }, "--learning-rate"],
    ["--json help tune", { type: "help", command: "tune" }, "--learning-rate"],
    ["--json", { type: "help", command: "diapason" }, "resume"],
    ["--version --json", { type: "version" }, "0."],
  ])("%s is one object too, and words on standard error", async (words, record, said) => {
    const { code, out, err } = await run(...words.split(" "));
    expect(code).toBe(0);
    expect(out.trim().split("\n")).toHaveLength(1);
    expect(JSON.parse(out)).toMatchObject(record);
    expect(err).toContain(said);
  });

  test("help says the flags of a command with what they choose among, and the commands", async () => {
    const tuning = JSON.parse((await run("tune", "--help", "--json")).out);
    const device = tuning.flags.find(({ flag }: { flag: string }) => flag === "--device <value>");
    expect(device).toMatchObject({ choices: ["cpu", "webgpu", "cuda"] });
    const { commands } = JSON.parse((await run("--json")).out);
    expect(commands.map(({ name }: { name: string }) => name)).toEqual(verbs.map(({ name }) => name));
  });

  test("--json before the command is the same, and help for no command is a mistake", async () => {
    const { code, out } = await run("--json", "inspect", "./nowhere");
    expect([code, JSON.parse(out)]).toEqual([2, expect.objectContaining({ code: "models/not-found" })]);
    const lost = await run("help", "tuen");
    expect([lost.code, lost.err]).toEqual([2, expect.stringContaining('"diapason tune"')]);
  });

  test("a model that was tuned is judged, asked and reported on", { timeout: 120_000 }, async () => {
    const tuned = await run(
      "tune",
      "--model",
      "model",
      "--data",
      "images",
      "--out",
      "tuned",
      "--plan",
      "head",
      "--epochs",
      "2",
      "--json",
    );
    expect(tuned.err).toContain("Accuracy on");
    const events = tuned.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.map((event) => event.type)).toEqual(
      expect.arrayContaining(["found", "before", "step", "evaluation", "run-end", "saved"]),
    );
    const judged = await run(
      "evaluate",
      "tuned",
      "--data",
      "images",
      "--predictions",
      "said.jsonl",
      "--json",
    );
    const evaluated = JSON.parse(judged.out.trim().split("\n").at(-1)!);
    expect(evaluated).toMatchObject({ type: "evaluated", classes: ["3", "7"], metrics: { examples: 20 } });
    expect(readFileSync(at("said.jsonl"), "utf8").trim().split("\n")).toHaveLength(20);
    const again = await run("evaluate", "tuned", "--data", "images", "--predictions", "said.jsonl");
    expect([again.code, again.err]).toEqual([2, expect.stringContaining("app/file-exists")]);
    const asked = await run("predict", "tuned", first(at("images/3")), "--top", "1");
    expect(asked.out).toMatch(/%\s+[37]$/m);
    expect((await run("runs")).out).toMatch(/runs\/tuned\s+finished\s+head/);
    rmSync(at("runs/tuned/report.html"));
    expect((await run("report", "runs/tuned")).code).toBe(0);
    expect(existsSync(at("runs/tuned/report.html"))).toBe(true);
  });

  test("a table of several columns: the one that holds the label is named", {
    timeout: 120_000,
  }, async () => {
    const table = ["file_name,person,light"];
    for (const name of ["3", "7"])
      for (const file of readdirSync(at("images", name)))
        table.push(`${name}/${file},digit ${name},${table.length}`);
    writeFileSync(join(images("table"), "metadata.csv"), `${table.join("\n")}\n`);
    const words = [
      "--model",
      "model",
      "--data",
      "table",
      "--out",
      "named",
      "--plan",
      "head",
      "--epochs",
      "1",
    ];
    const unnamed = await run("tune", ...words);
    expect(unnamed.err).toMatch(/no column "label"; its columns are .*"person"[\s\S]*labelColumn/);
    const tuned = await run("tune", ...words, "--label-column", "person");
    expect([tuned.code, readFileSync(at("named/config.json"), "utf8")]).toEqual([
      0,
      expect.stringMatching(/"digit 3"[\s\S]*"digit 7"/),
    ]);
    const judged = await run("evaluate", "named", "--data", "table", "--label-column", "person", "--json");
    expect(JSON.parse(judged.out.trim().split("\n").at(-1)!).metrics.examples).toBe(20);
    // the run remembers what it was told
    const exported = await run("export", "named", "--to", "fp16", "--json");
    expect(exported.out).toMatch(/"accuracy"/);
  });
});
