// A training step beside PyTorch's, in one run, threads alike: forward, backward, clipping, AdamW.
//   npm run build && DIAPASON_PYTHON=path/to/python node bench/step.mjs [--network resnet18] [--regime head] [--rounds 2]
// Each side runs in a process of its own, in turns; times are the medians of all steps but the first two of a process,
// memory is the largest resident set of the process. Both sides start from the same weights and inputs, and the losses of
// the first steps must agree. Results go to bench/results/step.json.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const here = import.meta.dirname;
const python = process.env.DIAPASON_PYTHON;
if (!python) throw new Error("Set DIAPASON_PYTHON to a Python that has PyTorch, onnx and numpy.");
const { values } = parseArgs({
  options: {
    network: { type: "string", multiple: true },
    regime: { type: "string", multiple: true },
    rounds: { type: "string", default: "2" },
    threads: { type: "string", default: String(availableParallelism()) },
  },
});
const networks = values.network ?? ["encoder", "resnet18", "mobilenetv2", "vit-s16"];
const regimes = values.regime ?? ["full", "top", "head"];
const modes = { encoder: ["default", "bf16"], "vit-s16": ["default", "bf16"] };
const stepsOf = { full: 6, top: 8, head: 10 };
const warmup = 2;

const run = (command, words) => {
  const text = execFileSync(command, words, {
    encoding: "utf8",
    maxBuffer: 1 << 26,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return text.trim().split("\n").at(-1);
};
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const folder = mkdtempSync(join(tmpdir(), "diapason-step-"));
const rows = [];

for (const network of networks) {
  run(python, [join(here, "step/peer.py"), "export", network, folder]);
  for (const regime of regimes) {
    const steps = String(stepsOf[regime]);
    const sides = {
      diapason: () =>
        run(process.execPath, [join(here, "step/ours.mjs"), folder, regime, values.threads, steps]),
    };
    for (const mode of modes[network] ?? ["default", "channels_last", "bf16"]) {
      sides[mode] = () =>
        run(python, [join(here, "step/peer.py"), "step", network, regime, mode, values.threads, steps]);
    }
    const found = Object.fromEntries(
      Object.keys(sides).map((side) => [side, { times: [], losses: [], peakBytes: 0 }]),
    );
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [side, measure] of Object.entries(sides)) {
        const { times, losses, peakBytes } = JSON.parse(measure());
        found[side].times.push(...times.slice(warmup));
        found[side].losses = losses;
        found[side].peakBytes = Math.max(found[side].peakBytes, peakBytes);
      }
    }
    const difference = Math.max(
      ...found.default.losses.map((loss, i) => Math.abs(loss - found.diapason.losses[i])),
    );
    if (!(difference < 1e-3)) throw new Error(`${network} ${regime}: losses differ by ${difference}`);
    const row = { network, regime, lossDifference: difference };
    for (const [side, { times, peakBytes }] of Object.entries(found)) {
      row[side] = { ms: median(times), least: Math.min(...times), peakMB: peakBytes / 1e6 };
    }
    rows.push(row);
    print(row);
  }
}
rmSync(folder, { recursive: true });
const about = {
  cpu: cpus()[0].model,
  threads: Number(values.threads),
  node: process.version,
  date: new Date().toISOString().slice(0, 10),
};
if (!existsSync(join(here, "results"))) mkdirSync(join(here, "results"));
writeFileSync(join(here, "results/step.json"), `${JSON.stringify({ about, rows }, null, 2)}\n`);

function print({ network, regime, diapason, ...row }) {
  const peers = ["default", "channels_last", "bf16"].filter((mode) => row[mode]);
  const text = peers.map(
    (mode) =>
      `${mode} ${row[mode].ms.toFixed(0)} (× ${(diapason.ms / row[mode].ms).toFixed(2)}, memory × ${(diapason.peakMB / row[mode].peakMB).toFixed(2)})`,
  );
  console.log(
    `${network} ${regime}: Diapason ${diapason.ms.toFixed(0)} ms, ${diapason.peakMB.toFixed(0)} MB; PyTorch ${text.join(", ")}`,
  );
}
