// Steps on Hugging Face checkpoints beside transformers' and PEFT's, in one run: forward, backward, clipping, AdamW.
//   npm run build && DIAPASON_PYTHON=path/to/python node bench/checkpoints.mjs --model ENCODER_FOLDER [--case "encoder lora 16 64"] [--rounds 1] [--threads 2] [--steps 6]
//   node bench/checkpoints.mjs --model ENCODER_FOLDER --data FOLDER     from the command to the end of the first step
// FOLDER has train.csv, validation.csv and test.csv with the columns text and label.
// Sides run in processes of their own, in turns, from the same weights, adapter and inputs; the losses of all steps must
// agree to 1e-3, bfloat16 and few bits excepted. Times are the least of all steps but the first two of a process, wall and
// processor time of the whole process; memory is its largest resident set. Without --case: an encoder, a GPT-2 of 124 and a
// Llama of 135 million parameters, some minutes on two cores. The table is that of docs/benchmarks.md; results go to
// bench/results/checkpoints.json.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const here = import.meta.dirname;
const python = process.env.DIAPASON_PYTHON;
if (!python) throw new Error("Set DIAPASON_PYTHON to a Python that has PyTorch, transformers and PEFT.");
const { values } = parseArgs({
  options: {
    model: { type: "string" },
    data: { type: "string" },
    case: { type: "string", multiple: true },
    rounds: { type: "string", default: "1" },
    threads: { type: "string", default: String(cpus().length) },
    steps: { type: "string", default: "6" },
  },
});
if (!values.model) throw new Error("Give --model, the folder of an encoder.");
const { model, data, threads, steps } = values;
const env = { ...process.env, HF_HUB_OFFLINE: "1" };
const peer = join(here, "checkpoints/peer.py");
const warmup = 2;

if (data) await firstSteps();
else compareSteps();

function compareSteps() {
  const cases = values.case ?? [
    "encoder lora 16 64",
    "encoder full 16 64",
    "gpt2 lora 2 128",
    "llama lora 2 128",
  ];
  const rows = [];
  for (const name of cases) {
    const row = { case: name, ...compare(...name.split(" ")) };
    rows.push(row);
    console.error(JSON.stringify(row));
  }
  console.log(table(rows));
  mkdirSync(join(here, "results"), { recursive: true });
  const about = { cpu: cpus()[0].model, threads: Number(threads), node: process.version };
  writeFileSync(join(here, "results/checkpoints.json"), `${JSON.stringify({ about, rows }, null, 2)}\n`);
}

/** Markdown: least milliseconds of a step, ratios to PyTorch in float32. */
function table(rows) {
  const heads = [
    "Diapason, ms",
    "int8 frozen weights",
    "PyTorch",
    "PyTorch, bfloat16",
    "ratio in float32",
    "memory, MB",
    "ratio",
  ];
  const ratio = (a, b) => `**${(a / b).toFixed(2)}**`;
  const lines = rows.map(({ case: name, diapason, int8, torch, bf16 }) => {
    const [network, regime, batch, tokens] = name.split(" ");
    return [
      `${network}, ${regime}, ${batch} texts of ${tokens} tokens`,
      diapason.ms,
      int8?.ms ?? "",
      torch.ms,
      bf16.ms,
      ratio(diapason.ms, torch.ms),
      `${diapason.peakMB} / ${torch.peakMB}`,
      ratio(diapason.peakMB, torch.peakMB),
    ];
  });
  const all = [["", ...heads], ["---", ...heads.map(() => "---:")], ...lines];
  return all.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function compare(network, regime, batch, tokens) {
  const folder = mkdtempSync(join(tmpdir(), "diapason-checkpoints-"));
  run(python, [peer, "make", network, regime, batch, tokens, folder, model]);
  const ours = (frozen) =>
    run(process.execPath, [join(here, "checkpoints/ours.mjs"), folder, regime, frozen, threads, steps]);
  const theirs = (mode) => run(python, [peer, "step", folder, regime, mode, threads, steps]);
  const sides = {
    diapason: () => ours("float32"),
    ...(regime === "lora" && { int8: () => ours("int8") }),
    torch: () => theirs("default"),
    bf16: () => theirs("bf16"),
  };
  const found = {};
  for (let round = 0; round < Number(values.rounds); round++)
    for (const [side, measure] of Object.entries(sides)) {
      const { times, cpu, losses, peakBytes, moving } = JSON.parse(measure());
      const before = found[side] ?? { ms: Infinity, cpuMs: Infinity, peakMB: 0 };
      found[side] = {
        ms: Math.round(Math.min(before.ms, ...times.slice(warmup))),
        cpuMs: Math.round(Math.min(before.cpuMs, ...cpu.slice(warmup))),
        peakMB: Math.round(Math.max(before.peakMB, peakBytes / 1e6)),
        losses,
        moving,
      };
    }
  rmSync(folder, { recursive: true });
  const { diapason, torch } = found;
  const lossDifference = Math.max(...torch.losses.map((loss, i) => Math.abs(loss - diapason.losses[i])));
  if (!(lossDifference < 1e-3) || diapason.moving !== torch.moving)
    throw new Error(
      `${network} ${regime}: losses differ by ${lossDifference}; ${diapason.moving} and ${torch.moving} numbers move.`,
    );
  for (const side of Object.values(found)) delete side.losses;
  return { lossDifference, ...found };
}

/** Seconds from starting a process to the end of its first optimizer step, the least of some rounds. */
async function firstSteps() {
  const out = mkdtempSync(join(tmpdir(), "diapason-first-"));
  const words = ["tune", "--model", model, "--data", data, "--task", "text-classification", "--json"];
  const more = [
    "--plan",
    "full",
    "--batch-size",
    "16",
    "--max-tokens",
    "64",
    "--epochs",
    "1",
    "--threads",
    threads,
  ];
  const least = { diapason: Infinity, transformers: Infinity };
  for (let round = 0; round < Number(values.rounds); round++) {
    const cli = [join(here, "../dist/cli/main.node.js"), ...words, ...more, "--out", join(out, `${round}`)];
    const ours = await until(process.execPath, cli, out, /"type":"step"/);
    const theirs = await until(python, [peer, "first", model, data, threads], out, /first step/);
    least.diapason = Math.min(least.diapason, ours);
    least.transformers = Math.min(least.transformers, theirs);
  }
  rmSync(out, { recursive: true });
  console.log(JSON.stringify(least));
}

/** Seconds until a process prints something; it is ended then. */
function until(command, args, cwd, pattern) {
  const start = performance.now();
  const child = spawn(command, args, { env, cwd, stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    let text = "";
    let seconds;
    child.stdout.on("data", (part) => {
      text += part;
      if (seconds !== undefined || !pattern.test(text)) return;
      seconds = (performance.now() - start) / 1000;
      child.kill("SIGKILL");
    });
    child.on("close", () =>
      seconds === undefined
        ? reject(new Error(`${command} ended before its first step: ${text}`))
        : resolve(seconds),
    );
  });
}

function run(command, args) {
  const options = { encoding: "utf8", maxBuffer: 1 << 26, stdio: ["ignore", "pipe", "ignore"], env };
  return execFileSync(command, args, options).trim().split("\n").at(-1);
}
