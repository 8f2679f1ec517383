import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { lettersModel } from "../../src/app/demo/data.node.ts";
import { diapason } from "../cli/command-line.ts";
import { eventsIn, layOutDigits, tuneHead } from "../cli/command-line-digits.ts";
import { hub, speakToHub } from "./workplace.ts";

const root = mkdtempSync(join(tmpdir(), "diapason-hub-commands-"));
beforeAll(() => layOutDigits(root));
afterAll(() => rmSync(root, { recursive: true, force: true }));
speakToHub();

/** The files of a folder by their paths in it. */
const contentsOf = (folder: string): Record<string, Buffer> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(folder.length + 1), readFileSync(path)]),
  );
const run = (words: string) => diapason(words.split(" "), { cwd: root });
const name = "some-org/letters";
const out = join(root, "tuned");
const head = tuneHead("tuned")
  .join(" ")
  .replace("--model model", `--model ${name} --epochs 1`)
  .replace("--epochs 6 ", "");

test("a model of the Hub is tuned, recorded by its commit, and uploaded", { timeout: 120_000 }, async () => {
  const commit = hub.addRepo(name, contentsOf(lettersModel));
  const tuned = await run(head);
  expect(tuned.err).not.toMatch(/code:/);
  expect(tuned.code).toBe(0);
  expect(tuned.err).toMatch(/Fetched onnx\/model.onnx \(.* of some-org\/letters/);
  const files = eventsIn(tuned.out).filter(({ type }) => type === "download") as unknown as {
    file: string;
  }[];
  expect(files.map(({ file }) => file).sort()).toEqual([
    "config.json",
    "onnx/model.onnx",
    "preprocessor_config.json",
  ]);
  const pinned = `${name}@${commit}`;
  expect(JSON.parse(readFileSync(join(root, "runs/tuned/run.json"), "utf8")).model).toBe(pinned);
  expect(parse(readFileSync(join(root, "runs/tuned/recipe.yaml"), "utf8")).model).toBe(pinned);
  const card = readFileSync(join(out, "README.md"), "utf8");
  expect(card).toMatch(/base_model: some-org\/letters\n/);
  expect(card).toMatch(/Fine-tuned from `some-org\/letters` with/);

  // The run goes on from the cache alone, at the commit it began with.
  hub.addRepo(name, { "config.json": "{}" });
  rmSync(out, { recursive: true });
  process.env["HF_HUB_OFFLINE"] = "1";
  const resumed = await run("resume runs/tuned --json");
  expect(resumed.err).not.toMatch(/code:/);
  expect(resumed.code).toBe(0);
  delete process.env["HF_HUB_OFFLINE"];

  process.env["HF_TOKEN"] = hub.token;
  const pushed = await run("push tuned some-org/digits --private --json");
  expect(pushed.err).toMatch(/Pushed {2}\d+ files, .* to http.*\/some-org\/digits/);
  expect(pushed.code).toBe(0);
  const { isPrivate, commits, refs } = hub.repos.get("some-org/digits")!;
  expect(isPrivate).toBe(true);
  expect(Object.fromEntries(commits.get(refs.get("main")!)!)).toEqual(contentsOf(out));
  expect(eventsIn(pushed.out).at(-1)).toMatchObject({
    type: "pushed",
    name: "some-org/digits",
    commit: refs.get("main"),
  });
  expect(hub.seen.filter(({ host }) => host === "store").every((s) => s.authorization === undefined)).toBe(
    true,
  );

  const predicted = await run(
    "predict some-org/digits images/3/00000.png --json".replace(
      "00000.png",
      readdirSync(join(root, "images/3"))[0]!,
    ),
  );
  expect(predicted.code).toBe(0);
  expect(eventsIn(predicted.out).some(({ type }) => type === "prediction")).toBe(true);
});

test("inspect and evaluate take an id too", { timeout: 60_000 }, async () => {
  const commit = hub.addRepo(name, contentsOf(lettersModel));
  const inspected = await run(`inspect ${name}@main`);
  expect(inspected.out).toMatch(new RegExp(`Model {4}${name}@${commit}`));
  const evaluated = await run(`evaluate ${name} --data images`);
  expect(evaluated.err).toMatch(/classes|labels/);
  expect(evaluated.code).toBe(2);
});

describe("mistakes end with 2 and one clear error", () => {
  test.each<[string, string, string, RegExp]>([
    [
      "a model that is not there",
      "inspect some-org/other",
      "models/hub-not-found",
      /There is no model "some-org\/other"/,
    ],
    ["a mistyped path", "inspect modle", "models/not-found", /Did you mean "model"\?/],
    ["an upload without a token", "push model some-org/x", "models/hub-no-token", /Set HF_TOKEN/],
    ["an upload of no model", "push images some-org/x", "models/not-found", /holds no model/],
    ["an upload of nothing", "push nothing some-org/x", "models/not-found", /is not there/],
    ["an upload to no name", "push model a/b/c", "models/hub-bad-id", /org\/name/],
  ])("%s", async (_, words, code, message) => {
    const { code: exit, err } = await run(words);
    expect(err).toMatch(message);
    expect(err).toContain(`code: ${code}`);
    expect(exit).toBe(2);
  });

  test("offline, and not in the cache", async () => {
    process.env["HF_HUB_OFFLINE"] = "1";
    const { code, err } = await run(`inspect ${name}`);
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/models--some-org--letters.*\n.*Unset HF_HUB_OFFLINE/),
    ]);
    process.env["HF_TOKEN"] = hub.token;
    expect((await run("push model some-org/x")).err).toMatch(/cannot be uploaded: HF_HUB_OFFLINE/);
    expect(hub.seen).toEqual([]);
  });
});

describe("uploads", () => {
  beforeEach(() => {
    process.env["HF_TOKEN"] = hub.token;
  });

  test("add to what is there, on a branch that is made, under a message", async () => {
    hub.addRepo(name, { LICENSE: "keep" });
    const { out: printed } = await run(`push model ${name} --revision new/idea --message better`);
    expect(printed).toMatch(/\/some-org\/letters\/tree\/new\/idea/);
    const { commits, refs } = hub.repos.get(name)!;
    const made = commits.get(refs.get("new/idea")!)!;
    expect(String(made.get("LICENSE"))).toBe("keep");
    expect(made.get("onnx/model.onnx")!.equals(readFileSync(join(root, "model/onnx/model.onnx")))).toBe(true);
    expect([...commits.get(refs.get("main")!)!.keys()]).toEqual(["LICENSE"]);
  });

  test("go to the token's account where only a name is given; hidden files stay", async () => {
    mkdirSync(join(root, "small"), { recursive: true });
    for (const file of ["model.safetensors", ".secret"]) writeFileSync(join(root, "small", file), "x");
    expect((await run("push small tiny")).code).toBe(0);
    const { commits, refs } = hub.repos.get("somebody/tiny")!;
    expect([...commits.get(refs.get("main")!)!.keys()]).toEqual(["model.safetensors"]);
  });

  test.each<[string, () => unknown, string, RegExp]>([
    [
      "a token that is not valid",
      () => Object.assign(process.env, { HF_TOKEN: "hf_old" }),
      "models/hub-denied",
      /Set HF_TOKEN to a token that is valid/,
    ],
    [
      "a token that may only read",
      () => Object.assign(hub.mayWrite, { value: false }),
      "models/hub-denied",
      /right to write/,
    ],
    [
      "a public repository, asked for a private one",
      () => void hub.addRepo("some-org/x", { a: "b" }),
      "models/hub-is-public",
      /leave --private out/,
    ],
  ])("%s", async (_, prepare, code, message) => {
    prepare();
    const { code: exit, err } = await run("push model some-org/x --private");
    expect(err).toMatch(message);
    expect(err).toContain(`code: ${code}`);
    expect(exit).toBe(2);
  });
});
