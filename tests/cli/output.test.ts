import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { verbs } from "../../src/app/index.node.ts";
import { cli, diapason } from "./command-line.ts";
import { layOutDigits, statesOfRuns, stepsIn, tuneHead } from "./command-line-digits.ts";

const folder = mkdtempSync(join(tmpdir(), "diapason-output-"));
const at = (...names: string[]) => join(folder, ...names);
const run = (words: readonly string[]) => diapason(words, { cwd: folder });
beforeAll(() => layOutDigits(folder));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A command of the shell with the words of ours as "$@". */
const shell = (script: string, words: readonly string[]) =>
  spawnSync("sh", ["-c", script, "sh", process.execPath, cli, ...words], { cwd: folder, encoding: "utf8" });

test.skipIf(process.platform === "win32")(
  "no room for the tuned model: told by its name; with room the run saves it, and is finished then",
  async () => {
    // Blocks of 512 bytes: enough for the head's checkpoints, too little for the model.
    const full = shell('ulimit -f 1500; exec "$@"', tuneHead("large"));
    expect([full.status, full.stderr]).toEqual([2, expect.stringMatching(/room to write ".*model\.onnx"/)]);
    expect(full.stderr).toContain("code: base/disk-full");
    expect(readdirSync(folder).filter((name) => /large|tmp/.test(name))).toEqual([]);
    const saved = await run(["resume", "runs/large", "--json"]);
    expect([saved.code, stepsIn(saved.out)]).toEqual([0, []]);
    expect(readdirSync(at("large"))).toContain("model.safetensors");
    expect(await statesOfRuns(at("runs"))).toEqual({ large: "finished" });
    const again = await run(["resume", "runs/large"]);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining('The run "runs/large" is finished')]);
    expect(again.err).toContain("code: app/run-finished");
  },
);

describe.skipIf(process.platform === "win32")("what reads or holds the output", () => {
  test("has read enough (head -1): no word about it", () => {
    const images = readdirSync(at("images/3")).map((name) => join("images/3", name));
    for (const words of [
      ["predict", "model", ...images, "--batch-size", "1"],
      ["tune", "--help"],
    ]) {
      const { stdout, stderr } = shell('"$@" | head -1', words);
      expect([stdout, stderr]).toEqual([expect.stringMatching(/^.+\n$/), ""]);
    }
  });

  test.skipIf(!existsSync("/dev/full"))("is full: one error, no stack", () => {
    for (const words of [["inspect", "model", "--json"], ["--help"]]) {
      const { status, stderr } = shell('"$@" > /dev/full', words);
      expect([status, stderr]).toEqual([2, expect.stringContaining('no room to write "standard output"')]);
      expect(stderr).not.toMatch(/\n {4}at /);
    }
    expect(shell('"$@" 2> /dev/full', ["inspect", "nowhere"]).status).toBe(2);
  });
});

/** The lines that a command draws on a terminal, in the order in which they stood there. */
function onTerminal(columns: number, words: string): string[] {
  const command = `stty cols ${columns}; '${process.execPath}' '${cli}' ${words}`;
  const { stdout } = spawnSync("script", ["-qec", command, "/dev/null"], { cwd: folder, encoding: "utf8" });
  const clearsLine = "\r\u001b[K";
  return stdout.replaceAll(clearsLine, "\n").split(/\r?\n/);
}
const hasScript = spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0;

test.skipIf(!hasScript)(
  "a terminal of 40 columns is not written over its edge (skipped without script)",
  () => {
    for (const words of ["--help", "tune --help"]) {
      const lines = onTerminal(40, words);
      expect(lines.length).toBeGreaterThan(10);
      expect(lines.filter((line) => line.length > 40)).toEqual([]);
    }
    const drawn = onTerminal(40, "evaluate large --data images --batch-size 1");
    const progress = drawn.filter((line) => line.includes("evaluating"));
    expect(progress.length).toBeGreaterThan(0);
    expect(progress.filter((line) => line.length > 39)).toEqual([]);
  },
);

test.skipIf(!hasScript)(
  "what is said on a terminal of 60 columns is wrapped between words (skipped without script)",
  { timeout: 180_000 },
  () => {
    const lines = ["--help", ...verbs.map(({ name }) => `${name} --help`)].flatMap((words) =>
      onTerminal(60, words),
    );
    const told = [
      "tune --model model --data images --out narrow --plan gradual --epochs 2 --threads 1",
      "evaluate narrow --data images",
      "inspect narrow --plan gradual",
      "gradcheck narrow --samples 1",
      "runs",
      "tune --model model --data images --out narrow",
    ].flatMap((words) => onTerminal(60, words));
    expect(told.join("\n")).toMatch(/^Plan {4}head: moves .*\n {8}\S/m);
    expect(told.join("\n")).toMatch(/^narrow exists .*\n {2}\S/m);
    // A path is not broken.
    const isWord = (line: string) => !line.trim().slice(8).includes(" ");
    expect([...lines, ...told].filter((line) => line.length > 60 && !isWord(line))).toEqual([]);
  },
);
