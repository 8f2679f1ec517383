import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { diapason } from "../cli/command-line.ts";
import { eventsIn, layOutDigits } from "../cli/command-line-digits.ts";
import { writeTinyEncoder } from "../text/tiny-text.ts";
import { fixture, hub, speakToHub } from "./workplace.ts";

const root = mkdtempSync(join(tmpdir(), "diapason-hub-data-commands-"));
beforeAll(async () => {
  await layOutDigits(root);
  await writeTinyEncoder(join(root, "encoder"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
speakToHub();

const run = (words: string) => diapason(words.split(" "), { cwd: root });
const jsonOf = (file: string) => JSON.parse(readFileSync(join(root, file), "utf8"));
const name = "some-org/opinions";
/** A benchmark as they lie on the Hub: two configs, and a test split that keeps its labels back. */
const opinions = {
  "README.md":
    "---\nconfigs:\n- config_name: films\n  data_files:\n  - {split: train, path: films/train-*}\n  - {split: validation, path: films/validation-*}\n  - {split: test, path: films/test-*}\n- config_name: books\n  data_files: books.csv\n---\n",
  ...Object.fromEntries(
    ["train", "validation", "test"].map((split) => [
      `films/${split}-00000-of-00001.parquet`,
      fixture(`sentences-${split}.parquet`),
    ]),
  ),
  "books.csv": "text,label\na,b\n",
};

test("texts of the Hub are tuned on, recorded by their commit, gone on with, judged and measured by", {
  timeout: 120_000,
}, async () => {
  const commit = hub.addRepo(`datasets/${name}`, opinions);
  const pinned = `${name}@${commit}`;
  const words = `tune --model encoder --data ${name} --data-config films --task text-classification --plan full --epochs 8 --batch-size 8 --learning-rate 5e-3 --out tuned --json`;
  const tuned = await run(words);
  expect(tuned.err).not.toMatch(/code:/);
  expect(tuned.code).toBe(0);
  expect(tuned.err).toMatch(
    /Note {4}some-org\/opinions, config "films": train films\/train-00000-of-00001\.parquet, validation .* kB\)\./,
  );
  expect(tuned.err).toMatch(/The test rows have no labels/);
  expect(tuned.err).toMatch(new RegExp(`Data {4}${pinned}`));
  const files = eventsIn(tuned.out).filter(({ type }) => type === "download") as unknown as {
    data: string;
    file: string;
  }[];
  expect(files.map(({ data, file }) => `${data} ${file}`)).toEqual([
    `${name} README.md`,
    ...["train", "validation", "test"].map((split) => `${name} films/${split}-00000-of-00001.parquet`),
  ]);
  expect(jsonOf("runs/tuned/run.json").data).toBe(pinned);
  const recipe = parse(readFileSync(join(root, "runs/tuned/recipe.yaml"), "utf8"));
  expect([recipe.data, recipe.dataConfig]).toEqual([pinned, "films"]);
  expect(jsonOf("tuned/config.json").id2label).toEqual({ "0": "negative", "1": "positive" });
  const card = readFileSync(join(root, "tuned/README.md"), "utf8");
  expect(card).toMatch(/datasets:\n {2}- some-org\/opinions\n/);
  expect(card).toMatch(/name: some-org\/opinions\n/);
  expect(card).toMatch(/type: some-org\/opinions\n/);

  // The data set changes; the run goes on from the cache alone, with those it began with.
  hub.addRepo(`datasets/${name}`, { "books.csv": "text,label\na,b\n" });
  rmSync(join(root, "tuned"), { recursive: true });
  process.env["HF_HUB_OFFLINE"] = "1";
  const resumed = await run("resume runs/tuned --json");
  expect(resumed.err).not.toMatch(/code:/);
  expect(resumed.code).toBe(0);
  expect(jsonOf("tuned/config.json").id2label).toEqual({ "0": "negative", "1": "positive" });

  const judged = await run(`evaluate tuned --data ${pinned} --data-config films --split validation --json`);
  expect(judged.code).toBe(0);
  expect(eventsIn(judged.out).at(-1)).toMatchObject({
    type: "evaluated",
    data: pinned,
    metrics: { examples: 8, accuracy: 1 },
  });
  // A benchmark may have nothing to train on.
  delete process.env["HF_HUB_OFFLINE"];
  const rows = fixture("sentences-validation.parquet");
  hub.addRepo("datasets/some-org/benchmark", { "validation.parquet": rows, "test.parquet": rows });
  const benchmark = await run("evaluate tuned --data some-org/benchmark --json");
  expect(eventsIn(benchmark.out).at(-1)).toMatchObject({
    split: "test",
    metrics: { examples: 8, accuracy: 1 },
  });
  process.env["HF_HUB_OFFLINE"] = "1";

  const exported = await run("export tuned --to fp16 --json");
  expect(exported.err).not.toMatch(/not measured/);
  expect(eventsIn(exported.out).at(-1)).toMatchObject({
    type: "exported",
    quality: { data: pinned, split: "validation" },
  });
  // Where its data are gone, an export says so.
  rmSync(process.env["HF_HOME"]!, { recursive: true });
  const unmeasured = await run("export tuned --to fp16 --force");
  expect([unmeasured.code, unmeasured.out]).toEqual([
    0,
    expect.stringMatching(
      /What is lost is not measured: the data of its run cannot be had: .*not in the cache/,
    ),
  ]);
});

test("pictures of the Hub are tuned on, with their classes in its order", { timeout: 120_000 }, async () => {
  hub.addRepo("datasets/some-org/colours", {
    "data/train-00000-of-00001.parquet": fixture("pictures-train.parquet"),
    "data/test-00000-of-00001.parquet": fixture("pictures-test.parquet"),
  });
  const { code, err } = await run(
    "tune --model model --data some-org/colours --plan head --epochs 1 --batch-size 4 --out colours",
  );
  expect(err).not.toMatch(/code:/);
  expect(code).toBe(0);
  expect(jsonOf("colours/config.json").id2label).toEqual({ "0": "red", "1": "green", "2": "blue" });
  const card = readFileSync(join(root, "colours/README.md"), "utf8");
  expect(card).toMatch(/datasets:\n {2}- some-org\/colours\n/);
});

test("mistakes end with 2 and one clear error, before anything is written", async () => {
  hub.addRepo(`datasets/${name}`, opinions);
  hub.addRepo("some-org/model", { "config.json": "{}" });
  const tune = "tune --model encoder --task text-classification --out never";
  for (const [words, code, message] of [
    [`${tune} --data ${name}`, "data/unknown-config", /"films", "books".*\n.*--data-config films/],
    [`${tune} --data ${name} --data-config flims`, "data/unknown-config", /Did you mean "films"/],
    [`${tune} --data some-org/model`, "models/hub-wrong-kind", /is a model/],
    [`${tune} --data some-org/nothing`, "models/hub-not-found", /There is no data set/],
    [`${tune} --data imagse`, "data/not-found", /Did you mean "images"/],
    [`${tune} --data images --data-config films`, "app/bad-option", /is a path/],
  ] as const) {
    const { code: exit, err } = await run(words);
    expect(err).toMatch(message);
    expect(err).toContain(`code: ${code}`);
    expect(exit).toBe(2);
  }
  expect(readdirSync(root)).not.toContain("never");
});
